<?xml version="1.0" encoding="UTF-8"?>
<tileset version="1.10" tiledversion="1.10.2" name="waystone" tilewidth="16" tileheight="16" tilecount="40" columns="8">
 <image source="waystone.png" width="128" height="80"/>
 <tile id="0" type="grass"/>
 <tile id="1" type="flowers"/>
 <tile id="2" type="tufts"/>
 <tile id="3" type="dirt"/>
 <tile id="4" type="cobble"/>
 <tile id="5" type="slab"/>
 <tile id="6" type="water">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="7" type="lilies">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="8" type="tree">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="9" type="pine">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="10" type="bush">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="11" type="rock">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="12" type="wall">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="13" type="battlement">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="14" type="timber">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="15" type="window">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="16" type="door">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="17" type="roof">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="18" type="slate">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="19" type="fence">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="20" type="stall">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="21" type="awning">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="22" type="well">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="23" type="barrel">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="24" type="floor"/>
 <tile id="25" type="cracked"/>
 <tile id="26" type="masonry">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="27" type="dark">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="28" type="torch">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="29" type="pillar">
  <properties>
   <property name="blocks" type="bool" value="true"/>
  </properties>
 </tile>
 <tile id="30" type="bones"/>
 <tile id="31" type="bridge"/>
 <tile id="32" type="stone-nw"/>
 <tile id="33" type="stone-ne"/>
 <tile id="34" type="stone-sw"/>
 <tile id="35" type="stone-se"/>
</tileset>

//! Maps in Tiled's own words. A map here is 8 x 6 tiles of 16 x 16 pixels.

mod errors;
mod hostile;

use protocol::Position;
use serde_json::json;

use super::*;
use crate::atlas::SpawnPoint;

const SPAWN: &str = r#"<object id="1" name="spawn" class="spawn" x="24" y="24"><point/></object>"#;

/// What stands between `<map>` and `</map>`.
struct Text {
    attributes: String,
    properties: String,
    tileset: String,
    layers: String,
    objects: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            attributes:
                r#"orientation="orthogonal" width="8" height="6" tilewidth="16" tileheight="16""#
                    .to_owned(),
            properties: String::new(),
            tileset: TILESET.replace("<tileset", r#"<tileset firstgid="1""#),
            layers: String::new(),
            objects: SPAWN.to_owned(),
        }
    }
}

/// Tile 0 is grass, tile 1 a wall.
const TILESET: &str = r#"<tileset name="tiles" tilewidth="16" tileheight="16" tilecount="2" columns="2">
    <image source="tiles.png" width="32" height="16"/>
    <tile id="1"><properties><property name="blocks" type="bool" value="true"/></properties></tile>
    </tileset>"#;

impl Text {
    fn write(&self) -> String {
        let Self { attributes, properties, tileset, layers, objects } = self;
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><map version="1.10" {attributes}>
            <properties>{properties}</properties>{tileset}{layers}
            <objectgroup id="9" name="things">{objects}</objectgroup></map>"#
        )
    }

    fn read(&self) -> Result<MapPlan, PlanError> {
        let text = self.write();
        let files = [("glade.tmx", text.as_str()), ("tiles.tsx", TILESET)];
        read(Path::new("glade.tmx"), Source::Embedded(&files)).map(|sheet| sheet.plan)
    }

    fn error(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

fn property(name: &str, kind: &str, value: &str) -> String {
    format!(r#"<property name="{name}" type="{kind}" value="{value}"/>"#)
}

/// A layer of the whole map, with one tile of the id `gid` at each of some places.
fn layer(name: &str, within: &str, gid: u32, tiles: &[(usize, usize)]) -> String {
    let mut rows = vec![vec!["0".to_owned(); 8]; 6];
    for (column, row) in tiles {
        rows[*row][*column] = gid.to_string();
    }
    let csv = rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join(",\n");
    format!(
        r#"<layer id="1" name="{name}" width="8" height="6">{within}<data encoding="csv">
        {csv}</data></layer>"#
    )
}

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

#[test]
fn a_map_is_named_by_its_file_or_by_its_property() {
    let plan = Text::default().read().unwrap();
    assert_eq!((plan.name.as_str(), plan.width, plan.height), ("glade", 8.0, 6.0));
    assert_eq!((plan.view, plan.neighbours, plan.instance), (16.0, 100, false));
    let properties = [
        property("name", "string", "meadow"),
        property("view", "int", "24"),
        property("neighbours", "int", "400"),
        property("instance", "bool", "true"),
        property("gravity", "float", "0.1"),
        property("sky", "color", "#ff0080ff"),
    ];
    let plan = Text { properties: properties.concat(), ..Text::default() }.read().unwrap();
    assert_eq!(plan.name.as_str(), "meadow");
    assert_eq!((plan.view, plan.neighbours, plan.instance), (24.0, 400, true));
    assert_eq!(plan.properties.get("gravity"), Some(&json!(0.1)));
    assert_eq!(plan.properties.get("sky"), Some(&json!("#ff0080ff")));
}

#[test]
fn walls_are_what_a_layer_or_a_tileset_says() {
    let collides = format!("<properties>{}</properties>", property("collides", "bool", "true"));
    let grouped = layer("fence", "", 1, &[(4, 4)]);
    let layers = [
        layer("grass", "", 1, &[(0, 0), (1, 0), (2, 0)]),
        layer("houses", "", 2, &[(1, 0)]),
        layer("collision", "", 1, &[(2, 0)]),
        layer("water", &collides, 1, &[(3, 0)]),
        format!(r#"<group id="5" name="all">{collides}{grouped}</group>"#),
    ];
    let plan = Text { layers: layers.concat(), ..Text::default() }.read().unwrap();
    let free = |x, y| plan.ground.is_free(at(x, y));
    assert!(free(0.5, 0.5) && free(4.5, 0.5) && free(3.5, 4.5));
    assert!(!free(1.5, 0.5) && !free(2.5, 0.5) && !free(3.5, 0.5) && !free(4.5, 4.5));
}

#[test]
fn objects_become_spawn_points_portals_and_places() {
    let objects = [
        r#"<object id="2" name="gate" class="spawn" x="64" y="64" width="32" height="16"/>"#,
        SPAWN,
        r#"<object id="3" class="portal" x="96" y="16" width="32" height="32"><ellipse/><properties>
            <property name="to" value="forest"/><property name="arrive_x" type="int" value="7"/>
            <property name="arrive_y" type="float" value="2.5"/></properties></object>"#,
        r#"<object id="4" class="portal" x="16" y="80"><point/><properties>
            <property name="to" value="dungeon"/><property name="radius" type="float" value="0.5"/>
            <property name="instance" type="bool" value="true"/></properties></object>"#,
        r#"<object id="5" name="wolves" class="den" x="32" y="48" width="48" height="24"><properties>
            <property name="monsters" type="int" value="3"/></properties></object>"#,
        r#"<object id="6" gid="2" x="16" y="64" width="16" height="16"/>"#,
        r#"<object id="7" x="64" y="32"><polygon points="0,0 16,-16 8,8"/></object>"#,
    ];
    let plan = Text { objects: objects.concat(), ..Text::default() }.read().unwrap();
    assert_eq!(plan.spawn, at(1.5, 1.5), "the one named spawn");
    assert_eq!(plan.spawns.len(), 2);
    assert_eq!(plan.spawns[0], SpawnPoint { name: "gate".to_owned(), at: at(5.0, 4.5) });
    let [circle, point] = &plan.portals[..] else { panic!("{:?}", plan.portals) };
    assert_eq!((circle.at, circle.radius, circle.to.as_str()), (at(7.0, 2.0), 1.0, "forest"));
    assert_eq!((circle.arrive, circle.instance), (Some(at(7.0, 2.5)), false));
    assert_eq!((point.at, point.radius, point.instance), (at(1.0, 5.0), 0.5, true));
    assert_eq!(point.arrive, None);
    let [den, tile, polygon] = &plan.places[..] else { panic!("{:?}", plan.places) };
    assert_eq!((den.name.as_str(), den.kind.as_str()), ("wolves", "den"));
    assert_eq!((den.at, den.size), (at(2.0, 3.0), (3.0, 1.5)));
    assert_eq!(den.properties.get("monsters"), Some(&json!(3)));
    assert_eq!(tile.at, at(1.0, 3.0), "what shows a tile hangs from its bottom left");
    assert_eq!((polygon.at, polygon.size), (at(4.0, 1.0), (1.0, 1.5)));
}

#[test]
fn the_first_spawn_point_is_the_default_if_none_has_the_name() {
    let spawn = SPAWN.replace(r#"name="spawn""#, r#"name="north""#);
    let other = r#"<object id="2" name="south" class="spawn" x="1" y="1"/>"#;
    let plan = Text { objects: spawn + other, ..Text::default() }.read().unwrap();
    assert_eq!(plan.spawn, at(1.5, 1.5));
}

#[test]
fn an_infinite_map_begins_where_its_first_tile_is() {
    // Tiles from (-3, -2) on; the chunk itself begins at (-16, -16).
    let mut tiles = vec!["0"; 256];
    tiles[14 * 16 + 13] = "1";
    tiles[15 * 16 + 15] = "2";
    let layers = format!(
        r#"<layer id="1" name="all" width="16" height="16"><data encoding="csv">
        <chunk x="-16" y="-16" width="16" height="16">{}</chunk>
        <chunk x="0" y="0" width="1" height="2">0,1</chunk></data></layer>"#,
        tiles.join(",")
    );
    let attributes = Text::default().attributes + r#" infinite="1""#;
    let objects = SPAWN.replace(r#"x="24" y="24""#, r#"x="-32" y="-16""#);
    let plan = Text { attributes, layers, objects, ..Text::default() }.read().unwrap();
    assert_eq!((plan.width, plan.height), (4.0, 4.0));
    assert_eq!(plan.spawn, at(1.0, 1.0));
    assert!(!plan.ground.is_free(at(2.5, 1.5)) && plan.ground.is_free(at(3.5, 3.5)));
}

#[test]
fn objects_of_a_layer_that_is_drawn_aside_stand_where_they_are_seen() {
    let layers = format!(
        r#"<group id="2" name="aside" offsetx="16"><objectgroup id="3" name="more" offsety="8">
        <object id="8" class="den" x="16" y="16"/></objectgroup></group>{SPAWN}"#
    );
    let plan = Text { layers, ..Text::default() }.read().unwrap();
    assert_eq!(plan.places[0].at, at(2.0, 1.5));
}

#[test]
fn a_tileset_may_stand_in_a_file_of_its_own() {
    for source in ["tiles.tsx", "./tiles.tsx"] {
        let tileset = format!(r#"<tileset firstgid="1" source="{source}"/>"#);
        let layers = layer("houses", "", 2, &[(1, 0)]);
        let plan = Text { tileset, layers, ..Text::default() }.read().unwrap();
        assert!(!plan.ground.is_free(at(1.5, 0.5)) && plan.ground.is_free(at(2.5, 0.5)));
    }
}

#[test]
fn packed_layers_are_unpacked() {
    // 48 tiles; the second is a wall, the others are empty. Made by Python's zlib and gzip.
    let packed = [
        ("", format!("AAAAAAIAAAA{}", "A".repeat(245))),
        (r#" compression="zlib""#, "eJxjYGBgYGIYugAAAjgAAw==".to_owned()),
        (r#" compression="gzip""#, "H4sIAAAAAAACA2NgYGBgYhi6AACfJ1XawAAAAA==".to_owned()),
    ];
    for (compression, data) in packed {
        let layers = format!(
            r#"<layer id="1" name="houses" width="8" height="6"><data encoding="base64"{compression}>
            {data}</data></layer>"#
        );
        let plan = Text { layers, ..Text::default() }.read().unwrap();
        assert!(!plan.ground.is_free(at(1.5, 0.5)) && plan.ground.is_free(at(2.5, 0.5)));
    }
}

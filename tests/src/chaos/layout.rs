//! The cluster that is hurt: two Centrals, three machines, two maps, two channels of each.

use std::{fmt::Write as _, fs, path::Path};

use protocol::Position;

/// Centrals, by id. One leads; half of the players come to each.
pub const CENTRALS: [&str; 2] = ["central-1", "central-2"];
/// Spawners, by id, with the maps that each runs.
pub const SPAWNERS: [(&str, &[&str]); 3] =
    [("spawn-1", &["plaza"]), ("spawn-2", &["grove"]), ("spawn-3", &["plaza", "grove"])];
/// Map Servers: the place of the spawner, and the map.
pub const MAPS: [(usize, &str); 4] = [(0, "plaza"), (1, "grove"), (2, "plaza"), (2, "grove")];
/// What is meant to run: just that. What is missing for long is started on another machine, and the
/// one that is too much then ends once nobody is there.
const DESIRED: &str = "\
    [maps.plaza]\nmin_channels = 2\nmax_channels = 2\nidle_s = 2\n\
    [maps.grove]\nmin_channels = 2\nmax_channels = 2\nidle_s = 2\n";
/// What is sold, in the order in which everybody buys it, over and over. There are three, so that
/// a purchase that was undone shows: who wears what comes before the last was robbed of the last.
pub const GOODS: [&str; 3] = ["bread", "herbs", "blades"];
/// What each costs.
pub const PRICE: u32 = 3;

/// Where the goods are sold, on both maps. Nobody who stands at one is near another, or near coins:
/// so a player's coins stand still while it buys.
pub fn shop(goods: usize) -> Position {
    let x = [4.0, 12.0, 20.0].get(goods % GOODS.len()).copied().unwrap_or_default();
    Position { x, y: 3.0 }
}

/// The middle of the portal, on both maps. One arrives at [`ARRIVAL`].
pub const PORTAL: Position = Position { x: 20.0, y: 15.0 };
/// Where one arrives, away from coins: what one has there is what was handed over.
pub const ARRIVAL: Position = Position { x: 15.0, y: 15.0 };

/// The maps' folder, for `MMO_MAPS_DIR`. No walls, no monsters, coins enough: coins change for
/// three reasons only, all of which a player hears.
///
/// # Panics
/// When it cannot be written.
pub fn write_maps(folder: &Path) -> std::path::PathBuf {
    let maps = folder.join("maps");
    fs::create_dir_all(&maps).expect("a folder for maps");
    for (map, other) in [("plaza", "grove"), ("grove", "plaza")] {
        fs::write(maps.join(format!("{map}.tmx")), map_text(other)).expect("a map");
    }
    maps
}

/// The file for `MMO_DESIRED`.
///
/// # Panics
/// When it cannot be written.
pub fn write_desired(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("desired.toml");
    fs::write(&file, DESIRED).expect("what is meant to run");
    file
}

fn map_text(other: &str) -> String {
    let mut objects = String::new();
    let px = |tiles: f32| tiles * 16.0;
    let _ = write!(
        objects,
        r#"<object id="1" name="spawn" class="spawn" x="{}" y="{}"><point/></object>
        <object id="2" name="gate" class="portal" x="{}" y="{}" width="32" height="32">
        <properties><property name="to" value="{other}"/>
        <property name="arrive_x" type="float" value="{}"/>
        <property name="arrive_y" type="float" value="{}"/></properties><ellipse/></object>
        <object id="3" name="field" class="coins" x="{}" y="{}" width="{}" height="{}">
        <properties><property name="count" type="int" value="24"/></properties></object>"#,
        px(12.0),
        px(15.0),
        px(PORTAL.x - 1.0),
        px(PORTAL.y - 1.0),
        ARRIVAL.x,
        ARRIVAL.y,
        px(7.0),
        px(8.0),
        px(10.0),
        px(4.0),
    );
    for (place, goods) in GOODS.iter().enumerate() {
        let at = shop(place);
        let _ = write!(
            objects,
            r#"<object id="{}" name="{goods}er" class="shop" x="{}" y="{}"><properties>
            <property name="goods" value="{goods}"/>
            <property name="price" type="int" value="{PRICE}"/>
            <property name="stock" type="int" value="1000"/>
            <property name="restock_seconds" type="int" value="1"/></properties><point/></object>"#,
            place + 4,
            px(at.x),
            px(at.y),
        );
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <map version="1.10" orientation="orthogonal" width="24" height="18" tilewidth="16" tileheight="16">
        <properties><property name="coin_seconds" type="int" value="3"/></properties>
        <objectgroup id="1" name="things">{objects}</objectgroup></map>"#
    )
}

use super::*;

/// An open map of 8 x 6 tiles, with one wall at 3, 2 and whatever else.
fn map(objects: &str) -> String {
    let mut tiles = ["0"; 48];
    tiles[2 * 8 + 3] = "1";
    format!(
        r#"<map version="1.10" orientation="orthogonal" width="8" height="6" tilewidth="16"
        tileheight="16"><tileset firstgid="1" source="tiles.tsx"/>
        <layer id="1" name="collision" width="8" height="6"><data encoding="csv">{}</data></layer>
        <objectgroup id="2" name="things"><object id="1" class="spawn" x="16" y="16"/>{objects}
        </objectgroup></map>"#,
        tiles.join(",")
    )
}

const TILES: (&str, &str) = (
    "tiles.tsx",
    r#"<tileset name="tiles" tilewidth="16" tileheight="16" tilecount="2" columns="2">
    <image source="tiles.png" width="32" height="16"/></tileset>"#,
);

fn portal(to: &str, arrive: (f32, f32)) -> String {
    format!(
        r#"<object id="7" name="gate" class="portal" x="96" y="64" width="16" height="16"><ellipse/>
        <properties><property name="to" value="{to}"/>
        <property name="arrive_x" type="float" value="{}"/>
        <property name="arrive_y" type="float" value="{}"/></properties></object>"#,
        arrive.0, arrive.1
    )
}

fn known(atlas: &Atlas) -> Vec<&str> {
    atlas.names().map(MapName::as_str).collect()
}

#[test]
fn an_atlas_has_the_maps_that_are_built_in_and_says_which() {
    let (town, lake) = (map(&portal("lake", (2.0, 2.0))), map(""));
    let atlas = Atlas::embedded(&[TILES, ("town.tmx", &town), ("lake.tmx", &lake)]).unwrap();
    assert_eq!(known(&atlas), ["lake", "town"]);
    assert_eq!(atlas.plan(&"town".parse().unwrap()).unwrap().portals.len(), 1);
    let error = atlas.plan(&"moon".parse().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "there is no map `moon` here; known maps: lake, town");
}

#[test]
fn a_name_stands_once() {
    let named = map("").replace(
        "<tileset",
        r#"<properties><property name="name" value="town"/></properties><tileset"#,
    );
    let error = Atlas::embedded(&[TILES, ("town.tmx", &map("")), ("city.tmx", &named)]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "city.tmx: map `town` is in town.tmx already; rename one of them"
    );
}

#[test]
fn a_portal_arrives_on_the_free_ground_of_a_map_that_is_known() {
    let arriving = |to, arrive| {
        let (town, lake) = (map(&portal(to, arrive)), map(""));
        Atlas::embedded(&[TILES, ("town.tmx", &town), ("lake.tmx", &lake)]).map(|_| ())
    };
    arriving("lake", (8.0, 6.0)).unwrap();
    arriving("moon", (900.0, 900.0)).unwrap();
    assert_eq!(
        arriving("lake", (8.5, 2.0)).unwrap_err().to_string(),
        "town.tmx: layer `things`: object 7 `gate`: arrives at 8.5, 2, but map `lake` is 8 x 6 \
         tiles; change `arrive_x` and `arrive_y`"
    );
    assert_eq!(
        arriving("lake", (3.5, 2.5)).unwrap_err().to_string(),
        "town.tmx: layer `things`: object 7 `gate`: arrives at 3.5, 2.5, which is a wall on map \
         `lake`; change `arrive_x` and `arrive_y`"
    );
}

#[test]
fn a_folder_adds_its_maps_with_the_tilesets_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("lake.tmx", &map(""));
    write(TILES.0, TILES.1);
    write("notes.txt", "no map");
    let town = map("");
    let built_in = Atlas::embedded(&[TILES, ("town.tmx", &town)]).unwrap();
    let atlas = built_in.clone().with_folder(folder.path()).unwrap();
    assert_eq!(known(&atlas), ["lake", "town"]);

    write("town.tmx", &map(""));
    assert!(matches!(built_in.clone().with_folder(folder.path()), Err(PlanError::Twice { .. })));

    write("town.tmx", "no map");
    let error = built_in.clone().with_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("town.tmx: is no "), "{error}");

    std::fs::remove_file(folder.path().join(TILES.0)).unwrap();
    write("town.tmx", &map(""));
    let error = built_in.clone().with_folder(folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("tiles.tsx"), "{error}");

    let none = folder.path().join("none");
    assert!(matches!(built_in.with_folder(&none), Err(PlanError::Unreadable { .. })));
}

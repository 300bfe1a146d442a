//! What authors get wrong: each error says where, and what to do.

use super::*;

/// A portal with some properties, at a place of its own.
fn portal(properties: &[String]) -> Text {
    let portal = format!(
        r#"<object id="3" name="gate" class="portal" x="96" y="48" width="32" height="32"><ellipse/>
        <properties>{}</properties></object>"#,
        properties.concat()
    );
    Text { objects: SPAWN.to_owned() + &portal, ..Text::default() }
}

fn to_forest() -> String {
    property("to", "string", "forest")
}

const GATE: &str = "glade.tmx: layer `things`: object 3 `gate`";

#[test]
fn a_portal_is_whole() {
    assert!(portal(&[to_forest()]).read().is_ok());
    let cases = [
        (vec![], "has no property `to`"),
        (vec![property("to", "int", "3")], "property `to` is no string"),
        (vec![property("to", "string", "The Moon")], "property `to`: "),
        (vec![to_forest(), property("radius", "float", "0")], "its radius is 0; use more than 0"),
        (vec![to_forest(), property("radius", "float", "NaN")], "its radius is NaN"),
        (vec![to_forest(), property("radius", "bool", "true")], "property `radius` is no float"),
        (vec![to_forest(), property("radius", "int", "7")], "covers the spawn point `spawn`"),
        (vec![to_forest(), property("instance", "int", "1")], "property `instance` is no bool"),
        (vec![to_forest(), property("arrive_x", "int", "1")], "has one of `arrive_x`"),
        (
            vec![
                to_forest(),
                property("arrive_x", "float", "NaN"),
                property("arrive_y", "int", "1"),
            ],
            "`arrive_x` and `arrive_y` must be finite",
        ),
    ];
    for (properties, problem) in cases {
        let error = portal(&properties).error();
        assert!(error.starts_with(&format!("{GATE}: {problem}")), "{error}");
    }
}

#[test]
fn a_portal_is_a_circle() {
    let with = |from: &str, to: &str| {
        let mut text = portal(&[to_forest()]);
        text.objects = text.objects.replace(from, to);
        text.error()
    };
    assert_eq!(
        with(r#"width="32""#, r#"width="24""#),
        format!("{GATE}: is 1.5 tiles wide but 2 high; make it a circle")
    );
    assert!(with("<ellipse/>", "").starts_with(&format!("{GATE}: has no radius; draw it")));
}

#[test]
fn everything_stands_on_the_map() {
    for place in [r#"x="120" y="80""#, r#"x="-1" y="80""#, r#"x="NaN" y="80""#, r#"x="1" y="1e30""#]
    {
        let mut text = portal(&[to_forest()]);
        text.objects = text.objects.replace(r#"x="96" y="48""#, place);
        let error = text.error();
        assert_eq!(error, format!("{GATE}: lies outside of the map; move it onto it, whole"));
    }
    let objects = r#"<object id="4" class="den" x="1" y="1" width="8" height="200"/>"#;
    let error = Text { objects: SPAWN.to_owned() + objects, ..Text::default() }.error();
    assert!(error.starts_with("glade.tmx: layer `things`: object 4: lies outside"), "{error}");
}

#[test]
fn one_can_come_in() {
    let error = Text { objects: String::new(), ..Text::default() }.error();
    assert_eq!(error, "glade.tmx: has no spawn point; add an object of the class `spawn`");
    let layers = layer("collision", "", 1, &[(1, 1)]);
    let error = Text { layers, ..Text::default() }.error();
    assert_eq!(
        error,
        "glade.tmx: layer `things`: object 1 `spawn`: stands in a wall; move it to a free tile"
    );
}

#[test]
fn the_maps_own_properties_make_sense() {
    let cases = [
        ("name", "string", "The Moon", "glade.tmx: "),
        ("name", "int", "1", "glade.tmx: property `name` is no string"),
        ("view", "float", "3.9", "glade.tmx: property `view` is 3.9; use 4 to 128 tiles"),
        ("view", "float", "NaN", "glade.tmx: property `view` is NaN"),
        ("neighbours", "int", "401", "glade.tmx: property `neighbours` is 401; use 1 to 400"),
        ("neighbours", "float", "4", "glade.tmx: property `neighbours` is no int"),
        ("instance", "string", "yes", "glade.tmx: property `instance` is no bool"),
        ("gravity", "float", "inf", "glade.tmx: property `gravity` is inf; use a finite"),
    ];
    for (name, kind, value, start) in cases {
        let properties = property(name, kind, value);
        let error = Text { properties, ..Text::default() }.error();
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn the_map_is_of_a_kind_and_size_that_is_known() {
    let with = |from: &str, to: &str| {
        let attributes = Text::default().attributes.replace(from, to);
        Text { attributes, ..Text::default() }.error()
    };
    assert!(with("orthogonal", "isometric").starts_with("glade.tmx: is not orthogonal;"));
    assert!(with(r#"tilewidth="16""#, r#"tilewidth="0""#).contains("its tiles have no size"));
    assert!(with(r#" width="8""#, r#" width="0""#).contains("its width is 0; use 1 to 65536"));
    assert!(with(r#" height="6""#, r#" height="65537""#).contains("its height is 65537; use 1"));
    let wide = with(r#" width="8" height="6""#, r#" width="65536" height="257""#);
    assert!(wide.contains("has 16842752 tiles; use at most 16777216"), "{wide}");
    assert!(with("orthogonal\"", "orthogonal\" infinite=\"1\"").contains("has no tiles"));
}

#[test]
fn the_wrong_type_of_a_switch_is_told_with_its_place() {
    let collides = format!("<properties>{}</properties>", property("collides", "int", "1"));
    let layers = layer("water", &collides, 1, &[]);
    let error = Text { layers, ..Text::default() }.error();
    assert!(error.starts_with("glade.tmx: layer `water`: property `collides` is no bool"));
    let tileset = Text::default().tileset.replace(r#"type="bool" value="true""#, r#"value="yes""#);
    let error = Text { tileset, ..Text::default() }.error();
    assert!(error.starts_with("glade.tmx: tileset `tiles`: tile 1: property `blocks` is no bool"));
}

#[test]
fn a_file_that_is_not_there_or_no_map_is_named() {
    let tileset = r#"<tileset firstgid="1" source="more/roofs.tsx"/>"#.to_owned();
    let error = Text { tileset, ..Text::default() }.error();
    assert_eq!(error, "more/roofs.tsx: is not built in; add it to the embedded files");
    for text in ["", "width = 8", "<world/>", "<map", "<map></town>"] {
        let files = [("moon.tmx", text)];
        let error = read(Path::new("moon.tmx"), Source::Embedded(&files)).unwrap_err().to_string();
        assert!(error.starts_with("moon.tmx: is no "), "{error}");
    }
}

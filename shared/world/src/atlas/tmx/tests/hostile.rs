//! Files that are made to harm: each is refused before it does.

use proptest::prelude::*;

use super::*;

/// A map with one layer of so many tiles, whose data says something else.
fn with_data(size: &str, data: &str) -> String {
    let layers = format!(r#"<layer id="1" name="grass" {size}>{data}</layer>"#);
    Text { layers, ..Text::default() }.error()
}

#[test]
fn a_layer_that_has_fewer_or_more_tiles_than_it_claims() {
    let claimed = r#"width="8" height="6""#;
    let packed = "eJxjYGBgAAAABAAB"; // 4 bytes
    let data = [
        r#"<data encoding="csv">1,2,3</data>"#.to_owned(),
        format!(r#"<data encoding="csv">0{}</data>"#, ",0".repeat(48)),
        r#"<data encoding="base64">AQAAAA==</data>"#.to_owned(),
        r#"<data encoding="csv"></data>"#.to_owned(),
        r#"<data encoding="base64"/>"#.to_owned(),
        format!(r#"<data encoding="base64" compression="zlib">{packed}</data>"#),
    ];
    for data in data {
        let error = with_data(claimed, &data);
        assert!(error.starts_with("glade.tmx: layer `grass`: its data is not 48 tiles"), "{error}");
    }
}

#[test]
fn a_layer_that_hides_another_size_within_itself() {
    let claimed = r#"width="8" height="6""#;
    let small = r#"<layer name="small" width="1" height="1"/>"#;
    for data in [
        format!(r#"{small}<data encoding="csv">1</data>"#),
        format!(r#"<data encoding="csv">{small}1</data>"#),
        format!(r#"<group>{small}</group><data encoding="csv">1</data>"#),
    ] {
        let error = with_data(claimed, &data);
        assert!(error.starts_with("glade.tmx: layer `grass`: its data is not 48 tiles"), "{error}");
    }
}

#[test]
fn data_in_a_form_that_nobody_reads() {
    let cases = [
        (r#"<data><tile gid="1"/></data>"#, "save it with the map's tile layer format set to CSV"),
        (r#"<data>1</data>"#, "save it with the map's tile layer format set to CSV"),
        (r#"<data encoding="base64">!</data>"#, "its data is no base64"),
        (
            r#"<data encoding="base64" compression="zlib">AAAA</data>"#,
            "its data cannot be unpacked",
        ),
        (
            r#"<data encoding="base64" compression="gzip">AAAA</data>"#,
            "its data cannot be unpacked",
        ),
    ];
    for (data, problem) in cases {
        let error = with_data(r#"width="1" height="1""#, data);
        assert!(error.starts_with(&format!("glade.tmx: layer `grass`: {problem}")), "{error}");
    }
}

#[test]
fn a_layer_or_chunk_without_end() {
    let error = with_data(r#"width="65536" height="65536""#, "");
    assert!(error.contains("layer `grass`: has 4294967296 tiles; use at most"), "{error}");
    let error = with_data(r#"width="4294967296" height="1""#, "");
    assert!(error.contains("<layer>: `width` is 4294967296; use 0 to 65536"), "{error}");
    let chunks = [
        (r#"x="2147483647" y="0" width="16" height="1""#, "<chunk>: `x` is 2147483647"),
        (r#"x="0" y="-2147483648" width="16" height="1""#, "<chunk>: `y` is -2147483648"),
        (r#"x="0" y="0" width="0" height="1""#, "<chunk>: `width` is 0; use 1"),
        (r#"x="0" y="0" width="2" height="4294967295""#, "<chunk>: `height` is 4294967295"),
        (r#"x="0" y="0" width="2" height="2""#, "its data is not 4 tiles"),
    ];
    let attributes = Text::default().attributes + r#" infinite="1""#;
    for (chunk, problem) in chunks {
        let layers = format!(
            r#"<layer id="1" name="grass" width="8" height="6"><data encoding="csv">
            <chunk {chunk}>1</chunk></data></layer>"#
        );
        let error = Text { attributes: attributes.clone(), layers, ..Text::default() }.error();
        assert!(error.starts_with(&format!("glade.tmx: layer `grass`: {problem}")), "{error}");
    }
}

#[test]
fn chunks_so_far_apart_that_the_map_between_them_is_too_large() {
    let chunk = |x: i32| format!(r#"<chunk x="{x}" y="{x}" width="1" height="1">1</chunk>"#);
    let attributes = Text::default().attributes + r#" infinite="1""#;
    for (far, problem) in [(70_000, "its width is 70001"), (9_999, "has 100000000 tiles")] {
        let layers = format!(
            r#"<layer id="1" name="grass" width="8" height="6"><data encoding="csv">{}{}</data>
            </layer>"#,
            chunk(0),
            chunk(far)
        );
        let error = Text { attributes: attributes.clone(), layers, ..Text::default() }.error();
        assert!(error.starts_with(&format!("glade.tmx: {problem}")), "{error}");
    }
}

#[test]
fn more_layers_than_memory() {
    let layer = r#"<layer id="1" name="grass" width="4096" height="4096"></layer>"#;
    let error = Text { layers: layer.repeat(5), ..Text::default() }.error();
    assert!(error.contains("all layers and tilesets have more than 67108864 tiles"), "{error}");
    let tileset =
        r#"<tileset firstgid="1" name="t" tilewidth="1" tileheight="1" tilecount="65536"/>"#;
    let error = Text { tileset: tileset.repeat(65), ..Text::default() }.error();
    assert!(error.contains("all layers and tilesets have more than"), "{error}");
}

#[test]
fn a_tileset_that_announces_what_it_has_not() {
    let cases = [
        (r#"tilecount="2""#, r#"tilecount="4294967295""#, "`tilecount` is 4294967295"),
        (r#"tilewidth="16""#, r#"spacing="4294967295" tilewidth="1""#, "`spacing` is 4294967295"),
        (r#"columns="2""#, r#"margin="99""#, "a tileset has a margin but no `columns`"),
        (r#"width="32""#, r#"width="-1""#, "`width` is -1"),
    ];
    for (from, to, problem) in cases {
        let tileset = Text::default().tileset.replacen(from, to, 1);
        let error = Text { tileset, ..Text::default() }.error();
        assert!(error.starts_with("glade.tmx: ") && error.contains(problem), "{error}");
    }
}

#[test]
fn a_file_that_nests_without_end() {
    let deep = |tag: &str| format!("<{tag}>").repeat(100_000);
    for tag in ["group", "properties", "property"] {
        let error = Text { layers: deep(tag), ..Text::default() }.error();
        assert!(error.contains("nests deeper than 32"), "{error}");
    }
    let allowed = "<group>".repeat(31) + &"</group>".repeat(31);
    assert!(Text { layers: allowed, ..Text::default() }.read().is_ok(), "and the stack holds it");
}

#[test]
fn a_template_that_needs_itself() {
    let text = Text { objects: r#"<object template="a.tx"/>"#.to_owned(), ..Text::default() };
    let (map, template) = (text.write(), r#"<template><object template="a.tx"/></template>"#);
    let files = [("glade.tmx", map.as_str()), ("a.tx", template)];
    let error = read(Path::new("glade.tmx"), Source::Embedded(&files)).unwrap_err().to_string();
    assert_eq!(error, "a.tx: uses a template within a template; detach it");
}

/// A map with a bit of everything.
fn rich(infinite: bool) -> String {
    let chunk = r#"<chunk x="0" y="0" width="8" height="6">"#;
    let (attributes, open, close) =
        if infinite { (r#" infinite="1""#, chunk, "</chunk>") } else { ("", "", "") };
    let data = layer("grass", "", 1, &[(0, 0), (7, 5)]);
    let data = data.replace("\"csv\">", &format!("\"csv\">{open}"));
    let portal = r#"<object id="3" class="portal" x="96" y="16" width="32" height="32"><ellipse/>
        <properties><property name="to" value="forest"/></properties></object>"#;
    Text {
        attributes: Text::default().attributes + attributes,
        layers: data.replace("</data>", &format!("{close}</data>")),
        objects: SPAWN.to_owned() + portal,
        ..Text::default()
    }
    .write()
}

/// What stands in place of some part of a map: its other parts, or a bad number.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = |text: &str| Just(text.to_owned());
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        scrap(r#"<layer id="1" name="x" width="3" height="3">"#),
        scrap("</layer>"),
        scrap("<data>"),
        scrap(r#"<chunk x="-1" y="9" width="2" height="1">1,2</chunk>"#),
        scrap("<![CDATA[1]]>"),
        scrap("<!-- -->"),
        scrap(""),
    ]
}

proptest! {
    #[test]
    fn whatever_is_torn_out_or_pasted_in_the_answer_is_a_map_or_an_error(
        infinite: bool, edits in prop::collection::vec((0..2_000_usize, 0..12_usize, scraps()), 1..4),
    ) {
        let mut text = rich(infinite);
        for (start, length, scrap) in edits {
            let start = start.min(text.len());
            text.replace_range(start..(start + length).min(text.len()), &scrap);
        }
        let files = [("glade.tmx", text.as_str())];
        let _ = read(Path::new("glade.tmx"), Source::Embedded(&files));
    }
}

#[test]
fn the_map_that_is_torn_was_whole() {
    for infinite in [false, true] {
        let text = rich(infinite);
        let files = [("glade.tmx", text.as_str())];
        read(Path::new("glade.tmx"), Source::Embedded(&files)).unwrap();
    }
}

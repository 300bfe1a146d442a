//! Files that are made to harm: each is refused before it does.

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
}

#[test]
fn a_template_that_needs_itself() {
    let text = Text { objects: r#"<object template="a.tx"/>"#.to_owned(), ..Text::default() };
    let (map, template) = (text.write(), r#"<template><object template="a.tx"/></template>"#);
    let files = [("glade.tmx", map.as_str()), ("a.tx", template)];
    let error = read(Path::new("glade.tmx"), Source::Embedded(&files)).unwrap_err().to_string();
    assert_eq!(error, "a.tx: uses a template within a template; detach it");
}

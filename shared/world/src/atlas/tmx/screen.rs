//! What a Tiled file may ask of its parser.
//!
//! The `tiled` crate trusts its files: it recurses as deep as they nest, makes room for whatever
//! they announce, unpacks whatever they pack, and indexes a layer by the size that it claims. So
//! every file is looked through here before, with the same XML reader.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::data;
use crate::atlas::{
    error::{PlanError, Spot},
    ground::{AREA_MAX, SIDE_MAX},
};

/// Deeper than any map that a person made, shallow enough for a thread's stack.
const NESTED_MAX: usize = 32;
/// How many tiles a map with all its layers and tilesets may hold, since each takes 16 bytes.
const TILES_MAX: u64 = 4 * AREA_MAX;
/// The parser keeps the tiles of unbounded layers in blocks of 16 by 16.
const BLOCK: u64 = 16 * 16;
/// What a tile of a tileset takes, in tiles of a layer.
const TILESET_TILE: u64 = 16;
/// How far from the middle an unbounded layer may reach, in tiles, and the largest number of
/// pixels that a tileset may name.
const FAR: i64 = 1 << 20;

/// The elements that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Layer,
    Data,
    Chunk,
    Other,
}

/// The tile data of one element, as it was announced.
#[derive(Debug, Default)]
struct Announced {
    tiles: u64,
    encoding: Option<String>,
    compression: Option<String>,
    /// The parser reads the first text only.
    seen: bool,
}

/// Looks through the files of one map.
#[derive(Debug)]
pub(super) struct Screen {
    left: u64,
}

impl Default for Screen {
    fn default() -> Self {
        Self { left: TILES_MAX }
    }
}

impl Screen {
    /// Whether a file can be given to the parser.
    pub(super) fn pass(&mut self, file: &Spot, text: &str) -> Result<(), PlanError> {
        let mut pass = Pass {
            screen: self,
            spot: file.clone(),
            file,
            within: Vec::new(),
            infinite: false,
            is_map: false,
            announced: Announced::default(),
        };
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event().map_err(|error| file.bad(format!("is no XML: {error}")))? {
                Event::Start(element) => pass.open(&element)?,
                Event::Empty(element) => {
                    pass.open(&element)?;
                    pass.close()?;
                }
                Event::End(_) => pass.close()?,
                Event::Text(text) => {
                    let text = text.unescape().map_err(|error| pass.spot.bad(error.to_string()))?;
                    pass.text(&text)?;
                }
                Event::CData(text) => pass.text(&String::from_utf8_lossy(&text))?,
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn charge(&mut self, spot: &Spot, tiles: u64) -> Result<(), PlanError> {
        let left = self.left.checked_sub(tiles);
        self.left = left.ok_or_else(|| {
            spot.bad(format!("all layers and tilesets have more than {TILES_MAX} tiles; drop some"))
        })?;
        Ok(())
    }
}

struct Pass<'pass> {
    screen: &'pass mut Screen,
    file: &'pass Spot,
    /// The file, or the layer in it.
    spot: Spot,
    within: Vec<Element>,
    infinite: bool,
    is_map: bool,
    announced: Announced,
}

impl Pass<'_> {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), PlanError> {
        if self.within.len() == NESTED_MAX {
            return Err(self.spot.bad(format!("nests deeper than {NESTED_MAX}; use fewer groups")));
        }
        let mut kind = Element::Other;
        match (element.local_name().as_ref(), self.within.last()) {
            (b"map", None) => {
                self.is_map = true;
                self.infinite = self.attribute(element, "infinite")?.as_deref() == Some("1");
            }
            // The parser skips a layer within a layer, and keeps to the size of the outer one.
            (b"layer", _) if !self.within.contains(&Element::Layer) => {
                kind = self.layer(element)?;
            }
            (b"data", Some(Element::Layer)) => kind = self.data(element)?,
            (b"chunk", Some(Element::Data)) if self.infinite => kind = self.chunk(element)?,
            (b"tileset", _) => self.tileset(element)?,
            (b"image", _) => {
                self.number(element, "width", 0..=FAR)?;
            }
            // A template that needs itself would be read for ever.
            (b"object", _) if !self.is_map && self.attribute(element, "template")?.is_some() => {
                return Err(self.spot.bad("uses a template within a template; detach it"));
            }
            _ => {}
        }
        self.within.push(kind);
        Ok(())
    }

    fn close(&mut self) -> Result<(), PlanError> {
        // The parser takes data without any text for an empty one.
        self.text("")?;
        if self.within.pop() == Some(Element::Layer) {
            self.spot = self.file.clone();
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), PlanError> {
        let holds = self.within.last().is_some_and(|kind| self.holds_tiles(*kind));
        if !holds || std::mem::replace(&mut self.announced.seen, true) {
            return Ok(());
        }
        let Announced { tiles, encoding, compression, .. } = &self.announced;
        data::check(text, encoding.as_deref(), compression.as_deref(), *tiles)
            .map_err(|problem| self.spot.bad(problem))
    }

    fn holds_tiles(&self, kind: Element) -> bool {
        kind == if self.infinite { Element::Chunk } else { Element::Data }
    }

    fn layer(&mut self, element: &BytesStart<'_>) -> Result<Element, PlanError> {
        let name = self.attribute(element, "name")?.unwrap_or_default();
        self.spot = self.file.layer(&name);
        self.announced.tiles = self.area(element, 0)?;
        if !self.infinite {
            self.screen.charge(&self.spot, self.announced.tiles)?;
        }
        Ok(Element::Layer)
    }

    fn data(&mut self, element: &BytesStart<'_>) -> Result<Element, PlanError> {
        self.announced.encoding = self.attribute(element, "encoding")?;
        self.announced.compression = self.attribute(element, "compression")?;
        self.announced.seen = false;
        Ok(Element::Data)
    }

    fn chunk(&mut self, element: &BytesStart<'_>) -> Result<Element, PlanError> {
        self.number(element, "x", -FAR..=FAR)?;
        self.number(element, "y", -FAR..=FAR)?;
        self.announced.tiles = self.area(element, 1)?;
        self.announced.seen = false;
        // One that does not lie on the parser's grid touches more of its blocks.
        self.screen.charge(&self.spot, 4 * self.announced.tiles.max(BLOCK))?;
        Ok(Element::Chunk)
    }

    fn tileset(&mut self, element: &BytesStart<'_>) -> Result<(), PlanError> {
        let side = i64::from(SIDE_MAX);
        let tiles = self.number(element, "tilecount", 0..=side)?.unwrap_or(0);
        self.screen.charge(&self.spot, TILESET_TILE * tiles.unsigned_abs())?;
        self.number(element, "tilewidth", 0..=side)?;
        self.number(element, "spacing", 0..=side)?;
        let margin = self.number(element, "margin", 0..=side)?.unwrap_or(0);
        if margin > 0 && self.attribute(element, "columns")?.is_none() {
            return Err(self.spot.bad("a tileset has a margin but no `columns`; save it anew"));
        }
        Ok(())
    }

    /// Width times height of a layer or chunk.
    fn area(&self, element: &BytesStart<'_>, least: i64) -> Result<u64, PlanError> {
        let side = |name| self.number(element, name, least..=i64::from(SIDE_MAX));
        let (width, height) = (side("width")?.unwrap_or(0), side("height")?.unwrap_or(0));
        let area = width.unsigned_abs() * height.unsigned_abs();
        if area > AREA_MAX {
            return Err(self.spot.bad(format!("has {area} tiles; use at most {AREA_MAX}")));
        }
        Ok(area)
    }

    fn number(
        &self,
        element: &BytesStart<'_>,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, PlanError> {
        let Some(text) = self.attribute(element, name)? else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = (range.start(), range.end());
                let tag = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                Err(self.spot.bad(format!("<{tag}>: `{name}` is {text}; use {least} to {most}")))
            }
        }
    }

    /// An attribute's value; of several whose names differ in the prefix only, the last one, as
    /// the parser takes it.
    fn attribute(&self, element: &BytesStart<'_>, name: &str) -> Result<Option<String>, PlanError> {
        let mut value = None;
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| self.spot.bad(error.to_string()))?;
            if attribute.key.local_name().as_ref() == name.as_bytes() {
                let text = attribute.unescape_value();
                value = Some(text.map_err(|error| self.spot.bad(error.to_string()))?.into_owned());
            }
        }
        Ok(value)
    }
}

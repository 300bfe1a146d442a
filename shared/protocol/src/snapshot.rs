//! Where everything in sight stands, in few bytes.
//!
//! In JSON a [`Snapshot`] is an object with its fields. In MessagePack it is a binary, so that a
//! server writes each part of the map once and shares it among all who see it:
//!
//! ```text
//! snapshot := tick:varint ack:varint shift:u8 cell*
//! cell     := x:varint y:varint count:varint entry{count}
//! entry    := entity:varint dx:u8 dy:u8
//! ```
//! A cell is a square of `2^shift` tiles a side, the `x`-th from the left and the `y`-th from the
//! top; `dx` and `dy` count 256ths of that side from the cell's top left corner, so a position is
//! `((x + dx / 256) * 2^shift, (y + dy / 256) * 2^shift)`, at most one 256th of a side too far to
//! the left and to the top. `varint` is an unsigned LEB128 of at most 5 bytes. Only entities that
//! have moved are told, or all in sight after a gap: a client takes either alike.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{EntityId, Position, play::Move};

/// Largest [`Snapshot`] cell: `2^SHIFT_MAX` tiles a side.
pub const SHIFT_MAX: u8 = 8;
/// Steps in a cell's side.
const STEPS: f32 = 256.0;
/// A snapshot's message in MessagePack, up to the binary: a map of `type` and `view`.
const MESSAGE: &[u8] = b"\x82\xa4type\xa8snapshot\xa4view";
/// The cells that a snapshot is written with where nobody says otherwise: 8 tiles a side.
const SHIFT: u8 = 3;

/// Where entities stand, as of one tick.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The tick of the map's world, counted from its start.
    pub tick: u32,
    /// The highest `seq` of this client's inputs that the world had taken in by then; 0 for none.
    pub ack: u32,
    /// Who has moved where; entities that the client does not see are to be passed over.
    pub moves: Vec<Move>,
}

/// Bytes that are no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot ends early or has a number out of bounds at byte {at}")]
pub struct InvalidSnapshot {
    at: usize,
}

impl Snapshot {
    /// Reads the binary form.
    ///
    /// # Errors
    /// [`InvalidSnapshot`] where the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidSnapshot> {
        let mut scan = Scan { bytes, at: 0 };
        let (tick, ack, shift) = (scan.varint()?, scan.varint()?, scan.byte()?);
        if shift > SHIFT_MAX {
            return Err(InvalidSnapshot { at: scan.at });
        }
        let side = side_of(shift);
        let mut moves = Vec::new();
        while scan.at < bytes.len() {
            let (x, y, count) = (scan.varint()?, scan.varint()?, scan.varint()?);
            for _ in 0..count {
                let entity = EntityId(scan.varint()?);
                let (dx, dy) = (scan.byte()?, scan.byte()?);
                let at = |cell: u32, d: u8| (cell as f32 + f32::from(d) / STEPS) * side;
                moves.push(Move { entity, position: Position { x: at(x, dx), y: at(y, dy) } });
            }
        }
        Ok(Self { tick, ack, moves })
    }

    /// Writes the binary form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.moves.len() * 7);
        put_head(&mut out, self.tick, self.ack, SHIFT);
        for step in &self.moves {
            let cell = |at: f32| (at.max(0.0) / side_of(SHIFT)) as u32;
            let (x, y) = (cell(step.position.x), cell(step.position.y));
            put_cell(&mut out, x, y, 1);
            put_entry(&mut out, step.entity, step.position, x, y, SHIFT);
        }
        out
    }
}

/// What a snapshot begins with, read without its moves: enough to count ticks and echoes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// See [`Snapshot::tick`].
    pub tick: u32,
    /// See [`Snapshot::ack`].
    pub ack: u32,
}

impl Head {
    /// Reads the head of a [`crate::play::PlayMessage::Snapshot`] in MessagePack; `None` for any
    /// other message. The moves behind it are not looked at.
    pub fn read(message: &[u8]) -> Option<Self> {
        let binary = message.strip_prefix(MESSAGE)?;
        // The length is that of the rest, in one, two or four bytes.
        let length_bytes = match binary.first()? {
            0xc4 => 1,
            0xc5 => 2,
            0xc6 => 4,
            _ => return None,
        };
        let mut scan = Scan { bytes: binary.get(1 + length_bytes..)?, at: 0 };
        Some(Self { tick: scan.varint().ok()?, ack: scan.varint().ok()? })
    }
}

/// Tiles in the side of a cell.
pub fn side_of(shift: u8) -> f32 {
    f32::from(1_u16 << shift.min(SHIFT_MAX))
}

/// Writes what a snapshot begins with.
pub fn put_head(out: &mut Vec<u8>, tick: u32, ack: u32, shift: u8) {
    put_varint(out, tick);
    put_varint(out, ack);
    out.push(shift);
}

/// Writes what a cell of `count` entries begins with.
pub fn put_cell(out: &mut Vec<u8>, x: u32, y: u32, count: u32) {
    put_varint(out, x);
    put_varint(out, y);
    put_varint(out, count);
}

/// Writes one entry of the cell `(x, y)`. A position outside of the cell becomes its edge.
pub fn put_entry(out: &mut Vec<u8>, entity: EntityId, at: Position, x: u32, y: u32, shift: u8) {
    // A division by a power of two is exact, and `as` saturates.
    let step = |at: f32, cell: u32| ((at / side_of(shift) - cell as f32) * STEPS) as u8;
    put_varint(out, entity.0);
    out.extend_from_slice(&[step(at.x, x), step(at.y, y)]);
}

/// A whole [`crate::play::PlayMessage::Snapshot`] in MessagePack, around a snapshot that is still
/// to be written: push the snapshot, then call [`finish`] with what this returns.
pub fn begin(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(MESSAGE);
    out.extend_from_slice(b"\xc5\0\0");
    out.len()
}

/// Fills in the length of the snapshot that was written since [`begin`]. One of more than 65,535
/// bytes is cut there, which is beyond any frame.
pub fn finish(out: &mut Vec<u8>, begun: usize) {
    out.truncate(begun + usize::from(u16::MAX));
    let length = (out.len() - begun) as u16;
    if let Some(slot) = out.get_mut(begun - 2..begun) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn byte(&mut self) -> Result<u8, InvalidSnapshot> {
        let byte = self.bytes.get(self.at).ok_or(InvalidSnapshot { at: self.at })?;
        self.at += 1;
        Ok(*byte)
    }

    fn varint(&mut self) -> Result<u32, InvalidSnapshot> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            let part = u32::from(byte & 0x7f);
            // The fifth byte has room for the top four bits only.
            if shift == 28 && part > 0x0f {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(InvalidSnapshot { at: self.at })
    }
}

/// The form for people.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Snapshot")]
struct Readable<'a> {
    /// The tick of the map's world, counted from its start.
    tick: u32,
    /// The highest `seq` of this client's inputs that the world had taken in; 0 for none.
    ack: u32,
    /// Who has moved where.
    moves: Cow<'a, [Move]>,
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let Self { tick, ack, moves } = self;
            Readable { tick: *tick, ack: *ack, moves: Cow::Borrowed(moves) }.serialize(serializer)
        } else {
            serializer.serialize_bytes(&self.encode())
        }
    }
}

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Snapshot;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a snapshot, as an object or as a binary")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Snapshot, E> {
                Snapshot::decode(bytes).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Snapshot, A::Error> {
                let Readable { tick, ack, moves } =
                    Readable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Snapshot { tick, ack, moves: moves.into_owned() })
            }
        }

        // Inside of a tagged message the format's own word on readability is lost, so the form is
        // told by what is there.
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Snapshot {
    fn schema_name() -> Cow<'static, str> {
        "Snapshot".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Readable::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame::Encoding, play::PlayMessage};

    fn at(entity: u32, x: f32, y: f32) -> Move {
        Move { entity: EntityId(entity), position: Position { x, y } }
    }

    fn snapshot() -> Snapshot {
        let moves = vec![at(1, 20.0, 15.5), at(300, 0.03125, 7.96875), at(u32::MAX, 65_535.5, 8.0)];
        Snapshot { tick: 70_000, ack: 129, moves }
    }

    #[test]
    fn what_is_written_is_read_in_both_encodings() {
        let message = PlayMessage::Snapshot { view: snapshot() };
        for encoding in [Encoding::Msgpack, Encoding::Json] {
            let bytes = encoding.encode(&message).unwrap();
            assert_eq!(encoding.decode::<PlayMessage>(&bytes).unwrap(), message, "{encoding:?}");
        }
    }

    #[test]
    fn people_can_read_the_json() {
        let one = Snapshot { tick: 7, ack: 3, moves: vec![at(1, 2.0, 3.0)] };
        let json = serde_json::to_value(PlayMessage::Snapshot { view: one }).unwrap();
        let expected = serde_json::json!({"type": "snapshot", "view": {"tick": 7, "ack": 3,
            "moves": [{"entity": 1, "position": {"x": 2.0, "y": 3.0}}]}});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_message_that_is_put_together_from_cells_is_a_message() {
        let mut out = Vec::new();
        let begun = begin(&mut out);
        put_head(&mut out, 5, 6, 4);
        put_cell(&mut out, 1, 2, 2);
        for (entity, x) in [(9, 16.0), (500, 31.9375)] {
            put_entry(&mut out, EntityId(entity), Position { x, y: 40.25 }, 1, 2, 4);
        }
        finish(&mut out, begun);
        let moves = vec![at(9, 16.0, 40.25), at(500, 31.9375, 40.25)];
        let view = Snapshot { tick: 5, ack: 6, moves };
        let heard: PlayMessage = Encoding::Msgpack.decode(&out).unwrap();
        assert_eq!(heard, PlayMessage::Snapshot { view });
    }

    #[test]
    fn the_head_is_read_whatever_the_length_and_of_snapshots_alone() {
        // Lengths of one, two and four bytes.
        for moves in [0, 3, 100, 10_000] {
            let view = Snapshot { moves: vec![at(300, 1.0, 2.0); moves], ..snapshot() };
            let bytes = Encoding::Msgpack.encode(&PlayMessage::Snapshot { view }).unwrap();
            let head = Head { tick: 70_000, ack: 129 };
            assert_eq!(Head::read(&bytes), Some(head), "{moves} moves");
            let cut = (0..36).find(|end| Head::read(&bytes[..*end]).is_some());
            assert!(cut.is_some_and(|end| end > 25), "no head before its end: {cut:?}");
        }
        let others = [PlayMessage::Pong { nonce: 1 }, PlayMessage::Vanished { entities: vec![] }];
        for other in others {
            assert_eq!(Head::read(&Encoding::Msgpack.encode(&other).unwrap()), None, "{other:?}");
        }
    }

    #[test]
    fn a_position_outside_of_its_cell_becomes_the_edge() {
        let mut out = Vec::new();
        put_head(&mut out, 0, 0, 3);
        put_cell(&mut out, 1, 1, 1);
        put_entry(&mut out, EntityId(1), Position { x: 3.0, y: 99.0 }, 1, 1, 3);
        assert_eq!(Snapshot::decode(&out).unwrap().moves, [at(1, 8.0, 15.96875)]);
    }

    #[test]
    fn cut_or_wild_bytes_are_refused_and_never_more_than_they_are() {
        let whole = snapshot().encode();
        let entries = |bytes: &[u8]| Snapshot::decode(bytes).map(|read| read.moves.len());
        let cut: Vec<_> = (0..whole.len()).filter_map(|end| entries(&whole[..end]).ok()).collect();
        assert_eq!(cut, [0, 1, 2], "only an end between two cells is an end");
        for wild in
            [&b"\xff\xff\xff\xff\xff\0\0"[..], b"\0\0\x09", b"\0\0\x03\0\0\xff\xff\xff\xff\x0f"]
        {
            assert!(Snapshot::decode(wild).is_err(), "{wild:?}");
        }
    }
}

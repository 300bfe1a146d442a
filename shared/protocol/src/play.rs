//! Client and Map Server. The first message is [`Arrival`]; once [`PlayMessage::Entered`] came,
//! the client sends [`PlayInput`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AccessToken, AccountId, Channel, CharacterId, ConnectionInfo, ConnectionKey, EntityId, Failure,
    MapName, Position, ResumeTicket, Ticket,
    frame::{Encoding, EncodingError},
    snapshot::Snapshot,
};

/// What an arriving client may say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrival {
    /// Take the seat that is kept. Answered by [`PlayMessage::Entered`] or [`PlayMessage::Goodbye`].
    Enter {
        /// Who.
        account: AccountId,
        /// Proof of who.
        access_token: AccessToken,
        /// As whom.
        character: CharacterId,
        /// Which life of which server is meant.
        connection_key: ConnectionKey,
        /// Which seat; good once.
        ticket: Ticket,
    },
    /// Take a character over whose connection was lost, or hangs: at the same place, as the same
    /// entity. An older connection of it ends. Answered as [`Arrival::Enter`]; what is on the map is
    /// told anew, and [`Snapshot::ack`] counts from what comes on this connection.
    Resume {
        /// Who.
        account: AccountId,
        /// Proof of who.
        access_token: AccessToken,
        /// As whom.
        character: CharacterId,
        /// Which life of which server is meant: the one that was entered.
        connection_key: ConnectionKey,
        /// From the last [`PlayMessage::Entered`]; good once.
        resume_ticket: ResumeTicket,
    },
}

/// Steps in a tile's side, on which walks end. Snapshots are as fine where a cell has 8 tiles, as where
/// one sees 16 to 32 tiles far.
pub const STEPS: f32 = 32.0;

/// What a player may say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlayInput {
    /// Walk there in a straight line. The server moves the character, at its own speed.
    Walk {
        /// Where to, which is taken to the nearest 32nd of a tile; the nearest point of the map where it
        /// lies outside.
        to: Position,
        /// The client's own count of its inputs, from 1; [`Snapshot::ack`] tells which were taken.
        #[serde(default)]
        seq: u32,
    },
    /// Do something that the game knows.
    Act {
        /// What, as the game defines it.
        action: serde_json::Value,
        /// As in [`PlayInput::Walk`].
        #[serde(default)]
        seq: u32,
    },
    /// Say something to everybody near.
    Say {
        /// See [`crate::names::TEXT_RULE`].
        text: String,
    },
    /// Ask for a [`PlayMessage::Pong`].
    Ping {
        /// Repeated in the answer.
        nonce: u32,
    },
    /// Save and leave. Answered by [`PlayMessage::Goodbye`].
    Leave,
}

/// A walk in MessagePack up to its `x`, between that and its `y`, and between that and its `seq`:
/// the fields in their order, the numbers as floats of 32 bits.
const WALK: [&[u8]; 3] = [b"\x83\xa4type\xa4walk\xa2to\x82\xa1x\xca", b"\xa1y\xca", b"\xa3seq"];

impl PlayInput {
    /// Reads one. A walk as this crate writes it in MessagePack is read in place, because most of
    /// what a Map Server reads are walks; everything else is taken apart first, to look for its
    /// `type`.
    ///
    /// # Errors
    /// As [`Encoding::decode`].
    pub fn read(encoding: Encoding, bytes: &[u8]) -> Result<Self, EncodingError> {
        let walk = if encoding == Encoding::Msgpack { Self::read_walk(bytes) } else { None };
        walk.map_or_else(|| encoding.decode(bytes), Ok)
    }

    fn read_walk(bytes: &[u8]) -> Option<Self> {
        let [to_x, to_y, to_seq] = WALK;
        let (x, rest) = bytes.strip_prefix(to_x)?.split_first_chunk()?;
        let (y, rest) = rest.strip_prefix(to_y)?.split_first_chunk()?;
        let seq = match *rest.strip_prefix(to_seq)? {
            [n @ 0..0x80] | [0xcc, n] => n.into(),
            [0xcd, a, b] => u16::from_be_bytes([a, b]).into(),
            [0xce, a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
            _ => return None,
        };
        let to = Position { x: f32::from_be_bytes(*x), y: f32::from_be_bytes(*y) };
        Some(Self::Walk { to, seq })
    }
}

/// What a Map Server says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PlayMessage {
    /// You are on the map, or again.
    Entered {
        /// The map.
        map: MapName,
        /// Its channel.
        channel: Channel,
        /// Your own entity.
        you: EntityId,
        /// Where you stand.
        position: Position,
        /// Size of the map in tiles: width, then height.
        size: (f32, f32),
        /// How far one sees, in tiles.
        view: f32,
        /// Milliseconds between two ticks of the map's world.
        tick_ms: u32,
        /// Where one can leave to other maps.
        portals: Vec<Portal>,
        /// Everybody else in sight.
        others: Vec<Sight>,
        /// For [`Arrival::Resume`], should this connection be lost.
        resume_ticket: ResumeTicket,
        /// How long the character stays for it then, in milliseconds; 0 where it does not.
        link_grace_ms: u64,
    },
    /// These came into sight, or look different from now on.
    Appeared {
        /// Whom you see.
        sights: Vec<Sight>,
    },
    /// Entities have moved, you among them.
    Snapshot {
        /// Where to.
        view: Snapshot,
    },
    /// These went out of sight.
    Vanished {
        /// Who.
        entities: Vec<EntityId>,
    },
    /// Something that the game tells.
    Game {
        /// What, as the game defines it.
        output: serde_json::Value,
    },
    /// Somebody spoke.
    Said {
        /// Who.
        entity: EntityId,
        /// By name.
        name: String,
        /// What.
        text: String,
    },
    /// A seat is kept on another Map Server: leave here and go there.
    WarpTo {
        /// Where.
        connection: ConnectionInfo,
    },
    /// The warp did not happen; play on.
    WarpRefused {
        /// The map that was meant.
        map: MapName,
        /// Why, and what to do.
        failure: Failure,
    },
    /// This Map Server is being emptied, as for an update: play on until it moves you to another
    /// channel with [`PlayMessage::WarpTo`], or says goodbye, saved.
    Emptying {
        /// Milliseconds until then; `None`: it is called off.
        countdown_ms: Option<u64>,
        /// Why.
        reason: String,
    },
    /// An input could not be taken; play on.
    Refused {
        /// Why, and what to do.
        failure: Failure,
    },
    /// The answer to a ping.
    Pong {
        /// As it came.
        nonce: u32,
    },
    /// The last word before the server closes the connection.
    Goodbye {
        /// Why; `None` after [`PlayInput::Leave`].
        failure: Option<Failure>,
    },
}

/// Somebody in sight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sight {
    /// Who, for this life of this server.
    pub entity: EntityId,
    /// By name.
    pub name: String,
    /// What it looks like, in a word that the game's clients know, such as `player`.
    pub look: String,
    /// Where.
    pub position: Position,
}

/// A movement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Move {
    /// Who.
    pub entity: EntityId,
    /// Where it is now.
    pub position: Position,
}

/// A way to another map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Portal {
    /// Its middle.
    pub at: Position,
    /// Within how many tiles of the middle it takes a player along.
    pub radius: f32,
    /// The map behind it.
    pub to: MapName,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walks() -> impl Iterator<Item = PlayInput> {
        let seqs = [0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, u32::MAX];
        let axes = [0.0, -0.0, 12.25, 1e-40, f32::MAX, f32::INFINITY];
        seqs.into_iter().flat_map(move |seq| {
            axes.into_iter().map(move |x| PlayInput::Walk { to: Position { x, y: x / 3.0 }, seq })
        })
    }

    #[test]
    fn a_walk_as_it_is_written_is_read_in_place_and_as_serde_reads_it() {
        for walk in walks() {
            let bytes = Encoding::Msgpack.encode(&walk).unwrap();
            assert_eq!(PlayInput::read_walk(&bytes), Some(walk.clone()), "{bytes:x?}");
            assert_eq!(Encoding::Msgpack.decode::<PlayInput>(&bytes).unwrap(), walk);
        }
    }

    #[test]
    fn whatever_is_changed_about_it_is_read_as_serde_reads_it() {
        for walk in walks() {
            let bytes = Encoding::Msgpack.encode(&walk).unwrap();
            let cut = (0..bytes.len()).map(|end| bytes[..end].to_vec());
            let longer = [&bytes[..], b"\0"].concat();
            let changed = (0..bytes.len()).flat_map(|place| {
                [0x01, 0x80, 0xff].map(|flip| {
                    let mut changed = bytes.clone();
                    changed[place] ^= flip;
                    changed
                })
            });
            for bytes in cut.chain(changed).chain([longer]) {
                let read = PlayInput::read(Encoding::Msgpack, &bytes);
                let by_serde = Encoding::Msgpack.decode::<PlayInput>(&bytes);
                // NaN is not equal to itself, but looks the same.
                assert_eq!(format!("{read:?}"), format!("{by_serde:?}"), "{bytes:x?}");
            }
        }
    }

    #[test]
    fn other_inputs_and_json_are_read_by_serde() {
        let ping = PlayInput::Ping { nonce: 7 };
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            assert_eq!(PlayInput::read(encoding, &encoding.encode(&ping).unwrap()).unwrap(), ping);
        }
        let wide = b"\x83\xa4type\xa4walk\xa2to\x82\xa1x\xcb\x40\0\0\0\0\0\0\0\xa1y\x03\xa3seq\x05";
        let walk = PlayInput::Walk { to: Position { x: 2.0, y: 3.0 }, seq: 5 };
        assert_eq!(PlayInput::read(Encoding::Msgpack, wide).unwrap(), walk);
    }
}

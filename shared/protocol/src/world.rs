//! Places and characters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Channel, CharacterId, ConnectionKey, MapName, ServerId, Ticket};

/// A point on a map, in tiles from its top left corner; x goes right, y goes down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// Tiles to the right.
    pub x: f32,
    /// Tiles down.
    pub y: f32,
}

impl Position {
    /// The distance to another point, in tiles.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// What is saved of a character beside who it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CharacterState {
    /// The map it is on.
    pub map: MapName,
    /// Where on that map; `None` is the map's spawn point.
    pub position: Option<Position>,
    /// What the game stores for it, opaque to the cluster.
    #[serde(default)]
    pub data: serde_json::Value,
}

/// One line of the ledger: a character has more of something, or less. It is written in the same
/// transaction as the state that it explains, so that what a character has is always the sum of
/// its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerEntry {
    /// Of what, such as `coins`.
    pub asset: String,
    /// How many more; fewer where it is negative.
    pub amount: i64,
    /// Why, in a word, such as `trade`.
    pub reason: String,
}

impl LedgerEntry {
    /// Longest asset and longest reason, in bytes; more is cut off.
    pub const WORD_MAX: usize = 64;

    /// An entry.
    pub fn new(asset: &str, amount: i64, reason: &str) -> Self {
        let word = |word: &str| {
            let end =
                (0..=Self::WORD_MAX.min(word.len())).rev().find(|at| word.is_char_boundary(*at));
            word.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
        };
        Self { asset: word(asset), amount, reason: word(reason) }
    }
}

/// A character as its player sees it in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CharacterSummary {
    /// Its id.
    pub character: CharacterId,
    /// Its name, unique in the realm whatever the case.
    pub name: String,
    /// The map it was last saved on.
    pub map: MapName,
}

/// All that a client needs to reach the seat kept for it on a Map Server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionInfo {
    /// Host name or address of the machine.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Which life of which server is meant.
    pub connection_key: ConnectionKey,
    /// Which seat is taken; good once.
    pub ticket: Ticket,
    /// How long the seat is kept, in milliseconds from the answer.
    pub seat_kept_ms: u64,
    /// The server's id, for people and logs.
    pub server: ServerId,
    /// The map it runs.
    pub map: MapName,
    /// The channel of that map.
    pub channel: Channel,
}

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

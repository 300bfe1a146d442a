//! Places kept on a Map Server for a character on its way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AccountId, CharacterId, Incarnation, Ticket};

/// Keep a seat for a character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReserveSeat {
    /// The life of the Map Server that is meant; another one refuses.
    pub incarnation: Incarnation,
    /// Whose.
    pub account: AccountId,
    /// For whom.
    pub character: CharacterId,
    /// By name.
    pub name: String,
    /// Whether it comes with the party that this Map Server was started for: once all of them have
    /// gone, the server ends.
    #[serde(default)]
    pub instance: bool,
}

/// A seat is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatReserved {
    /// What the client shows to take it; good once.
    pub ticket: Ticket,
    /// For how long, in milliseconds.
    pub kept_ms: u64,
}

/// Give a seat up: the character is not coming. Done as well when there is no such seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CancelSeat {
    /// Whose seat.
    pub character: CharacterId,
    /// Which seat.
    pub ticket: Ticket,
}

/// Save a character, release it and send its client away. Done as well when it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvictCharacter {
    /// The life of the Map Server that is meant.
    pub incarnation: Incarnation,
    /// Whom.
    pub character: CharacterId,
    /// Why, for the player.
    pub reason: String,
}

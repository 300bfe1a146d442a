//! Client and Map Server. The first message is [`Arrival`]; once [`PlayMessage::Entered`] came,
//! the client sends [`PlayInput`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AccessToken, AccountId, Channel, CharacterId, ConnectionInfo, ConnectionKey, EntityId, Failure,
    MapName, Position, ResumeTicket, Ticket, snapshot::Snapshot,
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

/// What a player may say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlayInput {
    /// Walk there in a straight line. The server moves the character, at its own speed.
    Walk {
        /// Where to; the nearest point of the map where it lies outside.
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

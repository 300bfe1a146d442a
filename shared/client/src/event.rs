//! What happens, for a user interface to hang on.

use std::fmt;

use protocol::{AccountId, EntityId, Failure, MapName, play::Move, play::Sight};

use crate::{Reason, Surroundings};

/// Which server a connection is with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// Central.
    Central,
    /// The Map Server of this map.
    Map(MapName),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Central => f.write_str("Central"),
            Self::Map(map) => write!(f, "the map {map}"),
        }
    }
}

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// Connected to Central, as a guest.
    ConnectedToCentral,
    /// The account's session holds, by a login or a validated token.
    LoggedIn {
        /// The account.
        account: AccountId,
    },
    /// The session is over, as was asked.
    LoggedOut,
    /// On a map, by a call or after a warp.
    EnteredMap(Box<Surroundings>),
    /// Somebody came into sight, or looks different now.
    Appeared {
        /// Whom you see.
        sight: Sight,
    },
    /// Entities have moved, you among them.
    Moved {
        /// Where to; at most one for each entity.
        moves: Vec<Move>,
    },
    /// Somebody went out of sight.
    Vanished {
        /// Who, and where last seen.
        sight: Sight,
    },
    /// The game told something.
    Game {
        /// What, as the game defines it.
        output: serde_json::Value,
    },
    /// Somebody spoke, you perhaps.
    Said {
        /// Who.
        entity: EntityId,
        /// By name.
        name: String,
        /// What.
        text: String,
    },
    /// The server could not take something that was sent; all goes on.
    Refused {
        /// Why, and what to do.
        failure: Failure,
    },
    /// On the way to another map. [`ClientEvent::EnteredMap`] or
    /// [`ClientEvent::Disconnected`] follows.
    Warping {
        /// Which map.
        to: MapName,
    },
    /// The warp did not happen; play goes on.
    WarpRefused {
        /// The map that was meant.
        map: MapName,
        /// Why, and what to do.
        failure: Failure,
    },
    /// Every place on the selected character's map is taken: it waits in line, and goes on by
    /// itself.
    Queued {
        /// From 1.
        position: u32,
        /// How many wait for this map.
        of: u32,
    },
    /// The Map Server is being emptied: this client is moved to another channel, or sent off, saved.
    Emptying {
        /// Milliseconds until then; `None`: it is called off.
        countdown_ms: Option<u64>,
        /// Why.
        reason: String,
    },
    /// The connection with a Map Server was lost. The character stands there for a while, and this
    /// client tries to get back to it. [`ClientEvent::Resumed`] or [`ClientEvent::Disconnected`]
    /// follows; [`Client::leave`](crate::Client::leave) gives up.
    LinkLost {
        /// From which server.
        from: Server,
        /// What was seen of it.
        reason: Reason,
    },
    /// Back after [`ClientEvent::LinkLost`]: the same character at the same place.
    Resumed(Box<Surroundings>),
    /// A connection ended for good, or a warp did not reach its map.
    Disconnected {
        /// From which server.
        from: Server,
        /// Why; [`Reason::Planned`] where a call asked for it.
        reason: Reason,
    },
    /// Events were not read in time and are gone; `surroundings()` has what is true now.
    Missed {
        /// How many.
        events: u64,
    },
}

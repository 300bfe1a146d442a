//! What the world wants done that it cannot do itself.

use protocol::{EntityId, Failure, LedgerEntry, MapName, Position, play::PlayMessage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which commit a game asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitId(pub u64);

/// Something to be done by whoever runs the world, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell one player.
    Tell(EntityId, PlayMessage),
    /// Tell many players the same.
    Spread(Vec<EntityId>, PlayMessage),
    /// Hand these players over to another map, together if a channel of it has room for all; each
    /// is frozen until [`Input::Stay`](crate::Input::Stay).
    Warp {
        /// Who.
        party: Vec<EntityId>,
        /// The map.
        to: MapName,
        /// Where it arrives; `None` is the map's spawn point.
        arrive: Option<Position>,
    },
    /// Start an instance of a map and hand these players over to its spawn point; all are frozen until
    /// [`Input::Stay`](crate::Input::Stay).
    Instance {
        /// The template.
        template: MapName,
        /// Who.
        party: Vec<EntityId>,
    },
    /// Write this into the ledger with the next save of a player.
    Book(EntityId, LedgerEntry),
    /// Save these players together, each with these data and lines in the ledger, and tell how it
    /// went with [`Input::Committed`](crate::Input::Committed).
    Commit(CommitId, Vec<Change>),
    /// Save a player and send it away.
    Kick(EntityId, Failure),
}

/// What a commit makes of one of its players.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Who.
    pub player: EntityId,
    /// What is to be stored of it.
    pub data: Value,
    /// What is to be written into the ledger.
    pub ledger: Vec<LedgerEntry>,
}

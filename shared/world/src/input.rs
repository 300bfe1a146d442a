//! All that can happen to a world. What it does is a function of these, in their order.

use protocol::{EntityId, Failure, MapName, Position};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::CommitId;

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A character comes.
    Enter {
        /// By name.
        name: String,
        /// Where it stood when it was last here.
        at: Option<Position>,
        /// What the game stored for it.
        #[serde(with = "as_json")]
        data: Value,
    },
    /// Its connection is lost: it stands still, and leaves unless its client is there again in time.
    LinkLost(EntityId),
    /// Its client is there again.
    Resumed(EntityId),
    /// It goes, for whatever reason.
    Leave(EntityId),
    /// It wants to walk.
    Walk {
        /// Who.
        player: EntityId,
        /// Where to.
        to: Position,
        /// The client's count of its inputs. Nothing comes of it but an acknowledgement.
        #[serde(skip)]
        seq: u32,
    },
    /// It speaks.
    Say {
        /// Who.
        player: EntityId,
        /// What; the rules for texts are kept already.
        text: String,
    },
    /// It does what the game knows.
    Act {
        /// Who.
        player: EntityId,
        /// What.
        #[serde(with = "as_json")]
        action: Value,
        /// The client's count of its inputs. Nothing comes of it but an acknowledgement.
        #[serde(skip)]
        seq: u32,
    },
    /// It is not handed over after all.
    Stay(EntityId),
    /// What came of a commit.
    Committed(CommitId, Result<(), Failure>),
    /// The server is shutting down; everybody leaves next.
    Drain,
    /// Time passes.
    Tick,
    /// It is handed over to another Map Server, since this one is being emptied.
    Move {
        /// Who.
        player: EntityId,
        /// To which map; another channel of this one, or where it came from.
        to: MapName,
        /// Where it arrives.
        arrive: Option<Position>,
    },
}

/// JSON values as text, so that a recording in a binary form gives back exactly what came.
mod as_json {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(value: &Value, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

//! All that can happen to a world. What it does is a function of these, in their order.

use protocol::{EntityId, Failure, MapName, Position, play::STEPS};
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
        /// Where to, as [`on_a_step`] takes it.
        #[serde(with = "as_steps")]
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

/// More steps than any map has, and as many as can be counted one by one.
const FAR: u32 = 1 << 24;

/// Where a walk to this point goes: to the nearest step, at the map's left or upper edge where it lies
/// beyond; what is no number stays none. Most of what players say is walks, and a recording keeps
/// steps in half the bytes.
pub(crate) fn on_a_step(to: Position) -> Position {
    from_steps(steps(to))
}

fn steps(to: Position) -> (u32, u32) {
    let steps = |tiles: f32| match (tiles * STEPS).round() {
        none if none.is_nan() => u32::MAX,
        // `as` saturates at 0.
        steps => (steps as u32).min(FAR),
    };
    (steps(to.x), steps(to.y))
}

fn from_steps((x, y): (u32, u32)) -> Position {
    let tiles = |steps: u32| if steps > FAR { f32::NAN } else { steps as f32 / STEPS };
    Position { x: tiles(x), y: tiles(y) }
}

/// Points as counts of steps, which are short.
mod as_steps {
    use protocol::Position;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(to: &Position, out: S) -> Result<S::Ok, S::Error> {
        super::steps(*to).serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Position, D::Error> {
        Ok(super::from_steps(Deserialize::deserialize(from)?))
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Else a replay would walk elsewhere than what it is of.
        #[test]
        fn a_walk_is_read_as_the_world_took_it(x: f32, y: f32) {
            prop_assume!(!x.is_nan() && !y.is_nan());
            let to = Position { x, y };
            let walk = Input::Walk { player: EntityId(7), to, seq: 0 };
            let read: Input = postcard::from_bytes(&postcard::to_allocvec(&walk).unwrap()).unwrap();
            let to = on_a_step(to);
            prop_assert_eq!(read, Input::Walk { player: EntityId(7), to, seq: 0 });
            prop_assert_eq!(on_a_step(to), to);
        }

        #[test]
        fn a_walk_ends_at_most_a_64th_of_a_tile_from_where_it_was_told(x in 0.0..4096.0_f32) {
            let to = Position { x, y: 1.0 };
            prop_assert!(on_a_step(to).distance(to) <= 0.5 / STEPS);
        }
    }

    #[test]
    fn what_is_no_point_is_read_as_none() {
        let to = Position { x: f32::NAN, y: 1.0 };
        let read = from_steps(steps(to));
        assert!(read.x.is_nan() && on_a_step(to).x.is_nan());
        assert_eq!(read.y, 1.0);
    }

    #[test]
    fn a_walk_takes_seven_bytes_on_a_map_of_500_tiles() {
        let walk = Input::Walk {
            player: EntityId(4000),
            to: Position { x: 500.0, y: 499.9 },
            seq: 90_000,
        };
        assert_eq!(postcard::to_allocvec(&walk).unwrap().len(), 7);
    }
}

//! Somebody or something on the map.

use protocol::{EntityId, Position, play::Sight};
use serde::{Deserialize, Serialize};

/// How fast everybody walks unless the game says otherwise, in tiles a second.
pub const SPEED: f32 = 5.0;
/// What a player looks like unless the game says otherwise.
pub const PLAYER: &str = "player";

/// A player or anything else that stands on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub(crate) id: EntityId,
    pub(crate) name: String,
    pub(crate) look: String,
    pub(crate) position: Position,
    /// Tiles a second.
    pub(crate) speed: f32,
    /// Where it walks to; `None` while it stands.
    pub(crate) goal: Option<Position>,
    pub(crate) is_player: bool,
    /// On its way to another map: it neither walks nor speaks nor acts.
    pub(crate) frozen: bool,
    /// Whether portals take it along. Whoever comes to stand within one, by arriving or by a
    /// refused warp, must step out first: otherwise it would go back and forth for ever.
    pub(crate) armed: bool,
    /// The tick in which it last moved.
    pub(crate) moved: u32,
    /// Its cell in the grid, and its place there.
    pub(crate) cell: u32,
    pub(crate) place: u32,
}

impl Entity {
    /// Which one; never used again in this life of the map.
    pub fn id(&self) -> EntityId {
        self.id
    }

    /// By name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it looks like, in a word that the game's clients know.
    pub fn look(&self) -> &str {
        &self.look
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether somebody plays it.
    pub fn is_player(&self) -> bool {
        self.is_player
    }

    /// Whether it is on its way to somewhere.
    pub fn is_walking(&self) -> bool {
        self.goal.is_some() && !self.frozen
    }

    /// Whether it is on its way to another map: until then it stands still, and what is stored of
    /// it does not change.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    pub(crate) fn sight(&self) -> Sight {
        Sight {
            entity: self.id,
            name: self.name.clone(),
            look: self.look.clone(),
            position: self.position,
        }
    }
}

//! Somebody on the map.

use protocol::{MapName, Position};

/// How fast everybody walks, in tiles a second.
pub(crate) const SPEED: f32 = 5.0;

/// Somebody on the map.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) name: String,
    pub(crate) position: Position,
    /// Where it walks to; `None` while it stands.
    pub(super) goal: Option<Position>,
    /// On its way to another map: it neither walks nor speaks.
    pub(super) frozen: bool,
    /// Whether portals take it along. Whoever comes to stand within one, by arriving or by a
    /// refused warp, must step out first: otherwise it would go back and forth for ever.
    pub(super) armed: bool,
}

/// A portal that an entity has walked into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passage {
    pub(crate) to: MapName,
    pub(crate) arrive: Position,
}

impl Entity {
    /// Walks for `dt` seconds in a straight line. Says whether it moved.
    pub(super) fn walk(&mut self, dt: f32) -> bool {
        let Some(goal) = self.goal.filter(|_| !self.frozen) else { return false };
        let (distance, step) = (self.position.distance(goal), SPEED * dt);
        if distance <= step {
            self.goal = None;
            return std::mem::replace(&mut self.position, goal) != goal;
        }
        let share = step / distance;
        self.position.x += (goal.x - self.position.x) * share;
        self.position.y += (goal.y - self.position.y) * share;
        true
    }
}

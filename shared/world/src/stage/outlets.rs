//! Where a stage shows what is seen.

use protocol::{EntityId, play::PlayMessage};

/// The connections of those who look on.
pub trait Outlets {
    /// Whether a player can take a snapshot now. One that cannot gets no new one until it can, and
    /// then one of all that it sees.
    fn has_room(&mut self, player: EntityId) -> bool;

    /// A snapshot, as [`protocol::snapshot`] writes it.
    fn snapshot(&mut self, player: EntityId, snapshot: &[u8]);

    /// A message that must not be lost.
    fn tell(&mut self, player: EntityId, message: PlayMessage);
}

//! Where a stage shows what is seen.

use protocol::{EntityId, play::PlayMessage};

/// The connections of those who look on.
pub trait Outlets {
    /// Shows a player the snapshot that `write` adds to what it is given, as [`protocol::snapshot`]
    /// writes it, unless `write` says that there is nothing to show. False where the player cannot
    /// take one now: then nothing was written, and it gets no new one until it can, and then one of
    /// all that it sees.
    fn show(&mut self, player: EntityId, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool;

    /// A message that must not be lost.
    fn tell(&mut self, player: EntityId, message: PlayMessage);
}

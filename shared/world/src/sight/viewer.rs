//! One player who looks on, and what it was told.

use protocol::EntityId;

use crate::grid::Member;

/// A player who looks on.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) id: EntityId,
    pub(super) slot: u32,
    /// Its cell when it was last shown something.
    pub(super) cell: u32,
    /// The highest number of its inputs that was taken in, and that it was told of.
    pub(super) ack: u32,
    pub(super) told_ack: u32,
    /// The next snapshot is of everybody: others may have moved that it was not told of.
    pub(super) is_behind: bool,
    /// More are around than it may see: it sees the nearest.
    pub(super) is_crowded: bool,
    /// Whom it sees, itself left out.
    pub(super) known: Vec<Member>,
    /// The tick in which it looks around next.
    pub(super) looks: u32,
}

impl Viewer {
    pub(super) fn knows(&self, entity: EntityId) -> bool {
        self.known.iter().any(|known| known.id == entity)
    }

    /// Forgets somebody. False for whom it does not see.
    pub(super) fn forget(&mut self, entity: EntityId) -> bool {
        let found = self.known.iter().position(|known| known.id == entity);
        found.map(|place| self.known.swap_remove(place)).is_some()
    }
}

//! One player who looks on, and what it was told.

use protocol::EntityId;

use super::pace::MOST_GAP;
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
    /// When it last had its turn, or a little earlier.
    pub(super) shown: u32,
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
    /// Ticks since its last turn: 1 to [`MOST_GAP`], beyond which no turn is put off.
    pub(super) fn gap(&self, tick: u32) -> u32 {
        tick.wrapping_sub(self.shown).clamp(1, MOST_GAP)
    }

    /// Whether it is shown something now, with so many ticks between two turns: fewer for whom has
    /// done something that was taken in since.
    pub(super) fn is_turn(&self, tick: u32, (least, most): (u32, u32)) -> bool {
        let has_done = self.ack != self.told_ack;
        self.gap(tick) >= if has_done { least } else { most }
    }

    pub(super) fn knows(&self, entity: EntityId) -> bool {
        self.known.iter().any(|known| known.id == entity)
    }

    /// Forgets somebody. False for whom it does not see.
    pub(super) fn forget(&mut self, entity: EntityId) -> bool {
        let found = self.known.iter().position(|known| known.id == entity);
        found.map(|place| self.known.swap_remove(place)).is_some()
    }
}

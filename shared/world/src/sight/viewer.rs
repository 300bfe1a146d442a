//! One player who looks on, and what it was told.

use protocol::EntityId;

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
    /// Whom it sees, itself left out; sorted.
    pub(super) known: Vec<EntityId>,
    /// The tick in which it looks around next.
    pub(super) looks: u32,
}

impl Viewer {
    pub(super) fn knows(&self, entity: EntityId) -> bool {
        self.known.binary_search(&entity).is_ok()
    }

    /// Forgets somebody. False for whom it does not see.
    pub(super) fn forget(&mut self, entity: EntityId) -> bool {
        let found = self.known.binary_search(&entity);
        found.is_ok_and(|place| self.known.remove(place) == entity)
    }

    /// Takes over whom it sees now, sorted. Gives who came into sight and who went out of it.
    pub(super) fn see(&mut self, now: &[EntityId]) -> (Vec<EntityId>, Vec<EntityId>) {
        let (mut came, mut went) = (Vec::new(), Vec::new());
        let (mut old, mut new) = (self.known.iter().peekable(), now.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(a), Some(b)) if a == b => {
                    old.next();
                    new.next();
                }
                (Some(a), b) if b.is_none_or(|b| a < b) => went.extend(old.next()),
                _ => came.extend(new.next()),
            }
        }
        if !(came.is_empty() && went.is_empty()) {
            self.known.clear();
            self.known.extend_from_slice(now);
        }
        (came, went)
    }
}

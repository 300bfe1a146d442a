//! Who sees whom, and how everybody is shown it.
//!
//! Whom a player sees is found out anew a few times a second, and told as a difference. Where
//! they stand is told in snapshots, which are put together from parts of the map that were written
//! once for all: a player is sent what moved in the cells in its sight, its own cell every tick,
//! those further away less often. Somebody whom it was not told of by name may be in there too.
//!
//! Where more are around than a map lets one see, the nearest are seen, and each player's snapshot
//! is its own.

mod chunks;
mod look;
mod pace;
mod reach;
#[cfg(test)]
mod tests;
mod viewer;

use protocol::{
    EntityId,
    play::{PlayMessage, Sight},
    snapshot,
};
use rustc_hash::FxHashMap;

use self::{
    chunks::{Chunks, Part},
    look::Looks,
    reach::{Reach, Turns, is_due},
    viewer::Viewer,
};
use crate::{
    Outlets,
    atlas::MapPlan,
    entity::Entity,
    grid::{Grid, Member},
    space::Space,
};
pub use pace::{InvalidPace, Pace};

/// Ticks between two looks around, and where it is crowded.
const LOOK: u32 = 4;
const LOOK_CROWDED: u32 = 16;
/// Ticks between two snapshots of others where it is crowded.
const SHOW_CROWDED: u32 = 4;

/// Everybody who looks on.
#[derive(Debug)]
pub(crate) struct Viewers {
    reach: Vec<Reach>,
    turns: Turns,
    pace: Pace,
    list: Vec<Viewer>,
    index: FxHashMap<EntityId, u32>,
    chunks: Chunks,
    looks: Looks,
    /// Cell and slot of those that a crowded snapshot tells of.
    told: Vec<(u32, u32)>,
}

impl Viewers {
    pub(crate) fn over(plan: &MapPlan, grid: &Grid) -> Self {
        let reach = reach::reach(grid, plan.view);
        Self {
            turns: Turns::of(&reach, grid),
            reach,
            pace: Pace::default(),
            list: Vec::new(),
            index: FxHashMap::default(),
            chunks: Chunks::of(grid.len()),
            looks: Looks::new(usize::from(plan.neighbours), snapshot::side_of(grid.shift)),
            told: Vec::new(),
        }
    }

    /// Lets a player look on. Gives whom it sees.
    pub(crate) fn add<P>(&mut self, id: EntityId, space: &Space<P>) -> Vec<Sight> {
        let Some(slot) = space.slot_of(id) else { return Vec::new() };
        let Some(entity) = space.seated(slot) else { return Vec::new() };
        let mut viewer = Viewer {
            id,
            slot,
            cell: entity.cell,
            ack: 0,
            told_ack: 0,
            shown: space.tick,
            is_behind: false,
            is_crowded: false,
            known: Vec::new(),
            // Players who came in one tick look around in different ones.
            looks: space.tick.wrapping_add(1 + id.0 % LOOK),
        };
        let (came, _) = self.looks.around(&mut viewer, space, &self.reach);
        self.remove(id);
        self.index.insert(id, self.list.len() as u32);
        self.list.push(viewer);
        sights(space, &came)
    }

    pub(crate) fn remove(&mut self, id: EntityId) {
        let Some(place) = self.index.remove(&id) else { return };
        self.list.swap_remove(place as usize);
        if let Some(moved) = self.list.get(place as usize) {
            self.index.insert(moved.id, place);
        }
    }

    /// An input was taken in.
    pub(crate) fn acknowledge(&mut self, player: EntityId, seq: u32) {
        if let Some(viewer) = self.viewer(player) {
            viewer.ack = viewer.ack.max(seq);
        }
    }

    fn viewer(&mut self, id: EntityId) -> Option<&mut Viewer> {
        let place = *self.index.get(&id)?;
        self.list.get_mut(place as usize)
    }

    /// How often everybody is shown something from now on.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        let (_, before) = std::mem::replace(&mut self.pace, pace).gaps();
        let (_, now) = pace.gaps();
        // Of those who had their turn in one tick, some now count as if it had been earlier: so they
        // have the next in different ones, and are told a little twice.
        for viewer in &mut self.list {
            let earlier = (viewer.id.0 % now).saturating_sub(viewer.id.0 % before);
            viewer.shown = viewer.shown.wrapping_sub(earlier);
        }
    }

    /// Shows everybody whose turn it is what has happened since the last time.
    pub(crate) fn show<P>(&mut self, space: &mut Space<P>, outlets: &mut impl Outlets) {
        self.tell_changes(space, outlets);
        self.chunks.begin_round();
        let mut list = std::mem::take(&mut self.list);
        let gaps = self.pace.gaps();
        for viewer in list.iter_mut().filter(|viewer| viewer.is_turn(space.tick, gaps)) {
            self.show_one(viewer, space, outlets);
        }
        self.list = list;
    }

    /// What cannot wait until the next look around: who is gone, and who looks different.
    fn tell_changes<P>(&mut self, space: &mut Space<P>, outlets: &mut impl Outlets) {
        let changes = std::mem::take(&mut space.changes);
        for cell in changes.came {
            for id in self.in_sight_of(cell, space) {
                let looks = space.tick;
                if let Some(viewer) = self.viewer(id).filter(|viewer| !viewer.is_crowded) {
                    viewer.looks = looks;
                }
            }
        }
        for (gone, cell) in changes.gone {
            for id in self.in_sight_of(cell, space) {
                if self.viewer(id).is_some_and(|viewer| viewer.forget(gone)) {
                    outlets.tell(id, PlayMessage::Vanished { entities: vec![gone] });
                }
            }
        }
        for changed in changes.looks {
            let Some(entity) = space.entity(changed) else { continue };
            let (cell, sights) = (entity.cell, vec![entity.sight()]);
            for id in self.in_sight_of(cell, space) {
                if id == changed || self.viewer(id).is_some_and(|viewer| viewer.knows(changed)) {
                    outlets.tell(id, PlayMessage::Appeared { sights: sights.clone() });
                }
            }
        }
    }

    /// Everybody who looks on from a cell that has this one in its reach.
    fn in_sight_of<P>(&self, cell: u32, space: &Space<P>) -> Vec<EntityId> {
        let grid = &space.grid;
        let middle = grid.place_of(cell);
        let cells = self.reach.iter().filter_map(|reach| grid.beside(middle, reach.offset));
        let members = cells.flat_map(|cell| grid.members(cell));
        members.map(|member| member.id).filter(|id| self.index.contains_key(id)).collect()
    }

    fn show_one<P>(&mut self, viewer: &mut Viewer, space: &Space<P>, outlets: &mut impl Outlets) {
        let Some(entity) = space.seated(viewer.slot) else { return };
        // From another cell, others are shown at other times: what was due is not known.
        if std::mem::replace(&mut viewer.cell, entity.cell) != entity.cell {
            viewer.is_behind = true;
            viewer.looks = space.tick;
        }
        if viewer.looks.wrapping_sub(space.tick) as i32 <= 0 {
            self.look(viewer, space, outlets);
        }
        let mut is_told = false;
        let has_room = outlets.show(viewer.id, |out| {
            is_told = self.write(viewer, space, out);
            is_told
        });
        viewer.is_behind = !has_room;
        viewer.shown = space.tick;
        if is_told {
            viewer.told_ack = viewer.ack;
        }
    }

    /// Writes a snapshot. False: it would say nothing new.
    fn write<P>(&mut self, viewer: &Viewer, space: &Space<P>, out: &mut Vec<u8>) -> bool {
        snapshot::put_head(out, space.tick, viewer.ack, space.grid.shift);
        let head = out.len();
        if viewer.is_crowded {
            self.write_known(viewer, space, out);
        } else {
            self.write_cells(viewer, space, out);
        }
        out.len() > head || viewer.ack != viewer.told_ack
    }

    fn look<P>(&mut self, viewer: &mut Viewer, space: &Space<P>, outlets: &mut impl Outlets) {
        let was_crowded = viewer.is_crowded;
        let (came, went) = self.looks.around(viewer, space, &self.reach);
        viewer.is_behind |= viewer.is_crowded != was_crowded;
        let pause = if viewer.is_crowded { LOOK_CROWDED } else { LOOK };
        viewer.looks = space.tick.wrapping_add(pause);
        if !went.is_empty() {
            outlets.tell(viewer.id, PlayMessage::Vanished { entities: went });
        }
        if !came.is_empty() {
            outlets.tell(viewer.id, PlayMessage::Appeared { sights: sights(space, &came) });
        }
    }

    /// The parts of the cells in sight that are due, or of all of them after a gap.
    fn write_cells<P>(&mut self, viewer: &Viewer, space: &Space<P>, out: &mut Vec<u8>) {
        let middle = space.grid.place_of(viewer.cell);
        let mut put = |offset, part| {
            if let Some(cell) = space.grid.beside(middle, offset) {
                out.extend_from_slice(self.chunks.part(space, cell, part));
            }
        };
        if viewer.is_behind {
            self.reach.iter().for_each(|reach| put(reach.offset, Part::All));
        } else {
            let due = self.turns.due(viewer.cell, space.tick, viewer.gap(space.tick));
            due.iter().for_each(|due| put(due.offset, Part::Moved(due.window)));
        }
    }

    /// The player itself every time, whom it sees less often.
    fn write_known<P>(&mut self, viewer: &Viewer, space: &Space<P>, out: &mut Vec<u8>) {
        let gap = viewer.gap(space.tick);
        let is_due = |late| is_due(viewer.id.0, space.tick.wrapping_sub(late), SHOW_CROWDED);
        let is_turn = viewer.is_behind || (0..gap).any(is_due);
        let others: &[Member] = if is_turn { &viewer.known } else { &[] };
        let window = if is_turn { SHOW_CROWDED + gap - 1 } else { gap };
        let is_told = |moved| viewer.is_behind || space.tick.wrapping_sub(moved) < window;
        let own = Member { id: viewer.id, slot: viewer.slot };
        let members = others.iter().copied().chain([own]);
        let entities = members.filter_map(|member| Some((space.member(member)?, member.slot)));
        let told = entities.filter(|(entity, _)| is_told(entity.moved));
        self.told.clear();
        self.told.extend(told.map(|(entity, slot)| (entity.cell, slot)));
        self.told.sort_unstable();
        for group in self.told.chunk_by(|a, b| a.0 == b.0) {
            let Some((cell, _)) = group.first() else { continue };
            let (x, y) = space.grid.place_of(*cell);
            snapshot::put_cell(out, x, y, group.len() as u32);
            for entity in group.iter().filter_map(|(_, slot)| space.seated(*slot)) {
                let shift = space.grid.shift;
                snapshot::put_entry(out, entity.id, entity.position, x, y, shift);
            }
        }
    }

    /// Bytes that were written once for all with the last show.
    #[cfg(test)]
    pub(crate) fn shared_bytes(&self) -> usize {
        self.chunks.len()
    }
}

fn sights<P>(space: &Space<P>, came: &[Member]) -> Vec<Sight> {
    came.iter().filter_map(|member| space.member(*member)).map(Entity::sight).collect()
}

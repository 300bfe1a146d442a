//! Looking around: whom a player sees.

use protocol::EntityId;

use super::{reach::Reach, viewer::Viewer};
use crate::{entity::Entity, space::Space};

/// What one already sees counts as nearer, by this share of the squared distance: else two who
/// are equally far away would take turns in a crowd.
pub(super) const KEPT: f32 = 0.7;

/// Memory for looking around, used again each time.
#[derive(Debug)]
pub(super) struct Looks {
    /// How many one may see.
    most: usize,
    /// Tiles in the side of a cell.
    side: f32,
    seen: Vec<EntityId>,
    /// Squared distance and who.
    candidates: Vec<(f32, EntityId)>,
}

impl Looks {
    pub(super) fn new(most: usize, side: f32) -> Self {
        Self { most, side, seen: Vec::new(), candidates: Vec::new() }
    }

    /// Finds out whom a player sees. Gives who came into sight and who went out of it.
    pub(super) fn around<P>(
        &mut self,
        viewer: &mut Viewer,
        space: &Space<P>,
        reach: &[Reach],
    ) -> (Vec<EntityId>, Vec<EntityId>) {
        let Some(own) = space.seated(viewer.slot) else { return (Vec::new(), Vec::new()) };
        let grid = &space.grid;
        let middle = grid.place_of(own.cell);
        self.seen.clear();
        for cell in reach.iter().filter_map(|reach| grid.beside(middle, reach.offset)) {
            self.seen.extend(grid.members(cell).iter().map(|member| member.id));
            // The player itself, and one more than fits, tell that not all do.
            if self.seen.len() > self.most + 1 {
                break;
            }
        }
        // It stands in the first of these cells.
        if let Some(place) = self.seen.iter().position(|id| *id == viewer.id) {
            self.seen.swap_remove(place);
        }
        viewer.is_crowded = self.seen.len() > self.most;
        if viewer.is_crowded {
            self.nearest(viewer, own, space, reach);
        }
        self.seen.sort_unstable();
        viewer.see(&self.seen)
    }

    /// Takes the nearest where not all fit.
    fn nearest<P>(&mut self, viewer: &Viewer, own: &Entity, space: &Space<P>, reach: &[Reach]) {
        let (grid, at) = (&space.grid, own.position);
        let middle = grid.place_of(own.cell);
        self.candidates.clear();
        for ring in reach.chunk_by(|a, b| a.ring == b.ring) {
            for cell in ring.iter().filter_map(|reach| grid.beside(middle, reach.offset)) {
                let members = grid.members(cell).iter().filter(|member| member.id != viewer.id);
                let entities = members.filter_map(|member| space.seated(member.slot));
                self.candidates.extend(entities.map(|entity| {
                    let (dx, dy) = (entity.position.x - at.x, entity.position.y - at.y);
                    let kept = if viewer.knows(entity.id) { KEPT } else { 1.0 };
                    ((dx * dx + dy * dy) * kept, entity.id)
                }));
            }
            // Whatever is not in these rings is at least so far away.
            let near = ring.first().map_or(0.0, |reach| reach.ring as f32 * self.side);
            let is_near = |candidate: &&(f32, EntityId)| candidate.0 <= near * near * KEPT;
            if self.candidates.iter().filter(is_near).count() >= self.most {
                break;
            }
        }
        let order =
            |a: &(f32, EntityId), b: &(f32, EntityId)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if self.candidates.len() > self.most && self.most > 0 {
            self.candidates.select_nth_unstable_by(self.most - 1, order);
            self.candidates.truncate(self.most);
        }
        self.seen.clear();
        self.seen.extend(self.candidates.iter().map(|(_, id)| *id));
    }
}

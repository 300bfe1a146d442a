//! Looking around: whom a player sees.

use protocol::EntityId;

use super::{reach::Reach, viewer::Viewer};
use crate::{entity::Entity, grid::Member, space::Space};

/// What one already sees counts as nearer, by this share of the squared distance: else two who
/// are equally far away would take turns in a crowd.
pub(super) const KEPT: f32 = 0.7;

/// Who came into sight and who went out of it.
pub(super) type Change = (Vec<Member>, Vec<EntityId>);

/// Memory for looking around, used again each time.
#[derive(Debug)]
pub(super) struct Looks {
    /// How many one may see.
    most: usize,
    /// Tiles in the side of a cell.
    side: f32,
    seen: Vec<Member>,
    /// Squared distance and who.
    candidates: Vec<(f32, Member)>,
    known: Marks,
}

/// Whom the one who looks knew before, by slot: so that old and new are compared by one pass over
/// each. Empty between two looks.
#[derive(Debug, Default)]
struct Marks(Vec<Option<EntityId>>);

impl Marks {
    fn set(&mut self, member: Member) {
        let slot = member.slot as usize;
        if slot >= self.0.len() {
            self.0.resize(slot + 1, None);
        }
        if let Some(mark) = self.0.get_mut(slot) {
            *mark = Some(member.id);
        }
    }

    /// A slot is used again: it has to be the same entity, too.
    fn has(&self, member: Member) -> bool {
        self.0.get(member.slot as usize).is_some_and(|mark| *mark == Some(member.id))
    }

    /// Whether there was one.
    fn take(&mut self, member: Member) -> bool {
        let mark = self.0.get_mut(member.slot as usize);
        mark.is_some_and(|mark| mark.take_if(|id| *id == member.id).is_some())
    }
}

impl Looks {
    pub(super) fn new(most: usize, side: f32) -> Self {
        let (seen, candidates, known) = (Vec::new(), Vec::new(), Marks::default());
        Self { most, side, seen, candidates, known }
    }

    /// Finds out whom a player sees.
    pub(super) fn around<P>(
        &mut self,
        viewer: &mut Viewer,
        space: &Space<P>,
        reach: &[Reach],
    ) -> Change {
        let Some(own) = space.seated(viewer.slot) else { return Change::default() };
        let grid = &space.grid;
        let middle = grid.place_of(own.cell);
        self.seen.clear();
        for cell in reach.iter().filter_map(|reach| grid.beside(middle, reach.offset)) {
            self.seen.extend_from_slice(grid.members(cell));
            // The player itself, and one more than fits, tell that not all do.
            if self.seen.len() > self.most + 1 {
                break;
            }
        }
        // It stands in the first of these cells.
        if let Some(place) = self.seen.iter().position(|member| member.id == viewer.id) {
            self.seen.swap_remove(place);
        }
        for known in &viewer.known {
            self.known.set(*known);
        }
        viewer.is_crowded = self.seen.len() > self.most;
        if viewer.is_crowded {
            self.nearest(viewer.id, own, space, reach);
        }
        self.compare(&mut viewer.known)
    }

    /// Takes over who is seen now.
    fn compare(&mut self, known: &mut Vec<Member>) -> Change {
        let seen = self.seen.iter().copied();
        let came: Vec<_> = seen.filter(|member| !self.known.take(*member)).collect();
        // Whose mark is left was not seen.
        let gone = known.iter().filter(|member| self.known.take(**member));
        let went: Vec<_> = gone.map(|member| member.id).collect();
        if !(came.is_empty() && went.is_empty()) {
            known.clear();
            known.extend_from_slice(&self.seen);
        }
        (came, went)
    }

    /// Takes the nearest where not all fit.
    fn nearest<P>(&mut self, viewer: EntityId, own: &Entity, space: &Space<P>, reach: &[Reach]) {
        let (grid, at) = (&space.grid, own.position);
        let middle = grid.place_of(own.cell);
        self.candidates.clear();
        for ring in reach.chunk_by(|a, b| a.ring == b.ring) {
            for cell in ring.iter().filter_map(|reach| grid.beside(middle, reach.offset)) {
                let members = grid.members(cell).iter().filter(|member| member.id != viewer);
                self.candidates.extend(members.filter_map(|member| {
                    let entity = space.seated(member.slot)?;
                    let (dx, dy) = (entity.position.x - at.x, entity.position.y - at.y);
                    let kept = if self.known.has(*member) { KEPT } else { 1.0 };
                    Some(((dx * dx + dy * dy) * kept, *member))
                }));
            }
            // Whatever is not in these rings is at least so far away.
            let near = ring.first().map_or(0.0, |reach| reach.ring as f32 * self.side);
            let is_near = |candidate: &&(f32, Member)| candidate.0 <= near * near * KEPT;
            if self.candidates.iter().filter(is_near).count() >= self.most {
                break;
            }
        }
        let order =
            |a: &(f32, Member), b: &(f32, Member)| a.0.total_cmp(&b.0).then(a.1.id.cmp(&b.1.id));
        if self.candidates.len() > self.most && self.most > 0 {
            self.candidates.select_nth_unstable_by(self.most - 1, order);
            self.candidates.truncate(self.most);
        }
        self.seen.clear();
        self.seen.extend(self.candidates.iter().map(|(_, member)| *member));
    }
}

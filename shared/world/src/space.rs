//! Everything that stands on the map, and with it all of the engine's state.

use std::collections::BTreeMap;

use protocol::{EntityId, Position};
use rand_pcg::{Pcg64Mcg, rand_core::SeedableRng};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    atlas::MapPlan,
    effect::{CommitId, Effect},
    entity::{Entity, PLAYER, SPEED},
    grid::{Grid, Member},
};

/// Entities, the stored part of players, chance and time. Two runs that agree in this and in what
/// comes in agree from then on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "P: Serialize", deserialize = "P: DeserializeOwned"))]
pub(crate) struct Space<P> {
    pub(crate) tick: u32,
    pub(crate) rng: Pcg64Mcg,
    /// Seats of entities; a free one is used again.
    slots: Vec<Option<Entity>>,
    free: Vec<u32>,
    next: u32,
    pub(crate) players: BTreeMap<EntityId, P>,
    pub(crate) grid: Grid,
    pub(crate) next_commit: u64,
    /// What becomes of players once that is durable, by commit.
    pub(crate) commits: BTreeMap<CommitId, BTreeMap<EntityId, P>>,
    /// Where each entity sits; made from the slots.
    #[serde(skip)]
    index: FxHashMap<EntityId, u32>,
    /// What is to be done by others; whoever applies an input takes it.
    #[serde(skip)]
    pub(crate) effects: Vec<Effect>,
    #[serde(skip)]
    pub(crate) changes: Changes,
}

/// What those who see it are to be told with the next snapshot.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Cells in which somebody new stands.
    pub(crate) came: Vec<u32>,
    /// Who is gone, and from which cell.
    pub(crate) gone: Vec<(EntityId, u32)>,
    /// Who looks different.
    pub(crate) looks: Vec<EntityId>,
}

impl<P> Space<P> {
    pub(crate) fn over(plan: &MapPlan, seed: u64) -> Self {
        Self {
            tick: 0,
            rng: Pcg64Mcg::seed_from_u64(seed),
            slots: Vec::new(),
            free: Vec::new(),
            next: 1,
            players: BTreeMap::new(),
            grid: Grid::over(plan),
            next_commit: 1,
            commits: BTreeMap::new(),
            index: FxHashMap::default(),
            effects: Vec::new(),
            changes: Changes::default(),
        }
    }

    /// Makes what is not stored.
    pub(crate) fn restored(mut self) -> Self {
        let seats = self.slots.iter().zip(0_u32..);
        let seated = seats.filter_map(|(entity, slot)| Some((entity.as_ref()?.id, slot)));
        self.index = seated.collect();
        self
    }

    /// Puts somebody or something on the map.
    pub(crate) fn add(
        &mut self,
        plan: &MapPlan,
        name: &str,
        look: &str,
        at: Position,
        is_player: bool,
    ) -> EntityId {
        let position = plan.ground.free_near(plan.nearest(at));
        let id = EntityId(self.next);
        // Not reached: at a thousand arrivals a second, ids last for 49 days of one life.
        self.next = self.next.wrapping_add(1);
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        let cell = self.grid.cell_of(position);
        let place = self.grid.put(cell, Member { id, slot });
        let entity = Entity {
            id,
            name: name.to_owned(),
            look: look.to_owned(),
            position,
            speed: SPEED,
            goal: None,
            is_player,
            frozen: false,
            armed: !plan.portals.iter().any(|portal| portal.covers(position)),
            moved: self.tick,
            cell,
            place,
        };
        match self.slots.get_mut(slot as usize) {
            Some(seat) => *seat = Some(entity),
            None => self.slots.push(Some(entity)),
        }
        self.index.insert(id, slot);
        self.changes.came.push(cell);
        id
    }

    /// As [`Space::add`], for somebody who is played.
    pub(crate) fn add_player(
        &mut self,
        plan: &MapPlan,
        name: &str,
        at: Position,
        data: P,
    ) -> EntityId {
        let id = self.add(plan, name, PLAYER, at, true);
        self.players.insert(id, data);
        id
    }

    /// Takes somebody or something off the map.
    pub(crate) fn remove(&mut self, id: EntityId) -> Option<(Entity, Option<P>)> {
        let slot = self.index.remove(&id)?;
        let entity = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.leave_cell(entity.cell, entity.place);
        self.changes.gone.push((id, entity.cell));
        Some((entity, self.players.remove(&id)))
    }

    /// What is stored of a player, where it may be changed now.
    pub(crate) fn player_mut(&mut self, id: EntityId) -> Option<&mut P> {
        let stays = self.entity(id).is_some_and(|entity| !entity.frozen);
        let is_free = !self.commits.values().any(|commit| commit.contains_key(&id));
        self.players.get_mut(&id).filter(|_| stays && is_free)
    }

    /// Where an entity sits.
    pub(crate) fn slot_of(&self, id: EntityId) -> Option<u32> {
        self.index.get(&id).copied()
    }

    /// Who sits there.
    pub(crate) fn seated(&self, slot: u32) -> Option<&Entity> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// A member of a cell, unless it is gone: its seat may be another's by now.
    pub(crate) fn member(&self, member: Member) -> Option<&Entity> {
        self.seated(member.slot).filter(|entity| entity.id == member.id)
    }

    pub(crate) fn entity(&self, id: EntityId) -> Option<&Entity> {
        self.seated(self.slot_of(id)?)
    }

    /// To change what is not its place: for that there is [`Space::place`].
    pub(crate) fn entity_mut(&mut self, id: EntityId) -> Option<&mut Entity> {
        let slot = self.slot_of(id)?;
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Everybody and everything, always in the same order.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.slots.iter().flatten()
    }

    /// How many seats there are; all slots are below.
    pub(crate) fn seats(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Everybody and everything within a radius, always in the same order.
    pub(crate) fn near(&self, at: Position, radius: f32) -> impl Iterator<Item = &Entity> {
        let members = self.grid.around(at, radius).flat_map(|cell| self.grid.members(cell));
        let entities = members.filter_map(|member| self.seated(member.slot));
        entities.filter(move |entity| entity.position.distance(at) <= radius)
    }

    /// Puts an entity somewhere, wherever that is.
    pub(crate) fn place(&mut self, slot: u32, at: Position) {
        let (tick, cell) = (self.tick, self.grid.cell_of(at));
        let Some(entity) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        entity.position = at;
        entity.moved = tick;
        let (old, place) = (entity.cell, entity.place);
        if old == cell {
            return;
        }
        entity.cell = cell;
        entity.place = self.grid.put(cell, Member { id: entity.id, slot });
        self.leave_cell(old, place);
    }

    fn leave_cell(&mut self, cell: u32, place: u32) {
        // Whoever was last in the cell stands at the free place now.
        if let Some(moved) = self.grid.take(cell, place)
            && let Some(entity) = self.slots.get_mut(moved.slot as usize).and_then(Option::as_mut)
        {
            entity.place = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(x: f32, y: f32) -> Position {
        Position { x, y }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Add(f32, f32),
        Remove(usize),
        Place(usize, f32, f32),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let (x, y) = (|| 0.0_f32..64.0, || 0.0_f32..64.0);
        let act = prop_oneof![
            (x(), y()).prop_map(|(x, y)| Act::Add(x, y)),
            (0..50_usize).prop_map(Act::Remove),
            (0..50_usize, x(), y()).prop_map(|(who, x, y)| Act::Place(who, x, y)),
        ];
        prop::collection::vec(act, 1..200)
    }

    proptest! {
        /// The grid and the index are the same truth as the entities.
        #[test]
        fn everybody_is_found_where_it_stands(acts in acts()) {
            let plan = MapPlan::field("field".parse().unwrap(), 64.0, 64.0);
            let mut space = Space::<()>::over(&plan, 1);
            let mut live: BTreeMap<EntityId, Position> = BTreeMap::new();
            for act in acts {
                let nth = |who: usize| live.keys().nth(who % live.len().max(1)).copied();
                match act {
                    Act::Add(x, y) => {
                        live.insert(space.add(&plan, "a", "b", at(x, y), false), at(x, y));
                    }
                    Act::Remove(who) => if let Some(id) = nth(who) {
                        prop_assert!(space.remove(id).is_some());
                        live.remove(&id);
                    },
                    Act::Place(who, x, y) => if let Some(id) = nth(who) {
                        space.place(space.slot_of(id).unwrap(), at(x, y));
                        live.insert(id, at(x, y));
                    },
                }
                let mut members = 0;
                for cell in 0..space.grid.len() as u32 {
                    for (place, member) in (0_u32..).zip(space.grid.members(cell)) {
                        let entity = space.entity(member.id).unwrap();
                        prop_assert_eq!((entity.cell, entity.place), (cell, place));
                        prop_assert_eq!(live.get(&entity.id), Some(&entity.position));
                        members += 1;
                    }
                }
                prop_assert_eq!((members, space.entities().count()), (live.len(), live.len()));
            }
        }

        #[test]
        fn near_is_what_is_within_the_radius(
            points in prop::collection::vec((0.0_f32..64.0, 0.0_f32..64.0), 1..60),
            (x, y, radius) in (-8.0_f32..72.0, -8.0_f32..72.0, 0.0_f32..40.0),
        ) {
            let plan = MapPlan::field("field".parse().unwrap(), 64.0, 64.0);
            let mut space = Space::<()>::over(&plan, 1);
            for (x, y) in points {
                space.add(&plan, "a", "b", at(x, y), false);
            }
            let mut near: Vec<_> = space.near(at(x, y), radius).map(|entity| entity.id).collect();
            near.sort_unstable();
            let within = space.entities().filter(|entity| entity.position.distance(at(x, y)) <= radius);
            prop_assert_eq!(near, within.map(|entity| entity.id).collect::<Vec<_>>());
        }
    }
}

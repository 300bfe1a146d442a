//! What happens on the map: who is there, walking, speech, portals. Pure: time comes in as `dt`,
//! and what others are to see goes out as [`Effect`]s.

mod entity;

use std::collections::BTreeMap;

use protocol::{
    EntityId, Position,
    play::{Move, Portal, Sight},
};

use entity::Entity;
pub(crate) use entity::Passage;

use crate::plan::MapPlan;

/// Something to be seen or acted on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Somebody came.
    Appeared(Sight),
    /// Entities have moved.
    Moved(Vec<Move>),
    /// Somebody went.
    Vanished(EntityId),
    /// Somebody spoke.
    Said { entity: EntityId, name: String, text: String },
    /// Somebody has walked into a portal; it is frozen until told otherwise.
    AtPortal { entity: EntityId, passage: Passage },
}

/// The map and all that is on it.
#[derive(Debug)]
pub(crate) struct Stage {
    plan: MapPlan,
    // Ordered, so that the same inputs always give the same effects in the same order.
    entities: BTreeMap<EntityId, Entity>,
    next: u32,
}

impl Stage {
    pub(crate) fn new(plan: MapPlan) -> Self {
        Self { plan, entities: BTreeMap::new(), next: 1 }
    }

    pub(crate) fn plan(&self) -> &MapPlan {
        &self.plan
    }

    /// The portals as clients see them.
    pub(crate) fn portals(&self) -> Vec<Portal> {
        let seen = |portal: &crate::plan::PortalPlan| Portal {
            at: portal.at,
            radius: portal.radius,
            to: portal.to.clone(),
        };
        self.plan.portals.iter().map(seen).collect()
    }

    /// Puts somebody on the map; without a usable position at the spawn point.
    pub(crate) fn enter(&mut self, name: &str, at: Option<Position>) -> (EntityId, Vec<Effect>) {
        let at = at.filter(|at| at.x.is_finite() && at.y.is_finite());
        let position = self.plan.nearest(at.unwrap_or(self.plan.spawn));
        let id = EntityId(self.next);
        // Not reached: at a thousand arrivals a second, ids last for 49 days of one life.
        self.next = self.next.wrapping_add(1);
        let armed = !self.plan.portals.iter().any(|portal| portal.covers(position));
        let entity = Entity { name: name.to_owned(), position, goal: None, frozen: false, armed };
        let sight =
            Sight { entity: id, name: entity.name.clone(), look: "player".to_owned(), position };
        self.entities.insert(id, entity);
        (id, vec![Effect::Appeared(sight)])
    }

    /// Takes somebody off the map.
    pub(crate) fn leave(&mut self, id: EntityId) -> Option<Effect> {
        self.entities.remove(&id).map(|_| Effect::Vanished(id))
    }

    /// Where somebody is.
    pub(crate) fn position(&self, id: EntityId) -> Option<Position> {
        self.entities.get(&id).map(|entity| entity.position)
    }

    /// Sets where somebody walks to: the nearest point of the map. False for what is no point.
    pub(crate) fn walk(&mut self, id: EntityId, to: Position) -> bool {
        // An infinite one is clamped like any other point outside; NaN has no nearest point.
        if to.x.is_nan() || to.y.is_nan() {
            return false;
        }
        let goal = self.plan.nearest(to);
        if let Some(entity) = self.entities.get_mut(&id).filter(|entity| !entity.frozen) {
            entity.goal = Some(goal);
        }
        true
    }

    /// Lets somebody speak.
    pub(crate) fn say(&self, id: EntityId, text: String) -> Option<Effect> {
        let entity = self.entities.get(&id).filter(|entity| !entity.frozen)?;
        Some(Effect::Said { entity: id, name: entity.name.clone(), text })
    }

    /// Lets somebody go on that was frozen at a portal. It stands, and the portal leaves it alone
    /// until it has stepped out.
    pub(crate) fn unfreeze(&mut self, id: EntityId) {
        if let Some(entity) = self.entities.get_mut(&id) {
            entity.frozen = false;
            entity.goal = None;
        }
    }

    /// Everybody that somebody sees, itself left out. Everybody on the map sees everybody: an
    /// interest grid belongs here and in [`Stage::sees`], and nowhere else.
    pub(crate) fn in_sight(&self, viewer: EntityId) -> Vec<Sight> {
        let others = self.entities.iter().filter(|(id, _)| self.sees(viewer, **id));
        let seen = |(id, entity): (&EntityId, &Entity)| Sight {
            entity: *id,
            name: entity.name.clone(),
            look: "player".to_owned(),
            position: entity.position,
        };
        others.map(seen).collect()
    }

    /// Whether one sees the other.
    pub(crate) fn sees(&self, viewer: EntityId, other: EntityId) -> bool {
        viewer != other
    }

    /// One step of the world, `dt` seconds long.
    pub(crate) fn tick(&mut self, dt: f32) -> Vec<Effect> {
        let (mut moves, mut effects) = (Vec::new(), Vec::new());
        for (&id, entity) in &mut self.entities {
            if !entity.walk(dt) {
                continue;
            }
            let position = entity.position;
            moves.push(Move { entity: id, position });
            match self.plan.portals.iter().find(|portal| portal.covers(position)) {
                None => entity.armed = true,
                Some(portal) if entity.armed => {
                    entity.armed = false;
                    entity.frozen = true;
                    entity.goal = None;
                    let passage = Passage { to: portal.to.clone(), arrive: portal.arrive };
                    effects.push(Effect::AtPortal { entity: id, passage });
                }
                Some(_) => {}
            }
        }
        if !moves.is_empty() {
            effects.insert(0, Effect::Moved(moves));
        }
        effects
    }
}

#[cfg(test)]
mod tests;

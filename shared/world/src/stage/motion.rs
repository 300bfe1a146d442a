//! Walking.

use protocol::{EntityId, Position};

use crate::{TICK, atlas::MapPlan, space::Space};

/// Lets everybody walk for one tick. Gives the players that have walked into portals, and into
/// which, counted in the map's list.
pub(super) fn walk<P>(plan: &MapPlan, space: &mut Space<P>) -> Vec<(EntityId, usize)> {
    let mut at_portals = Vec::new();
    for slot in 0..space.seats() {
        let Some(entity) = space.seated(slot).filter(|entity| entity.is_walking()) else {
            continue;
        };
        let (id, is_player, from) = (entity.id, entity.is_player, entity.position);
        let Some(goal) = entity.goal else { continue };
        let (to, arrived) = step(plan, from, goal, entity.speed * TICK.as_secs_f32());
        if to != from {
            space.place(slot, to);
        }
        if arrived && let Some(entity) = space.entity_mut(id) {
            entity.goal = None;
        }
        if is_player && to != from {
            at_portals.extend(portal(plan, space, id, to).map(|portal| (id, portal)));
        }
    }
    at_portals
}

/// Where a step of so many tiles ends, and whether the walk does.
fn step(plan: &MapPlan, from: Position, goal: Position, length: f32) -> (Position, bool) {
    let distance = from.distance(goal);
    let aim = if distance <= length {
        goal
    } else {
        let share = length / distance;
        Position { x: from.x + (goal.x - from.x) * share, y: from.y + (goal.y - from.y) * share }
    };
    let to = plan.ground.step(from, aim);
    // A wall that is not slid along any more ends the walk too.
    (to, to == goal || to.distance(from) < length * 0.01)
}

/// The portal that a player stands in for the first time since it last stood in none.
fn portal<P>(plan: &MapPlan, space: &mut Space<P>, id: EntityId, at: Position) -> Option<usize> {
    let covering = plan.portals.iter().position(|portal| portal.covers(at));
    let entity = space.entity_mut(id)?;
    let entered = covering.filter(|_| entity.armed);
    entity.armed = covering.is_none();
    if entered.is_some() {
        entity.goal = None;
    }
    entered
}

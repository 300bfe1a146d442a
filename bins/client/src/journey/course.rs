//! Where to walk. Pure: a view of the map in, a point out.

use client::Surroundings;
use protocol::{MapName, Position, play::Portal};

/// How near to a target counts as there, in tiles.
pub(crate) const NEAR: f32 = 0.5;
/// The longest way of a stroll, in tiles.
const STROLL_MAX: f32 = 3.0;
/// How far from a portal's edge one steps to be surely outside, in tiles.
const CLEAR: f32 = 1.5;

/// The portal to a map, or the map's first one.
pub(crate) fn portal<'a>(around: &'a Surroundings, to: Option<&MapName>) -> Option<&'a Portal> {
    match to {
        Some(_) => around.portal(to),
        None => around.portals.first(),
    }
}

/// A point to stroll to: some way towards the portal, which must be reachable in a straight line
/// anyway, but not into it; or away from it where one stands in it.
pub(crate) fn stroll(around: &Surroundings, portal: &Portal) -> Position {
    let here = around.position;
    let way = here.distance(portal.at);
    if let Some(outside) = outside(around, portal) {
        return outside;
    }
    towards(here, portal.at, ((way - portal.radius) / 2.0).min(STROLL_MAX))
}

/// A point outside a portal where one stands in it, which takes along only who walks into it.
pub(crate) fn outside(around: &Surroundings, portal: &Portal) -> Option<Position> {
    let here = around.position;
    if here.distance(portal.at) > portal.radius {
        return None;
    }
    let middle = Position { x: around.size.0 / 2.0, y: around.size.1 / 2.0 };
    Some(towards(portal.at, middle, portal.radius + CLEAR))
}

/// Whether a point lies on the map.
pub(crate) fn is_on(around: &Surroundings, point: Position) -> bool {
    (0.0..=around.size.0).contains(&point.x) && (0.0..=around.size.1).contains(&point.y)
}

fn towards(from: Position, to: Position, tiles: f32) -> Position {
    let way = from.distance(to);
    if way <= f32::EPSILON {
        return from;
    }
    let share = tiles / way;
    Position {
        x: (to.x - from.x).mul_add(share, from.x),
        y: (to.y - from.y).mul_add(share, from.y),
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Channel, EntityId};

    use super::*;

    fn at(x: f32, y: f32) -> Position {
        Position { x, y }
    }

    fn around(position: Position) -> Surroundings {
        let portal = |x, to: &str| Portal { at: at(x, 5.0), radius: 1.0, to: to.parse().unwrap() };
        Surroundings {
            map: "town".parse().unwrap(),
            channel: Channel::FIRST,
            you: EntityId(1),
            position,
            size: (20.0, 10.0),
            view: 16.0,
            tick_ms: 50,
            portals: vec![portal(18.0, "field"), portal(2.0, "cave")],
            others: Default::default(),
        }
    }

    #[test]
    fn the_first_portal_is_taken_or_the_one_to_a_map() {
        let around = around(at(3.0, 5.0));
        assert_eq!(portal(&around, None).unwrap().to.as_str(), "field");
        let cave = "cave".parse().unwrap();
        assert_eq!(portal(&around, Some(&cave)).unwrap().to, cave);
    }

    #[test]
    fn a_stroll_goes_some_way_and_never_into_the_portal() {
        for (from, to) in [(3.0, 6.0), (14.0, 15.5), (16.8, 16.9)] {
            let around = around(at(from, 5.0));
            let target = stroll(&around, &around.portals[0]);
            assert!(target.distance(at(to, 5.0)) < 0.001, "{from}: {target:?}");
        }
    }

    #[test]
    fn who_stands_in_a_portal_steps_out_towards_the_middle_of_the_map() {
        let around = around(at(18.2, 5.0));
        let target = outside(&around, &around.portals[0]).unwrap();
        assert!(target.distance(at(15.5, 5.0)) < 0.001, "{target:?}");
        assert!(is_on(&around, target));
        assert_eq!(outside(&around, &around.portals[1]), None);
        assert!(!is_on(&around, at(-0.1, 5.0)));
    }
}

//! Map Server with the demo world: a town, a forest and a dungeon.

mod demo;

use std::process::ExitCode;

const ABOUT: &str = "Waystone Map Server with the demo world";

/// The maps that are built in, with the tileset that they share. `--maps-dir` adds others.
const PLANS: &[(&str, &str)] = &[
    ("town.tmx", include_str!("../maps/town.tmx")),
    ("forest.tmx", include_str!("../maps/forest.tmx")),
    ("dungeon.tmx", include_str!("../maps/dungeon.tmx")),
    ("waystone.tsx", include_str!("../maps/waystone.tsx")),
];

fn main() -> ExitCode {
    map::main::<demo::Demo>(ABOUT, env!("CARGO_PKG_VERSION"), PLANS)
}

#[cfg(test)]
mod tests {
    use protocol::Position;
    use world::atlas::{Atlas, MapPlan, Place};

    use super::*;

    fn plans() -> Vec<MapPlan> {
        let atlas = Atlas::embedded(PLANS).unwrap();
        atlas.names().map(|name| atlas.plan(name).unwrap().clone()).collect()
    }

    fn plan(name: &str) -> MapPlan {
        plans().into_iter().find(|plan| plan.name.as_str() == name).unwrap()
    }

    fn at((x, y): (f32, f32)) -> Position {
        Position { x, y }
    }

    #[test]
    fn the_demo_world_is_whole_and_nobody_arrives_within_a_portal() {
        for plan in plans() {
            for portal in &plan.portals {
                let target = self::plan(portal.to.as_str());
                let arrive = portal.arrive.unwrap_or(target.spawn);
                let caught = target.portals.iter().any(|back| back.covers(arrive));
                assert!(!caught, "the way from {} to {} ends in a portal", plan.name, portal.to);
                assert_eq!(portal.instance, target.instance, "{} to {}", plan.name, portal.to);
            }
        }
    }

    #[test]
    fn everything_can_be_walked_to() {
        for plan in plans() {
            let goals = plan.spawns.iter().map(|spawn| spawn.at);
            let goals = goals.chain(plan.portals.iter().map(|portal| portal.at));
            for goal in goals.chain(plan.places.iter().map(Place::middle)) {
                let path = plan.ground.path(plan.spawn, goal, 10_000);
                assert!(path.is_some(), "no way to {goal:?} on {}", plan.name);
            }
        }
    }

    /// Clients and stories walk straight on between these points.
    #[test]
    fn the_ways_between_portals_are_straight() {
        let lines = [
            ("town", (20.0, 15.0), (26.0, 15.0)),
            ("town", (23.0, 15.0), (26.0, 15.0)),
            ("forest", (8.0, 20.0), (4.0, 20.0)),
            ("forest", (8.0, 20.0), (30.0, 12.0)),
            ("forest", (30.0, 16.0), (30.0, 12.0)),
            ("forest", (30.0, 16.0), (4.0, 20.0)),
            ("dungeon", (6.0, 10.0), (2.0, 10.0)),
        ];
        for (map, from, to) in lines {
            assert!(plan(map).ground.line_is_free(at(from), at(to)), "{map}: {from:?} to {to:?}");
        }
        let town = plan("town");
        for degrees in 0..360_u16 {
            let (down, right) = f32::from(degrees).to_radians().sin_cos();
            let edge = Position { x: 20.0 + 8.0 * right, y: 15.0 + 8.0 * down };
            assert!(town.ground.line_is_free(town.spawn, edge), "the market at {degrees} degrees");
        }
    }

    #[test]
    fn there_is_something_to_find() {
        let kinds = |name: &str| {
            let mut kinds: Vec<_> = plan(name).places.into_iter().map(|place| place.kind).collect();
            kinds.sort();
            kinds.dedup();
            kinds
        };
        assert_eq!(kinds("town"), ["coins", "shop"]);
        assert_eq!(kinds("forest"), ["coins", "den"]);
        assert_eq!(kinds("dungeon"), ["coins", "den"]);
        assert_eq!((plan("forest").width, plan("forest").height), (60.0, 40.0));
        assert!(!plan("forest").ground.is_free(at((20.5, 25.5))), "a pond is no way");
    }
}

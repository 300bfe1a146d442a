//! Map Server with the demo world: a town, a forest and a cave.

use std::process::ExitCode;

const ABOUT: &str = "Waystone Map Server with the demo world";

/// The maps that are built in. `--maps-dir` adds others.
const PLANS: &[(&str, &str)] = &[
    ("town.toml", include_str!("../maps/town.toml")),
    ("forest.toml", include_str!("../maps/forest.toml")),
    ("cave.toml", include_str!("../maps/cave.toml")),
];

fn main() -> ExitCode {
    map::main(ABOUT, env!("CARGO_PKG_VERSION"), PLANS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_world_is_whole_and_nobody_arrives_within_a_portal() {
        let atlas = map::plan::Atlas::embedded(PLANS).unwrap();
        for plan in atlas.names().map(|name| atlas.plan(name).unwrap()) {
            for portal in &plan.portals {
                let target = atlas.plan(&portal.to).unwrap();
                let caught = target.portals.iter().any(|back| back.covers(portal.arrive));
                assert!(!caught, "the way from {} to {} ends in a portal", plan.name, portal.to);
            }
        }
    }
}

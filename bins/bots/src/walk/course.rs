//! Where a bot walks.

use clap::ValueEnum;
use protocol::{MapName, Position};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

use crate::entrance::Place;

/// How far from home a goal lies at most, in tiles each way: about what one walks in a second, so
/// that a bot is always on its way.
const ROAM: f32 = 6.0;
/// As [`ROAM`], in a crowd.
const JOSTLE: f32 = 2.0;
/// One over the plastic number and its square: the steps of the sequence that fills a square most
/// evenly (Martin Roberts' R2), so that homes are spread however many there are.
const SPREAD: (f64, f64) = (0.754_877_666_246_692_8, 0.569_840_290_998_053_3);

/// What all bots do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pattern {
    /// Each about a place of its own
    Random,
    /// All in the middle of the map
    Crowd,
    /// From portal to portal
    Line,
}

/// What is the same for all bots' ways.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) pattern: Pattern,
    /// The map to be on; others are left through portals.
    pub(super) map: Option<MapName>,
    /// Homes spread over the map, not where each bot came in.
    pub(super) spread: bool,
    pub(super) seed: u64,
    /// Inputs a second.
    pub(super) rate: u32,
}

/// The way of one bot on one map.
#[derive(Debug)]
pub(super) struct Course {
    rng: Pcg32,
    /// The middle of where it walks.
    home: Position,
    /// How far from it, in tiles each way.
    reach: f32,
    size: (f32, f32),
    goal: Position,
    /// Inputs until the next goal.
    left: u32,
    /// Inputs with the same goal: those of a second.
    held: u32,
}

impl Course {
    /// The way of bot `number` on its `stay`-th map.
    pub(super) fn new(plan: &Plan, number: usize, stay: u32, place: &Place) -> Self {
        let mut rng = Pcg32::seed_from_u64(plan.seed ^ (number as u64) << 32 ^ u64::from(stay));
        let (width, height) = place.size;
        let (home, reach) = match (portal(plan, number, stay, place), plan.pattern) {
            (Some(portal), _) => (portal, 0.0),
            (None, Pattern::Crowd) => (Position { x: width / 2.0, y: height / 2.0 }, JOSTLE),
            (None, _) if plan.spread => (spread(number, place.size), ROAM),
            (None, _) => (place.position, ROAM),
        };
        // Not all turn in the same instant.
        let left = rng.random_range(0..plan.rate.max(1));
        Self { rng, home, reach, size: place.size, goal: home, left, held: plan.rate.max(1) }
    }

    /// Where the next input leads.
    pub(super) fn step(&mut self) -> Position {
        if self.left == 0 {
            self.left = self.held;
            let Position { x, y } = self.home;
            let mut near = |at: f32, end: f32| {
                (at + self.rng.random_range(-self.reach..=self.reach)).clamp(0.0, end)
            };
            self.goal = Position { x: near(x, self.size.0), y: near(y, self.size.1) };
        }
        self.left -= 1;
        self.goal
    }
}

/// The portal to be taken, if one is.
fn portal(plan: &Plan, number: usize, stay: u32, place: &Place) -> Option<Position> {
    let wanted = plan.map.as_ref();
    let portals = &place.portals;
    match plan.pattern {
        Pattern::Random | Pattern::Crowd if wanted.is_none_or(|map| *map == place.map) => None,
        Pattern::Random | Pattern::Crowd
            if let Some(direct) = portals.iter().find(|portal| Some(&portal.to) == wanted) =>
        {
            Some(direct.at)
        }
        _ => {
            let turn = number.wrapping_add(stay as usize).checked_rem(portals.len())?;
            portals.get(turn).map(|portal| portal.at)
        }
    }
}

/// Bot `number`'s place on a map of this size.
fn spread(number: usize, (width, height): (f32, f32)) -> Position {
    let share = |step: f64| ((0.5 + step * number as f64) % 1.0) as f32;
    Position { x: share(SPREAD.0) * width, y: share(SPREAD.1) * height }
}

#[cfg(test)]
mod tests {
    use protocol::{EntityId, play::Portal};

    use super::*;

    fn place() -> Place {
        let portal = |x, to: &str| Portal {
            at: Position { x, y: 1.0 },
            radius: 1.0,
            to: to.parse().unwrap(),
        };
        Place {
            map: "town".parse().unwrap(),
            you: EntityId(1),
            position: Position { x: 20.0, y: 15.0 },
            size: (40.0, 30.0),
            portals: vec![portal(1.0, "forest"), portal(2.0, "cave")],
        }
    }

    fn plan(pattern: Pattern) -> Plan {
        Plan { pattern, map: None, spread: false, seed: 1, rate: 10 }
    }

    fn goals(plan: &Plan, number: usize, stay: u32) -> Vec<Position> {
        let mut course = Course::new(plan, number, stay, &place());
        (0..200).map(|_| course.step()).collect()
    }

    #[test]
    fn the_same_seed_walks_the_same_way_and_another_bot_another() {
        let plan = plan(Pattern::Random);
        assert_eq!(goals(&plan, 1, 0), goals(&plan, 1, 0));
        assert_ne!(goals(&plan, 1, 0), goals(&plan, 2, 0));
    }

    #[test]
    fn goals_stay_near_home_and_on_the_map() {
        let home = place().position;
        for goal in goals(&plan(Pattern::Random), 1, 0) {
            assert!((goal.x - home.x).abs() <= ROAM && (goal.y - home.y).abs() <= ROAM, "{goal:?}");
        }
        let all_over = Plan { spread: true, ..plan(Pattern::Random) };
        for goal in (0..50).flat_map(|number| goals(&all_over, number, 0)) {
            assert!((0.0..=40.0).contains(&goal.x) && (0.0..=30.0).contains(&goal.y), "{goal:?}");
        }
    }

    #[test]
    fn homes_are_spread_evenly() {
        let mut quarters = [0; 4];
        for number in 0..1000 {
            let home = spread(number, (2.0, 2.0));
            quarters[home.x as usize + 2 * home.y as usize] += 1;
        }
        assert!(quarters.iter().all(|count| (245..=255).contains(count)), "{quarters:?}");
    }

    #[test]
    fn portals_are_taken_in_turn_or_to_the_map_that_is_wanted() {
        let at = |plan: &Plan, stay| goals(plan, 0, stay).pop().unwrap().x;
        assert_eq!([0, 1, 2].map(|stay| at(&plan(Pattern::Line), stay)), [1.0, 2.0, 1.0]);
        let to = |map: &str| Plan { map: Some(map.parse().unwrap()), ..plan(Pattern::Random) };
        assert_eq!(at(&to("cave"), 0), 2.0);
        assert!(at(&to("town"), 0) > 10.0, "it is there");
    }
}

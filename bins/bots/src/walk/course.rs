//! Where a bot walks.

use clap::ValueEnum;
use protocol::{MapName, Position, play::Portal};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

use crate::entrance::Place;

/// How far from home a goal lies at most, in tiles each way: about what one walks in a second, so
/// that a bot is always on its way.
const ROAM: f32 = 6.0;
/// As [`ROAM`], in a crowd.
const JOSTLE: f32 = 2.0;
/// How far from a portal one steps back, in tiles.
const STEP_BACK: f32 = 2.0;
/// Homes that are looked at before one beside a portal is taken.
const HOMES: usize = 16;
/// How many homes further each stay begins: the way to the last one may lead through a portal.
const MOVE: usize = 7_919;
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
    /// Where to step back to: a portal takes only who walks into it.
    back: Position,
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
        let portal = portal(plan, number, stay, place);
        let (home, reach) = match (portal, plan.pattern) {
            (Some(portal), _) => (portal.at, 0.0),
            (None, Pattern::Crowd) => (Position { x: width / 2.0, y: height / 2.0 }, JOSTLE),
            (None, _) if plan.spread => (spread_home(number, stay, place), ROAM),
            (None, _) => (place.position, ROAM),
        };
        // Not all turn in the same instant.
        let left = rng.random_range(0..plan.rate.max(1));
        let (size, held) = (place.size, plan.rate.max(1));
        let back = portal.map_or(home, |portal| before(portal, place));
        let mut course = Self { rng, home, reach, size, back, goal: home, left, held };
        // Whoever was saved in a portal comes in there.
        if portal.is_some_and(|portal| portal.at.distance(place.position) <= portal.radius) {
            course.retreat();
        }
        course
    }

    /// Steps back for a second and comes again, such as where a portal refused.
    pub(super) fn retreat(&mut self) {
        (self.goal, self.left) = (self.back, self.held);
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

/// Bot `number`'s home on a map, clear of portals where that can be.
fn spread_home(number: usize, stay: u32, place: &Place) -> Position {
    let first = number.wrapping_add(MOVE.wrapping_mul(stay as usize));
    let homes = (0..HOMES).map(|more| spread(first.wrapping_add(more * MOVE), place.size));
    let clear = |home: &Position| {
        // Corner to corner of where it roams.
        let within = ROAM * std::f32::consts::SQRT_2;
        place.portals.iter().all(|portal| portal.at.distance(*home) > portal.radius + within)
    };
    homes.clone().find(clear).unwrap_or_else(|| spread(first, place.size))
}

/// Outside of a portal, towards the middle of the map.
fn before(portal: &Portal, place: &Place) -> Position {
    let at = portal.at;
    let (dx, dy) = (place.size.0 / 2.0 - at.x, place.size.1 / 2.0 - at.y);
    let share = (portal.radius + STEP_BACK) / dx.hypot(dy).max(STEP_BACK);
    Position { x: at.x + dx * share, y: at.y + dy * share }
}

/// The portal to be taken, if one is.
fn portal<'a>(plan: &Plan, number: usize, stay: u32, place: &'a Place) -> Option<&'a Portal> {
    let wanted = plan.map.as_ref();
    let portals = &place.portals;
    match plan.pattern {
        Pattern::Random | Pattern::Crowd if wanted.is_none_or(|map| *map == place.map) => None,
        Pattern::Random | Pattern::Crowd
            if let Some(direct) = portals.iter().find(|portal| Some(&portal.to) == wanted) =>
        {
            Some(direct)
        }
        _ => {
            let turn = number.wrapping_add(stay as usize).checked_rem(portals.len())?;
            portals.get(turn)
        }
    }
}

/// The place of this number on a map of this size.
fn spread(number: usize, (width, height): (f32, f32)) -> Position {
    let share = |step: f64| ((0.5 + step * number as f64) % 1.0) as f32;
    Position { x: share(SPREAD.0) * width, y: share(SPREAD.1) * height }
}

#[cfg(test)]
mod tests {
    use protocol::EntityId;

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
    fn homes_keep_clear_of_portals_and_are_others_at_each_stay() {
        let place = Place { size: (400.0, 300.0), ..place() };
        let homes = |stay| (0..500).map(move |number| (number, stay));
        for (number, stay) in homes(0).chain(homes(1)) {
            let home = spread_home(number, stay, &place);
            assert!(place.portals.iter().all(|portal| portal.at.distance(home) > ROAM), "{home:?}");
        }
        assert_ne!(spread_home(1, 0, &place), spread_home(1, 1, &place));
    }

    #[test]
    fn who_is_refused_steps_back_and_comes_again() {
        let mut course = Course::new(&plan(Pattern::Line), 0, 0, &place());
        let portal = course.step();
        course.retreat();
        let way: Vec<_> = (0..11).map(|_| course.step()).collect();
        assert_eq!((way[0], way[10]), (way[9], portal));
        assert!((1.5..4.0).contains(&way[0].distance(portal)), "{way:?}");

        // So does who comes in where a portal is.
        let inside = Place { position: portal, ..place() };
        assert_eq!(Course::new(&plan(Pattern::Line), 0, 0, &inside).step(), way[0]);
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

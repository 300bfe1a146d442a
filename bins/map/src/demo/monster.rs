//! Monsters: they roam near their den, hunt whom they see, and let go when it gets too far.

use std::{collections::BTreeSet, time::Duration};

use protocol::{EntityId, Position};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use world::{Entity, TICK, atlas::PlaceError};

use super::{Ctx, Output, Rules, coins};

/// How often a monster looks around and plans its way, in ticks. They take turns, so that each tick
/// has few ways to plan.
const TURN: u32 = 6;
/// How many tiles a way may be looked for on: more than lie within the leash.
const SEARCH: usize = 1000;
/// How long a monster lets everybody be after a hunt.
const REST: Duration = Duration::from_secs(6);
/// Coins that are lost to a monster.
const LOSS: u32 = 3;
/// Distances in tiles: how far a monster roams from home, sees, hunts from home, and how near it
/// catches.
const ROAM: f32 = 3.0;
const SIGHT: f32 = 6.0;
const LEASH: f32 = 14.0;
const REACH: f32 = 0.8;
/// Within how many tiles of a spawn point nobody is hunted.
const SANCTUARY: f32 = 6.0;

/// What a place of class `den` says.
#[derive(Deserialize)]
struct Properties {
    monsters: u16,
    look: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Monster {
    body: EntityId,
    home: Position,
    prey: Option<EntityId>,
    /// The points that it walks to, the next one last.
    way: Vec<Position>,
    turn: Duration,
    rests_until: Duration,
}

pub(super) fn open(ctx: &mut Ctx<'_>) -> Result<Vec<Monster>, PlaceError> {
    let mut monsters = Vec::new();
    for den in ctx.map().places_of("den") {
        let Properties { monsters: count, look } = den.read()?;
        let home = ctx.ground().free_near(den.middle());
        for _ in 0..count {
            let (body, turn) =
                (ctx.spawn(&look, &look, home), TICK * (monsters.len() as u32 % TURN));
            let (prey, way, rests_until) = (None, Vec::new(), Duration::ZERO);
            monsters.push(Monster { body, home, prey, way, turn, rests_until });
        }
    }
    Ok(monsters)
}

pub(super) fn tick(monsters: &mut [Monster], rules: &Rules, ctx: &mut Ctx<'_>) {
    let caught: BTreeSet<EntityId> =
        monsters.iter_mut().filter_map(|monster| monster.tick(rules, ctx)).collect();
    for prey in caught {
        // The whole pack is content.
        for monster in monsters.iter_mut().filter(|monster| monster.prey == Some(prey)) {
            monster.give_up(ctx);
        }
        let Some(player) = ctx.player_mut(prey) else { continue };
        let lost = player.coins.min(LOSS);
        player.coins -= lost;
        let total = player.coins;
        ctx.book(prey, coins(-i64::from(lost), "caught"));
        ctx.send(prey, &Output::Caught { lost, total });
    }
}

impl Monster {
    /// Gives whom it has caught.
    fn tick(&mut self, rules: &Rules, ctx: &mut Ctx<'_>) -> Option<EntityId> {
        let body = ctx.entity(self.body)?;
        let (here, stands) = (body.position(), !body.is_walking());
        let is_idle = stands && self.way.is_empty();
        if stands && let Some(next) = self.way.pop() {
            ctx.walk(self.body, next);
        }
        if ctx.now() < self.turn {
            return None;
        }
        self.turn = ctx.now() + TICK * TURN;
        self.prey = self.prey.or_else(|| self.notice(here, ctx));
        let Some(prey) = self.prey else {
            if is_idle && ctx.rng().random_ratio(1, 8) {
                self.roam(here, rules, ctx);
            }
            return None;
        };
        let goal = ctx.entity(prey).filter(|prey| self.may_hunt(prey, ctx)).map(Entity::position);
        if goal.is_some_and(|goal| here.distance(goal) <= REACH) {
            return Some(prey);
        }
        match goal.and_then(|goal| way(here, goal, ctx)) {
            Some(way) => self.go(way, rules.monster_speed, ctx),
            None => self.give_up(ctx),
        }
        None
    }

    /// Somebody whom it may hunt, with no wall between.
    fn notice(&self, here: Position, ctx: &Ctx<'_>) -> Option<EntityId> {
        let is_seen = |near: &Entity| ctx.ground().line_is_free(here, near.position());
        let mut near = ctx.near(here, SIGHT).filter(|near| self.may_hunt(near, ctx));
        near.find(|near| is_seen(near)).map(Entity::id)
    }

    fn may_hunt(&self, prey: &Entity, ctx: &Ctx<'_>) -> bool {
        let at = prey.position();
        let is_safe = ctx.map().spawns.iter().any(|spawn| spawn.at.distance(at) <= SANCTUARY);
        let is_away = at.distance(self.home) > LEASH || prey.is_frozen();
        prey.is_player() && !is_safe && !is_away && ctx.now() >= self.rests_until
    }

    fn give_up(&mut self, ctx: &mut Ctx<'_>) {
        self.prey = None;
        self.way.clear();
        self.rests_until = ctx.now() + REST;
        ctx.stop(self.body);
    }

    /// To somewhere near home, which from afar is the way back.
    fn roam(&mut self, here: Position, rules: &Rules, ctx: &mut Ctx<'_>) {
        let mut aside = || ctx.rng().random_range(-ROAM..ROAM);
        let to = Position { x: self.home.x + aside(), y: self.home.y + aside() };
        let is_home = ctx.ground().line_is_free(self.home, to);
        if is_home && let Some(way) = way(here, to, ctx) {
            self.go(way, rules.monster_speed / 2.0, ctx);
        }
    }

    fn go(&mut self, mut way: Vec<Position>, speed: f32, ctx: &mut Ctx<'_>) {
        way.reverse();
        if let Some(next) = way.pop() {
            ctx.set_speed(self.body, speed);
            ctx.walk(self.body, next);
        }
        self.way = way;
    }
}

/// Straight on where nothing is in the way, otherwise around it.
fn way(from: Position, to: Position, ctx: &Ctx<'_>) -> Option<Vec<Position>> {
    let is_straight = ctx.ground().line_is_free(from, to);
    if is_straight { Some(vec![to]) } else { ctx.ground().path(from, to, SEARCH) }
}

//! A world at work: inputs go in, effects come out, and everybody is shown what it sees.

mod motion;
mod outlets;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use protocol::{
    Code, EntityId, Failure, MapName, Position,
    play::{Portal, Sight},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use outlets::Outlets;

use crate::{
    CommitId, Context, Effect, Entity, Input, World,
    atlas::{MapPlan, PlaceError},
    input::on_a_step,
    sight::{Pace, Viewers},
    space::Space,
};

/// A map with a game on it. It has no clock: [`Input::Tick`] is what makes time pass.
#[derive(Debug)]
pub struct Stage<W: World> {
    plan: Arc<MapPlan>,
    world: W,
    space: Space<W::Player>,
    pub(crate) viewers: Viewers,
}

/// Custom properties that are not what the game wants.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Those of the map.
    #[error(
        "map `{map}`: its custom properties are not what this game wants: {source}; set them in the map's file"
    )]
    Map {
        /// Its name.
        map: MapName,
        /// Why.
        source: serde_json::Error,
    },
    /// Those of a place on it.
    #[error("map `{map}`, {source}; set them in the map's file")]
    Place {
        /// The map's name.
        map: MapName,
        /// Which place, and why.
        source: PlaceError,
    },
}

/// A state that cannot be gone on from.
#[derive(Debug, thiserror::Error)]
#[error("that state is of another game, or of another version of it: {0}")]
pub struct StateError(#[from] rmp_serde::decode::Error);

/// What a stage is made from again, but for its map.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct State<W: World> {
    world: W,
    space: Space<W::Player>,
}

/// As [`State`], to be written.
#[derive(Serialize)]
#[serde(bound = "")]
struct StateRef<'a, W: World> {
    world: &'a W,
    space: &'a Space<W::Player>,
}

impl<W: World> Stage<W> {
    /// A map comes to life.
    ///
    /// # Errors
    /// [`ConfigError`] for custom properties, of the map or of its places, that the game cannot read.
    pub fn open(plan: Arc<MapPlan>, seed: u64) -> Result<Self, ConfigError> {
        let config = serde_json::from_value(Value::Object(plan.properties.clone()))
            .map_err(|source| ConfigError::Map { map: plan.name.clone(), source })?;
        let mut space = Space::over(&plan, seed);
        let world = W::open(config, &mut Context { plan: &plan, space: &mut space })
            .map_err(|source| ConfigError::Place { map: plan.name.clone(), source })?;
        let viewers = Viewers::over(&plan, &space.grid);
        Ok(Self { plan, world, space, viewers })
    }

    /// Goes on from [`Stage::state`], with nobody looking on.
    ///
    /// # Errors
    /// [`StateError`] where the bytes are no state of this game.
    pub fn restore(plan: Arc<MapPlan>, state: &[u8]) -> Result<Self, StateError> {
        let State { world, space } = rmp_serde::from_slice::<State<W>>(state)?;
        let viewers = Viewers::over(&plan, &space.grid);
        Ok(Self { plan, world, space: space.restored(), viewers })
    }

    /// All that the future depends on, but for the map.
    ///
    /// # Errors
    /// A world that cannot be written, such as one with a map whose keys are maps.
    pub fn state(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        rmp_serde::to_vec(&StateRef { world: &self.world, space: &self.space })
    }

    /// The map.
    pub fn plan(&self) -> &MapPlan {
        &self.plan
    }

    /// The game.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// Ticks since the map came to life.
    pub fn tick(&self) -> u32 {
        self.space.tick
    }

    /// Somebody or something on the map.
    pub fn entity(&self, entity: EntityId) -> Option<&Entity> {
        self.space.entity(entity)
    }

    /// Everybody and everything, always in the same order.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.space.entities()
    }

    /// What is stored of a player.
    pub fn player(&self, player: EntityId) -> Option<&W::Player> {
        self.space.players.get(&player)
    }

    /// The portals as clients see them.
    pub fn portals(&self) -> Vec<Portal> {
        let seen = |portal: &crate::atlas::PortalPlan| Portal {
            at: portal.at,
            radius: portal.radius,
            to: portal.to.clone(),
        };
        self.plan.portals.iter().map(seen).collect()
    }

    /// What the game stores of a player, as it is saved.
    pub fn stored(&self, player: EntityId) -> Option<Value> {
        let data = self.player(player)?;
        // Not reached for data that was read: what JSON gave, JSON takes.
        serde_json::to_value(data).inspect_err(|error| debug_assert!(false, "{error}")).ok()
    }

    /// Puts a character on the map and shows it to whoever looks on; see [`Input::Enter`]. A
    /// position that is none is the map's spawn point.
    ///
    /// # Errors
    /// The game's refusal, or [`Code::Internal`] for data that this game cannot read.
    pub fn enter(
        &mut self,
        name: &str,
        at: Option<Position>,
        data: Value,
    ) -> Result<EntityId, Failure> {
        let data = match data {
            Value::Null => W::Player::default(),
            data => serde_json::from_value(data).map_err(|error| {
                let message = format!("what is stored of {name} is not this game's: {error}");
                Failure::new(Code::Internal, message)
            })?,
        };
        self.world.admit(name, &data)?;
        let at = at.filter(|at| at.x.is_finite() && at.y.is_finite());
        let at = at.unwrap_or(self.plan.spawn);
        let player = self.space.add_player(&self.plan, name, at, data);
        self.with(|world, ctx| world.enter(player, ctx));
        Ok(player)
    }

    /// Takes a player off the map, after the game's last word on it; see [`Input::Leave`]. Gives
    /// where it stood and what is stored of it. `None` for who is not there.
    pub fn leave(&mut self, player: EntityId) -> Option<(Position, Value)> {
        self.player(player)?;
        self.with(|world, ctx| world.leave(player, ctx));
        let stored = self.stored(player)?;
        self.viewers.remove(player);
        let (entity, _) = self.space.remove(player)?;
        Some((entity.position, stored))
    }

    /// Lets a player look on from now on. Gives what it sees first, itself left out.
    pub fn look_on(&mut self, player: EntityId) -> Vec<Sight> {
        self.viewers.add(player, &self.space)
    }

    /// A player does not look on any more, and stays.
    pub fn look_away(&mut self, player: EntityId) {
        self.viewers.remove(player);
    }

    /// Something happens. What it asks of others is added to `effects`.
    pub fn apply(&mut self, input: &Input, effects: &mut Vec<Effect>) {
        self.happen(input);
        effects.append(&mut self.space.effects);
    }

    /// How often players are shown something from now on; at first in each tick.
    pub fn set_pace(&mut self, pace: Pace) {
        self.viewers.set_pace(pace);
    }

    /// Shows players what has happened, each when it has its turn. Call it after each tick.
    pub fn show(&mut self, outlets: &mut impl Outlets) {
        self.viewers.show(&mut self.space, outlets);
    }

    fn happen(&mut self, input: &Input) {
        match *input {
            Input::Enter { ref name, at, ref data } => {
                // Whoever wants to know of a refusal calls `enter`; a recording repeats it.
                let _ = self.enter(name, at, data.clone());
            }
            Input::LinkLost(player) => self.with(|world, ctx| {
                // Nobody steers it any more.
                ctx.stop(player);
                world.link_lost(player, ctx);
            }),
            Input::Resumed(player) => self.with(|world, ctx| world.resumed(player, ctx)),
            Input::Leave(player) => drop(self.leave(player)),
            Input::Walk { player, to, seq } => {
                self.viewers.acknowledge(player, seq);
                self.with(|_, ctx| ctx.walk(player, on_a_step(to)));
            }
            Input::Say { player, ref text } => self.with(|_, ctx| {
                if ctx.entity(player).is_some_and(|entity| !entity.frozen) {
                    ctx.say_near(player, text);
                }
            }),
            Input::Act { player, ref action, seq } => self.act(player, action, seq),
            Input::Stay(player) => {
                if let Some(entity) = self.space.entity_mut(player) {
                    entity.frozen = false;
                    entity.goal = None;
                }
            }
            Input::Committed(commit, ref result) => self.committed(commit, result.clone()),
            Input::Drain => self.with(W::drain),
            Input::Tick => self.pass(),
            Input::Move { player, ref to, arrive } => {
                self.with(|_, ctx| ctx.warp(player, to, arrive));
            }
        }
    }

    fn act(&mut self, player: EntityId, action: &Value, seq: u32) {
        self.viewers.acknowledge(player, seq);
        if self.space.entity(player).is_none_or(|entity| entity.frozen) {
            return;
        }
        match W::Input::deserialize(action) {
            Ok(input) => self.with(|world, ctx| world.input(player, input, ctx)),
            Err(error) => self.with(|_, ctx| {
                let message = format!("this game knows no such action: {error}");
                ctx.refuse(player, Code::Malformed, &message);
            }),
        }
    }

    fn committed(&mut self, commit: CommitId, result: Result<(), Failure>) {
        let changed = self.space.commits.remove(&commit).unwrap_or_default();
        if result.is_ok() {
            for (player, data) in changed {
                // Who is gone meanwhile is saved with it by whoever runs the world.
                if let Some(stored) = self.space.players.get_mut(&player) {
                    *stored = data;
                }
            }
        }
        self.with(|world, ctx| world.committed(commit, result, ctx));
    }

    /// One tick: everybody walks, then the game, then whoever came to stand within a portal.
    fn pass(&mut self) {
        self.space.tick = self.space.tick.wrapping_add(1);
        let at_portals = motion::walk(&self.plan, &mut self.space);
        self.with(W::tick);
        for (player, portal) in at_portals {
            // The game may have sent it off this tick already, with somebody's party.
            let is_leaving = self.entity(player).is_none_or(Entity::is_frozen);
            if !is_leaving && let Some(portal) = self.plan.clone().portals.get(portal) {
                self.with(|world, ctx| world.warp_out(player, portal, ctx));
            }
        }
    }

    fn with(&mut self, call: impl FnOnce(&mut W, &mut Context<'_, W>)) {
        let mut context = Context { plan: &self.plan, space: &mut self.space };
        call(&mut self.world, &mut context);
    }
}

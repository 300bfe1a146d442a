//! A game under test: no sockets, no servers, no waiting.

#![expect(clippy::panic, reason = "a scenario is a test, which fails by a panic")]

use std::{collections::BTreeMap, fmt, sync::Arc};

use protocol::{
    EntityId, Failure, Position,
    play::{PlayMessage, Sight},
    snapshot::Snapshot,
};
use serde::Serialize;

use crate::{CommitId, Effect, Entity, Input, Outlets, Stage, World, atlas::MapPlan};

/// A map with a game on it, and players who are told what happens.
///
/// ```
/// # use protocol::EntityId;
/// # use serde::{Deserialize, Serialize};
/// # use world::{Context, Scenario, World, atlas::PlaceError};
/// # #[derive(Serialize, Deserialize)] struct Echo;
/// # impl World for Echo {
/// #     type Config = serde_json::Value;
/// #     type Input = String;
/// #     type Output = String;
/// #     type Player = ();
/// #     fn open(_: serde_json::Value, _: &mut Context<'_, Self>) -> Result<Self, PlaceError> { Ok(Echo) }
/// #     fn tick(&mut self, _: &mut Context<'_, Self>) {}
/// #     fn input(&mut self, player: EntityId, input: String, ctx: &mut Context<'_, Self>) {
/// #         ctx.send(player, &input);
/// #     }
/// # }
/// Scenario::<Echo>::new().join("Ada").send("Ada", "hello").tick(3).expect("Ada", &"hello".to_owned());
/// ```
///
/// # Panics
/// Whatever is expected and does not hold fails the test, and says what was told instead; so does
/// a name that nobody has joined by.
pub struct Scenario<W: World> {
    stage: Stage<W>,
    players: BTreeMap<String, Eyes>,
    effects: Vec<Effect>,
}

/// What one player was told.
#[derive(Debug, Default)]
struct Eyes {
    entity: Option<EntityId>,
    heard: Vec<PlayMessage>,
    sees: BTreeMap<EntityId, Sight>,
    position: Option<Position>,
    ack: u32,
    seq: u32,
}

impl<W: World> Default for Scenario<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: World> Scenario<W> {
    /// An open field of 64 by 64 tiles.
    pub fn new() -> Self {
        let name = "field".parse().unwrap_or_else(|error| panic!("{error}"));
        Self::on(MapPlan::field(name, 64.0, 64.0))
    }

    /// A map.
    pub fn on(plan: MapPlan) -> Self {
        Self::seeded(plan, 1)
    }

    /// A map, with other chances.
    pub fn seeded(plan: MapPlan, seed: u64) -> Self {
        let stage = Stage::open(Arc::new(plan), seed).unwrap_or_else(|error| panic!("{error}"));
        Self { stage, players: BTreeMap::new(), effects: Vec::new() }
    }

    /// A new character comes in at the spawn point.
    pub fn join(&mut self, name: &str) -> &mut Self {
        self.try_join(name, None, &W::Player::default()).unwrap_or_else(|failure| {
            panic!("{name} was not let in: {failure}");
        });
        self
    }

    /// A character comes in somewhere, with what is stored of it.
    pub fn join_as(&mut self, name: &str, at: Position, data: &W::Player) -> &mut Self {
        self.try_join(name, Some(at), data).unwrap_or_else(|failure| {
            panic!("{name} was not let in: {failure}");
        });
        self
    }

    /// As [`Scenario::join_as`], where the game may refuse.
    ///
    /// # Errors
    /// What [`World::admit`] said.
    pub fn try_join(
        &mut self,
        name: &str,
        at: Option<Position>,
        data: &W::Player,
    ) -> Result<EntityId, Failure> {
        let data = serde_json::to_value(data).unwrap_or_else(|error| panic!("{error}"));
        let entity = self.stage.enter(name, at, data)?;
        let sees = self.stage.look_on(entity).into_iter().map(|sight| (sight.entity, sight));
        let eyes = Eyes { entity: Some(entity), sees: sees.collect(), ..Eyes::default() };
        self.players.insert(name.to_owned(), eyes);
        Ok(entity)
    }

    /// A player goes.
    pub fn leave(&mut self, name: &str) -> &mut Self {
        let player = self.id(name);
        self.happen(&Input::Leave(player));
        self.players.remove(name);
        self
    }

    /// A player does something that the game knows.
    pub fn send(&mut self, name: &str, action: impl Serialize) -> &mut Self {
        let action = serde_json::to_value(action).unwrap_or_else(|error| panic!("{error}"));
        let (player, seq) = self.next_seq(name);
        self.happen(&Input::Act { player, action, seq })
    }

    /// A player begins to walk.
    pub fn walk(&mut self, name: &str, x: f32, y: f32) -> &mut Self {
        let (player, seq) = self.next_seq(name);
        self.happen(&Input::Walk { player, to: Position { x, y }, seq })
    }

    /// A player speaks.
    pub fn say(&mut self, name: &str, text: &str) -> &mut Self {
        let player = self.id(name);
        self.happen(&Input::Say { player, text: text.to_owned() })
    }

    /// Something happens that only a server says, such as what came of a commit.
    pub fn happen(&mut self, input: &Input) -> &mut Self {
        let mut effects = Vec::new();
        self.stage.apply(input, &mut effects);
        for effect in &effects {
            match effect {
                Effect::Tell(player, message) => self.told(*player, message.clone()),
                Effect::Spread(players, message) => {
                    for player in players {
                        self.told(*player, message.clone());
                    }
                }
                Effect::Warp { .. } | Effect::Instance { .. } => {}
                Effect::Book(..) | Effect::Commit(..) | Effect::Kick(..) => {}
            }
        }
        self.effects.append(&mut effects);
        self
    }

    /// So many ticks pass; everything that is to be committed is, at once.
    pub fn tick(&mut self, ticks: u32) -> &mut Self {
        for _ in 0..ticks {
            for commit in self.commits() {
                self.happen(&Input::Committed(commit, Ok(())));
            }
            self.happen(&Input::Tick);
            self.stage.show(&mut Told(&mut self.players));
        }
        self
    }

    /// Ticks until something holds, for a minute of the world at most.
    pub fn tick_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> &mut Self {
        for _ in 0..1200 {
            if holds(self) {
                return self;
            }
            self.tick(1);
        }
        panic!("{what} did not happen within a minute of the world");
    }

    /// A player was told this by the game. What was told up to there is forgotten.
    pub fn expect(&mut self, name: &str, output: &W::Output) -> &mut Self {
        let wanted = serde_json::to_value(output).unwrap_or_else(|error| panic!("{error}"));
        let what = wanted.to_string();
        let is_it = |message: &PlayMessage| matches!(message, PlayMessage::Game { output } if *output == wanted);
        self.expect_message(name, &what, is_it)
    }

    /// A player was told something. What was told up to there is forgotten.
    pub fn expect_message(
        &mut self,
        name: &str,
        what: &str,
        is_it: impl Fn(&PlayMessage) -> bool,
    ) -> &mut Self {
        let heard = &mut self.eyes_mut(name).heard;
        match heard.iter().position(is_it) {
            Some(place) => drop(heard.drain(..=place)),
            None => panic!("{name} was not told {what}, but: {heard:#?}"),
        }
        self
    }

    /// The game asked for something that only a server can do. It is forgotten with what was asked
    /// for before it.
    pub fn expect_effect(&mut self, what: &str, is_it: impl Fn(&Effect) -> bool) -> &mut Self {
        match self.effects.iter().position(is_it) {
            Some(place) => drop(self.effects.drain(..=place)),
            None => panic!("the game did not ask for {what}, but: {:#?}", self.effects),
        }
        self
    }

    /// Whether a player sees somebody or something of that name.
    pub fn sees(&self, name: &str, other: &str) -> bool {
        self.in_sight(name).any(|sight| sight.name == other)
    }

    /// Everybody and everything that a player sees, as it was told.
    pub fn in_sight(&self, name: &str) -> impl Iterator<Item = &Sight> {
        self.eyes(name).sees.values()
    }

    /// The number of a player's last input that it was told was taken in.
    pub fn acknowledged(&self, name: &str) -> u32 {
        self.eyes(name).ack
    }

    /// A player as it stands on the map.
    pub fn entity(&self, name: &str) -> &Entity {
        let entity = self.stage.entity(self.id(name));
        entity.unwrap_or_else(|| panic!("{name} is not on the map"))
    }

    /// What is stored of a player.
    pub fn player(&self, name: &str) -> &W::Player {
        let player = self.stage.player(self.id(name));
        player.unwrap_or_else(|| panic!("{name} is not on the map"))
    }

    /// The entity of a player.
    pub fn id(&self, name: &str) -> EntityId {
        self.eyes(name).entity.unwrap_or_else(|| panic!("{name} is not on the map"))
    }

    /// The stage itself.
    pub fn stage(&self) -> &Stage<W> {
        &self.stage
    }

    fn eyes(&self, name: &str) -> &Eyes {
        self.players.get(name).unwrap_or_else(|| panic!("nobody has joined as {name}"))
    }

    fn eyes_mut(&mut self, name: &str) -> &mut Eyes {
        self.players.get_mut(name).unwrap_or_else(|| panic!("nobody has joined as {name}"))
    }

    fn next_seq(&mut self, name: &str) -> (EntityId, u32) {
        let player = self.id(name);
        let eyes = self.eyes_mut(name);
        eyes.seq += 1;
        (player, eyes.seq)
    }

    fn commits(&mut self) -> Vec<CommitId> {
        let commits = self.effects.extract_if(.., |effect| matches!(effect, Effect::Commit(..)));
        let ids = commits.filter_map(|effect| match effect {
            Effect::Commit(commit, _) => Some(commit),
            _ => None,
        });
        ids.collect()
    }

    fn told(&mut self, player: EntityId, message: PlayMessage) {
        Told(&mut self.players).tell(player, message);
    }
}

impl<W: World> fmt::Debug for Scenario<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, players, effects } = self;
        let mut told = f.debug_struct("Scenario");
        told.field("tick", &stage.tick()).field("players", players).field("effects", effects);
        told.finish_non_exhaustive()
    }
}

/// The players as those who are shown things.
struct Told<'a>(&'a mut BTreeMap<String, Eyes>);

impl Told<'_> {
    fn eyes(&mut self, player: EntityId) -> Option<&mut Eyes> {
        self.0.values_mut().find(|eyes| eyes.entity == Some(player))
    }
}

impl Outlets for Told<'_> {
    fn show(&mut self, player: EntityId, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let mut snapshot = Vec::new();
        let is_told = write(&mut snapshot);
        let Some(eyes) = self.eyes(player).filter(|_| is_told) else { return true };
        let snapshot = Snapshot::decode(&snapshot).unwrap_or_else(|error| panic!("{error}"));
        eyes.ack = snapshot.ack;
        for step in snapshot.moves {
            if step.entity == player {
                eyes.position = Some(step.position);
            } else if let Some(sight) = eyes.sees.get_mut(&step.entity) {
                sight.position = step.position;
            }
        }
        true
    }

    fn tell(&mut self, player: EntityId, message: PlayMessage) {
        let Some(eyes) = self.eyes(player) else { return };
        match &message {
            PlayMessage::Appeared { sights } => {
                let others = sights.iter().filter(|sight| sight.entity != player);
                eyes.sees.extend(others.map(|sight| (sight.entity, sight.clone())));
            }
            PlayMessage::Vanished { entities } => {
                eyes.sees.retain(|entity, _| !entities.contains(entity));
            }
            _ => {}
        }
        eyes.heard.push(message);
    }
}

//! What a game can see and do.

use std::time::Duration;

use protocol::{Code, EntityId, Failure, LedgerEntry, MapName, Position, names, play::PlayMessage};
use rand::Rng;

use crate::{
    Change, CommitId, Effect, Entity, TICK, World,
    atlas::{Ground, MapPlan},
    space::Space,
};

/// The map and all that is on it, for the length of one call.
///
/// An entity that is not there is passed over: a game may hold the id of somebody who has gone.
#[derive(Debug)]
pub struct Context<'a, W: World> {
    pub(crate) plan: &'a MapPlan,
    pub(crate) space: &'a mut Space<W::Player>,
}

impl<'a, W: World> Context<'a, W> {
    /// Time since the map came to life, in whole ticks.
    pub fn now(&self) -> Duration {
        TICK * self.space.tick
    }

    /// Seconds in a tick.
    pub fn dt(&self) -> f32 {
        TICK.as_secs_f32()
    }

    /// Chance, the same for the same seed.
    pub fn rng(&mut self) -> &mut impl Rng {
        &mut self.space.rng
    }

    /// The map as its file tells it.
    pub fn map(&self) -> &'a MapPlan {
        self.plan
    }

    /// Where one can walk.
    pub fn ground(&self) -> &'a Ground {
        &self.plan.ground
    }

    /// Puts something on the map, at the nearest free point. It does nothing by itself.
    pub fn spawn(&mut self, look: &str, name: &str, at: Position) -> EntityId {
        self.space.add(self.plan, name, look, at, false)
    }

    /// Takes something off the map. Players go by [`Context::kick`] or [`Context::warp`] only.
    pub fn despawn(&mut self, entity: EntityId) {
        if self.entity(entity).is_some_and(|entity| !entity.is_player) {
            self.space.remove(entity);
        }
    }

    /// Somebody or something.
    pub fn entity(&self, entity: EntityId) -> Option<&Entity> {
        self.space.entity(entity)
    }

    /// Everybody and everything within a radius, in tiles.
    pub fn near(&self, at: Position, radius: f32) -> impl Iterator<Item = &Entity> {
        self.space.near(at, radius)
    }

    /// Every player, by id.
    pub fn players(&self) -> impl Iterator<Item = EntityId> {
        self.space.players.keys().copied()
    }

    /// What is stored of a player.
    pub fn player(&self, player: EntityId) -> Option<&W::Player> {
        self.space.players.get(&player)
    }

    /// What is stored of a player, to be changed. It is saved by and by, and when the player goes;
    /// what must be on the disk before anybody is told is done with [`Context::commit`]. `None` for
    /// one who is being handed over to another map: that goes with what was stored when it began;
    /// and for one of whom a commit is under way.
    pub fn player_mut(&mut self, player: EntityId) -> Option<&mut W::Player> {
        self.space.player_mut(player)
    }

    /// Writes into the ledger why [`Context::player_mut`] was changed. It is saved in the same
    /// transaction as the change.
    pub fn book(&mut self, player: EntityId, entry: LedgerEntry) {
        if self.space.players.contains_key(&player) {
            self.space.effects.push(Effect::Book(player, entry));
        }
    }

    /// Lets somebody walk there in a straight line, along walls where there are some.
    pub fn walk(&mut self, entity: EntityId, to: Position) {
        // An infinite one is clamped like any other point outside; NaN has no nearest point.
        if to.x.is_nan() || to.y.is_nan() {
            return;
        }
        let goal = self.plan.nearest(to);
        if let Some(entity) = self.space.entity_mut(entity).filter(|entity| !entity.frozen) {
            entity.goal = Some(goal);
        }
    }

    /// Lets somebody stand still.
    pub fn stop(&mut self, entity: EntityId) {
        if let Some(entity) = self.space.entity_mut(entity) {
            entity.goal = None;
        }
    }

    /// Puts somebody there at once, at the nearest free point.
    pub fn place(&mut self, entity: EntityId, at: Position) {
        let at = self.plan.ground.free_near(self.plan.nearest(at));
        if let Some(slot) = self.space.slot_of(entity) {
            self.space.place(slot, at);
        }
    }

    /// How fast somebody walks, in tiles a second.
    pub fn set_speed(&mut self, entity: EntityId, speed: f32) {
        if let Some(entity) = self.space.entity_mut(entity) {
            entity.speed = if speed.is_finite() { speed.max(0.0) } else { 0.0 };
        }
    }

    /// What somebody looks like, for everybody who sees it.
    pub fn set_look(&mut self, entity: EntityId, look: &str) {
        if let Some(changed) = self.space.entity_mut(entity).filter(|entity| entity.look != look) {
            look.clone_into(&mut changed.look);
            self.space.changes.looks.push(entity);
        }
    }

    /// Tells one player something that its client knows.
    pub fn send(&mut self, player: EntityId, output: &W::Output) {
        if !self.space.players.contains_key(&player) {
            return;
        }
        match serde_json::to_value(output) {
            Ok(output) => {
                self.space.effects.push(Effect::Tell(player, PlayMessage::Game { output }));
            }
            // A map whose keys are no texts, which no client could read either.
            Err(error) => self.refuse(player, Code::Internal, &format!("unsayable: {error}")),
        }
    }

    /// Tells a player that something it wanted cannot be.
    pub fn refuse(&mut self, player: EntityId, code: Code, message: &str) {
        let failure = Failure::new(code, message);
        self.space.effects.push(Effect::Tell(player, PlayMessage::Refused { failure }));
    }

    /// Lets somebody or something speak, to every player who sees it. A text that breaks
    /// [`names::TEXT_RULE`] is not said.
    pub fn say_near(&mut self, speaker: EntityId, text: &str) {
        let Some(entity) = self.entity(speaker).filter(|_| names::text(text).is_ok()) else {
            return;
        };
        let (name, text) = (entity.name.clone(), text.to_owned());
        let heard = self.near(entity.position, self.plan.view).filter(|near| near.is_player);
        let to: Vec<EntityId> = heard.map(|near| near.id).collect();
        let said = PlayMessage::Said { entity: speaker, name, text };
        self.space.effects.push(Effect::Spread(to, said));
    }

    /// Hands a player over to another map. Until that has happened it is frozen; where it cannot
    /// be, it is told why and goes on.
    pub fn warp(&mut self, player: EntityId, to: &MapName, arrive: Option<Position>) {
        self.warp_party(&[player], to, arrive);
    }

    /// Hands a party over to another map, each as [`Context::warp`] does: to the same channel if
    /// any has room for all of them.
    pub fn warp_party(&mut self, party: &[EntityId], to: &MapName, arrive: Option<Position>) {
        let party = self.freeze_all(party);
        if !party.is_empty() {
            self.space.effects.push(Effect::Warp { party, to: to.clone(), arrive });
        }
    }

    /// Starts an instance of a map and hands these players over to its spawn point, as
    /// [`Context::warp`] does. Whoever leaves the game there comes back to where it stands now.
    pub fn spawn_instance(&mut self, template: &MapName, party: &[EntityId]) {
        let party = self.freeze_all(party);
        if !party.is_empty() {
            self.space.effects.push(Effect::Instance { template: template.clone(), party });
        }
    }

    /// Changes what is stored of these players together, and saves it now: once it is durable, all
    /// of it is so for everybody, and otherwise nothing ever was. [`World::committed`] tells. Until
    /// then they have what they had, and [`Context::player_mut`] gives nothing of them.
    ///
    /// `change` is given copies, in the order of `players`, and returns the lines to be written
    /// into the ledger, each with whom it is of. `None`, and nothing was done, where `change` says
    /// so, one is not there, is named twice, is being handed over, or has a commit under way.
    pub fn commit<const N: usize>(
        &mut self,
        players: [EntityId; N],
        change: impl FnOnce([&mut W::Player; N]) -> Option<Vec<(EntityId, LedgerEntry)>>,
    ) -> Option<CommitId> {
        let mut copies = Vec::with_capacity(N);
        for player in players {
            let is_twice = copies.iter().any(|(other, _)| *other == player);
            copies.push((player, self.space.player_mut(player).filter(|_| !is_twice)?.clone()));
        }
        let changed: Vec<&mut W::Player> = copies.iter_mut().map(|(_, data)| data).collect();
        // There are as many as were asked for, so this never fails.
        let lines = change(changed.try_into().ok()?)?;
        let written = copies.iter().map(|(player, data)| {
            let ledger = lines.iter().filter(|(of, _)| of == player);
            let ledger = ledger.map(|(_, entry)| entry.clone()).collect();
            Some(Change { player: *player, data: serde_json::to_value(data).ok()?, ledger })
        });
        let changes = written.collect::<Option<Vec<_>>>()?;
        let commit = CommitId(self.space.next_commit);
        self.space.next_commit += 1;
        self.space.commits.insert(commit, copies.into_iter().collect());
        self.space.effects.push(Effect::Commit(commit, changes));
        Some(commit)
    }

    /// Saves a player and sends it away.
    pub fn kick(&mut self, player: EntityId, why: &str) {
        if self.space.players.contains_key(&player) {
            let failure = Failure::new(Code::Kicked, why);
            self.space.effects.push(Effect::Kick(player, failure));
        }
    }

    /// Those of a party who can go.
    fn freeze_all(&mut self, party: &[EntityId]) -> Vec<EntityId> {
        party.iter().copied().filter(|player| self.freeze(*player)).collect()
    }

    /// False for who is frozen already, or no player.
    fn freeze(&mut self, player: EntityId) -> bool {
        let free = |entity: &&mut Entity| entity.is_player && !entity.frozen;
        let Some(entity) = self.space.entity_mut(player).filter(free) else { return false };
        entity.frozen = true;
        entity.goal = None;
        true
    }
}

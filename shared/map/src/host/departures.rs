//! Leaving: by wish, by a lost connection, by being sent away, by a drain.

use std::time::Instant;

use protocol::{
    CharacterId, CharacterState, Code, EntityId, Failure, SessionId,
    backbone::{Done, events::CharacterLeft, seats::EvictCharacter},
};

use world::{Input, World};

use super::{Departing, FAREWELL, Host, Reply, command::draining, ended, goodbye};
use crate::courier::News;

impl<W: World> Host<W> {
    /// Takes a player off the map and has its character saved and released; then its client is
    /// told goodbye and the connection ended.
    pub(super) fn depart(
        &mut self,
        entity: EntityId,
        reason: String,
        failure: Option<Failure>,
        now: Instant,
    ) {
        self.give_up_commit(entity, now);
        let Some(player) = self.remove_player(entity) else { return };
        self.recorder.input(&Input::Leave(entity));
        // A player on the map is on the stage.
        let Some((here, data)) = self.stage.leave(entity) else { return };
        let (map, position) = player.back.unwrap_or_else(|| (self.own.map.clone(), Some(here)));
        let last = CharacterState { map, position, data };
        let character = player.character;
        self.present.remove(&character);
        let departing = Departing {
            name: player.name,
            reason,
            last: last.clone(),
            outbox: player.link.into_outbox(),
            goodbye: failure,
            since: now,
            waiting: Vec::new(),
        };
        self.departing.insert(character, departing);
        match player.warp {
            // Where the character is decides what is to be saved.
            Some(warp) => self.warp_left(warp, now),
            None => {
                self.keeper.release(character, last, now);
                self.save(character, now);
            }
        }
    }

    /// Nothing is left to be saved of a departing character.
    pub(super) fn conclude(&mut self, character: CharacterId, failure: Option<Failure>) {
        let Some(departing) = self.departing.remove(&character) else { return };
        self.seats.leave(character);
        if let Some(outbox) = departing.outbox {
            outbox.end(&mut goodbye(departing.goodbye.or(failure)));
        }
        for reply in departing.waiting {
            let _ = reply.send(Ok(Done {}));
        }
        tracing::info!(%character, name = departing.name, reason = departing.reason, "left");
        self.news.push(News::Left(CharacterLeft {
            character,
            name: departing.name,
            server: self.own.server.clone(),
            reason: departing.reason,
        }));
    }

    /// Sends a player away whose copy must not be saved.
    pub(super) fn drop_copy(&mut self, character: CharacterId, failure: Failure, now: Instant) {
        tracing::warn!(%character, %failure, "this copy is dropped, unsaved");
        self.keeper.forget(character);
        if let Some(entity) = self.present.get(&character) {
            self.give_up_commit(*entity, now);
        }
        if let Some(entity) = self.present.remove(&character)
            && let Some(player) = self.remove_player(entity)
        {
            self.happen(Input::Leave(entity), now);
            self.seats.leave(character);
            if let Some(outbox) = player.link.into_outbox() {
                outbox.end(&mut goodbye(Some(failure)));
            }
        } else {
            self.conclude(character, Some(failure));
        }
    }

    pub(super) fn evict(&mut self, evict: &EvictCharacter, reply: Reply<Done>, now: Instant) {
        let character = evict.character;
        if evict.incarnation != self.own.incarnation {
            // That life is over, and with it all it held.
            let _ = reply.send(Ok(Done {}));
            return;
        }
        if let Some(&entity) = self.present.get(&character) {
            let failure = Failure::new(Code::CharacterInUse, evict.reason.clone());
            self.depart(entity, format!("evicted: {}", evict.reason), Some(failure), now);
        }
        if let Some(departing) = self.departing.get_mut(&character) {
            departing.waiting.push(reply);
            return;
        }
        self.seats.give_up(character);
        self.seats.leave(character);
        let _ = reply.send(match self.abandons.stop(character) {
            true => Ok(Done {}),
            false => Err(Failure::new(Code::Busy, "it is being given up; try again shortly")),
        });
    }

    pub(super) fn end_session(&mut self, session: SessionId, why: Code, now: Instant) {
        self.ended.add(session, why, now);
        let of_it = self.players.iter().filter(|(_, player)| player.session == session);
        let entities: Vec<EntityId> = of_it.map(|(entity, _)| *entity).collect();
        for entity in entities {
            self.depart(entity, format!("session ended: {why}"), Some(ended::failure(why)), now);
        }
    }

    /// Lets nobody in any more and sends everybody away, saved.
    pub(crate) fn drain(&mut self, now: Instant) {
        self.is_draining = true;
        self.happen(Input::Drain, now);
        let entities: Vec<EntityId> = self.players.keys().copied().collect();
        for entity in entities {
            self.depart(entity, "the map is shutting down".to_owned(), Some(draining()), now);
        }
        for character in self.seats.clear() {
            self.abandons.add(character, now);
        }
    }

    /// Clients do not wait for ever for a Central that is away.
    pub(super) fn say_late_goodbyes(&mut self, now: Instant) {
        for departing in self.departing.values_mut() {
            if now >= departing.since + FAREWELL
                && let Some(outbox) = departing.outbox.take()
            {
                let failure = departing.goodbye.take().unwrap_or_else(|| {
                    let message = "you have left; this server saves your progress as soon as \
                        Central is back";
                    Failure::new(Code::Unavailable, message)
                });
                outbox.end(&mut goodbye(Some(failure)));
            }
        }
    }
}

//! What players do, and who is told.

use std::time::Instant;

use protocol::{
    Code, EntityId, Failure, names,
    play::{PlayInput, PlayMessage},
};

use super::{
    Host,
    outbox::{Overflow, Spread, moved},
};
use crate::stage::Effect;

impl Host {
    /// Inputs of somebody that has left already are nothing to anybody.
    pub(super) fn input(&mut self, entity: EntityId, input: PlayInput, now: Instant) {
        match input {
            PlayInput::Walk { to, .. } => {
                if !self.stage.walk(entity, to) {
                    let failure = Failure::new(Code::Malformed, "that is no point to walk to");
                    self.tell(entity, PlayMessage::Refused { failure }, now);
                }
            }
            PlayInput::Say { text } => match names::text(&text) {
                Ok(()) => {
                    if let Some(effect) = self.stage.say(entity, text) {
                        self.show(effect, now);
                    }
                }
                Err(failure) => self.tell(entity, PlayMessage::Refused { failure }, now),
            },
            PlayInput::Act { .. } => {
                let failure = Failure::new(Code::Malformed, "this map knows no such action");
                self.tell(entity, PlayMessage::Refused { failure }, now);
            }
            PlayInput::Ping { nonce } => self.tell(entity, PlayMessage::Pong { nonce }, now),
            // Frozen at a portal, a player still may leave, and with it the warp.
            PlayInput::Leave => self.depart(entity, "left".to_owned(), None, now),
        }
    }

    /// Tells one player.
    pub(super) fn tell(&mut self, entity: EntityId, message: PlayMessage, now: Instant) {
        if let PlayMessage::Refused { failure } | PlayMessage::WarpRefused { failure, .. } =
            &message
        {
            let code = failure.code.as_str();
            metrics::counter!("mmo_map_refusals_total", "code" => code).increment(1);
        }
        let Some(player) = self.players.get_mut(&entity) else { return };
        if player.outbox.tell(&mut Spread::new(message)) == Err(Overflow) {
            self.drop_slow(entity, now);
        }
    }

    /// Lets everybody see what happened who can see it.
    pub(super) fn show(&mut self, effect: Effect, now: Instant) {
        match effect {
            Effect::Moved(moves) => {
                let mut shared = Spread::new(moved(moves.clone()));
                for player in self.players.values_mut() {
                    player.outbox.tell_moves(&moves, &mut shared);
                }
            }
            Effect::Appeared(sight) => {
                let of = sight.entity;
                self.show_of(of, PlayMessage::Appeared { sights: vec![sight] }, now);
            }
            Effect::Vanished(entity) => {
                self.show_of(entity, PlayMessage::Vanished { entities: vec![entity] }, now);
            }
            Effect::Said { entity, name, text } => {
                let said = PlayMessage::Said { entity, name, text };
                self.tell(entity, said.clone(), now);
                self.show_of(entity, said, now);
            }
            Effect::AtPortal { entity, passage } => self.begin_warp(entity, passage, now),
        }
    }

    /// Tells what an entity did to those that see it.
    fn show_of(&mut self, of: EntityId, message: PlayMessage, now: Instant) {
        let (mut shared, mut slow) = (Spread::new(message), Vec::new());
        for (&viewer, player) in &mut self.players {
            if self.stage.sees(viewer, of) && player.outbox.tell(&mut shared) == Err(Overflow) {
                slow.push(viewer);
            }
        }
        for viewer in slow {
            self.drop_slow(viewer, now);
        }
    }

    /// Ends the connection of a client that does not read what it must be told. Nobody else waits.
    fn drop_slow(&mut self, entity: EntityId, now: Instant) {
        metrics::counter!("mmo_map_slow_clients_total").increment(1);
        let failure = Failure::new(Code::Busy, "your connection is too slow for this map");
        self.depart(entity, "too slow to be told what happens".to_owned(), Some(failure), now);
    }

    /// Tells movements that were held back, and notices connections that are gone.
    pub(super) fn catch_up(&mut self, now: Instant) {
        let mut gone = Vec::new();
        for (&entity, player) in &mut self.players {
            player.outbox.catch_up();
            if player.outbox.is_closed() {
                gone.push(entity);
            }
        }
        for entity in gone {
            self.depart(entity, "the connection was lost".to_owned(), None, now);
        }
    }
}

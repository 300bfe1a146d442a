//! What players do, and who is told.

use std::time::Instant;

use protocol::{
    Code, EntityId, Failure, names,
    play::{PlayInput, PlayMessage},
};

use wire::Frame;
use world::{Effect, Input, Outlets, World};

use super::{
    Host, LinkId, Players,
    outbox::{Outbox, Overflow, Room, Spread},
};
use crate::handoff::{Handoff, Passage};

impl<W: World> Host<W> {
    /// Something happens to the world, and what it asks for is done.
    pub(super) fn happen(&mut self, input: Input, now: Instant) {
        self.recorder.input(&input);
        self.stage.apply(&input, &mut self.effects);
        for effect in std::mem::take(&mut self.effects) {
            self.do_for_game(effect, now);
        }
    }

    fn do_for_game(&mut self, effect: Effect, now: Instant) {
        match effect {
            Effect::Tell(player, message) => self.tell(player, message, now),
            Effect::Spread(players, message) => self.spread(&players, message, now),
            Effect::Warp { party, to, arrive } => {
                let (party, passage) = (self.at_hand(party, now), Passage { to, arrive });
                match party[..] {
                    [] => {}
                    [player] => self.warp_to_map(player, Handoff::begin(passage, now), now),
                    _ => self.begin_warp_together(party, passage, now),
                }
            }
            Effect::Instance { template, party } => {
                let party = self.at_hand(party, now);
                if !party.is_empty() {
                    self.begin_instance(template, party, now);
                }
            }
            Effect::Book(player, entry) => {
                if let Some(player) = self.players.get(&player) {
                    self.keeper.book(player.character, entry);
                }
            }
            Effect::Commit(commit, changes) => self.commit(commit, changes, now),
            Effect::Kick(player, failure) => {
                let reason = format!("sent away by the game: {}", failure.message);
                self.depart(player, reason, Some(failure), now);
            }
        }
    }

    /// Those of a party who can go: whose connection is lost cannot be told where to.
    fn at_hand(&mut self, party: Vec<EntityId>, now: Instant) -> Vec<EntityId> {
        let (lost, party): (Vec<_>, Vec<_>) =
            party.into_iter().partition(|player| self.is_lost(*player));
        for player in lost {
            self.happen(Input::Stay(player), now);
        }
        party
    }

    /// What a connection says, unless it is not its player's any more.
    pub(crate) fn hear(&mut self, link: LinkId, input: Result<PlayInput, Failure>, now: Instant) {
        let Some(current) = self.current(link) else { return };
        current.break_silence();
        match input {
            Ok(input) => self.input(link.entity, input, now),
            Err(failure) => self.tell(link.entity, PlayMessage::Refused { failure }, now),
        }
    }

    /// Inputs of somebody that has left already are nothing to anybody.
    pub(super) fn input(&mut self, player: EntityId, input: PlayInput, now: Instant) {
        match input {
            PlayInput::Walk { to, .. } if to.x.is_nan() || to.y.is_nan() => {
                let failure = Failure::new(Code::Malformed, "that is no point to walk to");
                self.tell(player, PlayMessage::Refused { failure }, now);
            }
            PlayInput::Walk { to, seq } => self.happen(Input::Walk { player, to, seq }, now),
            PlayInput::Act { action, seq } => {
                self.happen(Input::Act { player, action, seq }, now);
            }
            PlayInput::Say { text } => match names::text(&text) {
                Ok(()) => self.happen(Input::Say { player, text }, now),
                Err(failure) => self.tell(player, PlayMessage::Refused { failure }, now),
            },
            PlayInput::Ping { nonce } => self.tell(player, PlayMessage::Pong { nonce }, now),
            // Frozen at a portal, a player still may leave, and with it the warp.
            PlayInput::Leave => self.depart(player, "left".to_owned(), None, now),
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
        self.spread(&[entity], message, now);
    }

    /// Tells many players the same.
    pub(super) fn spread(&mut self, to: &[EntityId], message: PlayMessage, now: Instant) {
        let mut shared = Spread::new(message);
        for entity in to {
            let Some(outbox) = outbox_of(&mut self.players, *entity) else { continue };
            match outbox.tell(&mut shared) {
                Ok(()) => outbox.flush(),
                Err(Overflow) => self.drop_slow(*entity, now),
            }
        }
    }

    /// Shows everybody what has happened, and notices connections that are gone.
    pub(super) fn show(&mut self, now: Instant) {
        let mut clients = Clients {
            players: &mut self.players,
            frame: Frame::default(),
            told: Vec::new(),
            slow: Vec::new(),
            gone: Vec::new(),
            held: 0,
        };
        self.stage.show(&mut clients);
        let Clients { told, slow, gone, held, .. } = clients;
        for entity in told {
            if let Some(outbox) = outbox_of(&mut self.players, entity) {
                outbox.flush();
            }
        }
        metrics::counter!("mmo_map_snapshots_held_total").increment(held);
        for entity in slow {
            self.drop_slow(entity, now);
        }
        for entity in gone {
            self.lose_link(entity, "the connection was lost".to_owned(), None, now);
        }
    }

    /// Ends the connection of a client that does not read what it must be told. Nobody else waits.
    /// That is a lost connection: where much happens, a network that went away is noticed by this
    /// before anything else.
    fn drop_slow(&mut self, entity: EntityId, now: Instant) {
        metrics::counter!("mmo_map_slow_clients_total").increment(1);
        let failure = Failure::new(Code::Busy, "your connection is too slow for this map");
        self.lose_link(entity, "too slow to be told what happens".to_owned(), Some(failure), now);
    }
}

fn outbox_of(players: &mut Players, entity: EntityId) -> Option<&mut Outbox> {
    players.get_mut(&entity)?.link.outbox()
}

/// The players' connections, as the stage shows them things.
struct Clients<'a> {
    players: &'a mut Players,
    /// What a snapshot is written in.
    frame: Frame,
    /// Who was told something, which goes out with a snapshot where there is one.
    told: Vec<EntityId>,
    /// Who has too much to read.
    slow: Vec<EntityId>,
    /// Whose connection is lost.
    gone: Vec<EntityId>,
    /// Snapshots that a client was not ready for.
    held: u64,
}

impl Outlets for Clients<'_> {
    fn show(&mut self, player: EntityId, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let outbox = outbox_of(self.players, player);
        let room = outbox.map_or(Room::Closed, |outbox| outbox.show(write, &mut self.frame));
        match room {
            Room::Free => {}
            Room::Taken => self.held += 1,
            Room::Closed => self.gone.push(player),
        }
        room == Room::Free
    }

    fn tell(&mut self, player: EntityId, message: PlayMessage) {
        let Some(outbox) = outbox_of(self.players, player) else { return };
        match outbox.tell(&mut Spread::new(message)) {
            Ok(()) => self.told.push(player),
            Err(Overflow) => self.slow.push(player),
        }
    }
}

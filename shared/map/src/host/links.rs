//! Players' connections: one is lost, and the character waits for its client to come back.

use std::time::{Duration, Instant};

use protocol::{Code, EntityId, Failure, ResumeTicket, frame::Encoding};
use world::{Entity, Input, World};

use super::{
    Admitted, Host, Player,
    command::{Ending, Resumption, draining},
    goodbye,
    outbox::{Inbox, Outbox, Spread},
};

/// Which connection of which player: what an earlier one still says is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) entity: EntityId,
    number: u32,
}

impl LinkId {
    /// The connection with which a player came.
    pub(super) fn first(entity: EntityId) -> Self {
        Self { entity, number: 1 }
    }

    fn next(self) -> Self {
        Self { number: self.number.wrapping_add(1), ..self }
    }
}

/// What a player is told through, and takes its place over with.
#[derive(Debug)]
pub(super) struct Link {
    id: LinkId,
    /// `None` once the connection is lost.
    outbox: Option<Outbox>,
    resume_ticket: ResumeTicket,
    /// Looks in a row at which it had said nothing since the one before.
    quiet: u32,
}

impl Link {
    pub(super) fn outbox(&mut self) -> Option<&mut Outbox> {
        self.outbox.as_mut()
    }

    /// It says something.
    pub(super) fn break_silence(&mut self) {
        self.quiet = 0;
    }

    pub(super) fn into_outbox(self) -> Option<Outbox> {
        self.outbox
    }
}

/// A player whose connection is lost.
#[derive(Debug)]
pub(super) struct Lost {
    /// It leaves then.
    until: Instant,
    reason: String,
}

/// Between two looks at who says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// When a client has said nothing for too long: its network may be gone, for one at play says a word
/// now and then. It is counted in looks: a server that was held up has not listened meanwhile.
#[derive(Debug)]
pub(super) struct Silence {
    most: u32,
    next_look: Instant,
}

impl Silence {
    pub(super) fn of(most: Duration, now: Instant) -> Self {
        let most = u32::try_from(most.as_secs()).unwrap_or(u32::MAX).max(1);
        Self { most, next_look: now + LOOK }
    }
}

impl<W: World> Host<W> {
    /// A connection of a player, with the first word on it: what there is to see.
    pub(super) fn open_link(&mut self, id: LinkId, encoding: Encoding) -> (Link, Inbox) {
        let (mut outbox, messages) = Outbox::new(encoding);
        let resume_ticket = ResumeTicket::from_bytes(rand::random());
        let entered = self.entered(id.entity, resume_ticket.clone());
        // A fresh mailbox has room.
        let _ = outbox.tell(&mut Spread::new(entered));
        (Link { id, outbox: Some(outbox), resume_ticket, quiet: 0 }, messages)
    }

    /// This connection, if what it says is still the player's word.
    pub(super) fn current(&mut self, link: LinkId) -> Option<&mut Link> {
        let current = &mut self.players.get_mut(&link.entity)?.link;
        (current.id == link && current.outbox.is_some()).then_some(current)
    }

    pub(super) fn is_lost(&self, entity: EntityId) -> bool {
        self.players.get(&entity).is_some_and(|player| player.link.outbox.is_none())
    }

    /// A connection has ended on the client's side.
    pub(super) fn link_ended(&mut self, link: LinkId, ending: Ending, now: Instant) {
        if self.current(link).is_none() {
            return;
        }
        match ending {
            Ending::Lost(reason, failure) => self.lose_link(link.entity, reason, failure, now),
            Ending::Broken(failure) => {
                let reason = format!("broke the rules: {failure}");
                self.depart(link.entity, reason, Some(failure), now);
            }
        }
    }

    /// A player's connection is lost; its client is told `failure`, if it still listens. The
    /// character stays for a while.
    pub(super) fn lose_link(
        &mut self,
        entity: EntityId,
        reason: String,
        failure: Option<Failure>,
        now: Instant,
    ) {
        // Taken first: what the game tells the player now is told to nobody.
        let outbox = self.players.get_mut(&entity).and_then(|player| player.link.outbox.take());
        let Some(outbox) = outbox else { return };
        self.happen(Input::LinkLost(entity), now);
        // Who is handed over has nowhere to wait: its client would not hear where to go.
        let is_frozen = self.stage.entity(entity).is_none_or(Entity::is_frozen);
        let stays = !self.link_grace.is_zero() && !is_frozen;
        if !stays && let Some(player) = self.players.get_mut(&entity) {
            player.link.outbox = Some(outbox);
            return self.depart(entity, reason, failure, now);
        }
        if let Some(failure) = failure {
            outbox.end(&mut goodbye(Some(failure)));
        }
        // The game may have sent it away just now.
        if let Some(player) = self.players.get(&entity) {
            metrics::counter!("mmo_map_links_lost_total").increment(1);
            tracing::info!(character = %player.character, reason, "its connection is lost");
            self.stage.look_away(entity);
            self.lost.insert(entity, Lost { until: now + self.link_grace, reason });
        }
    }

    /// Whoever has said nothing for too long has a connection that is lost.
    pub(super) fn lose_silent(&mut self, now: Instant) {
        if now < self.silence.next_look {
            return;
        }
        self.silence.next_look = now + LOOK;
        let (most, mut silent) = (self.silence.most, Vec::new());
        for (entity, player) in &mut self.players {
            player.link.quiet += 1;
            // The first look may come right after the last word.
            if player.link.quiet > most && player.link.outbox.is_some() {
                silent.push(*entity);
            }
        }
        silent.sort_unstable();
        for entity in silent {
            let message = format!("you said nothing for {most} s");
            let failure = Failure::new(Code::Silent, message);
            self.lose_link(entity, "silent".to_owned(), Some(failure), now);
        }
    }

    /// Whoever did not come back in time leaves.
    pub(super) fn give_up_links(&mut self, now: Instant) {
        let over = self.lost.iter().filter(|(_, lost)| lost.until <= now);
        let over: Vec<_> = over.map(|(entity, lost)| (*entity, lost.reason.clone())).collect();
        for (entity, reason) in over {
            self.depart(entity, reason, None, now);
        }
    }

    /// Takes a player off the list, with all that is known of its connection.
    pub(super) fn remove_player(&mut self, entity: EntityId) -> Option<Player> {
        self.lost.remove(&entity);
        self.players.remove(&entity)
    }

    /// A client is back for its character, which stands where it stood.
    ///
    /// # Errors
    /// Why not; then nothing has changed, and the ticket is as good as it was.
    pub(super) fn resume(&mut self, back: &Resumption, now: Instant) -> Result<Admitted, Failure> {
        if self.is_draining {
            return Err(draining());
        }
        if let Some(failure) = self.ended.why(back.session) {
            return Err(failure);
        }
        let entity = self.to_resume(back).ok_or_else(not_here)?;
        self.replace_link(entity, now);
        // The game may have sent it away for the loss that nobody had noticed.
        let admitted = self.relink(entity, back).ok_or_else(not_here)?;
        metrics::counter!("mmo_map_links_resumed_total").increment(1);
        tracing::info!(character = %back.character, %entity, "its client is back");
        self.happen(Input::Resumed(entity), now);
        Ok(admitted)
    }

    fn to_resume(&self, back: &Resumption) -> Option<EntityId> {
        let entity = *self.present.get(&back.character)?;
        let player = self.players.get(&entity)?;
        let fits = player.account == back.account && player.link.resume_ticket == back.ticket;
        fits.then_some(entity)
    }

    /// Ends the connection of a player whose client is there with another one: a network that went
    /// away without a word is noticed late. The game hears of a loss before each return.
    fn replace_link(&mut self, entity: EntityId, now: Instant) {
        let outbox = self.players.get_mut(&entity).and_then(|player| player.link.outbox.take());
        let Some(outbox) = outbox else { return };
        let message = "another connection of yours has taken this character over";
        let failure = Failure::new(Code::CharacterInUse, message);
        outbox.end(&mut goodbye(Some(failure)));
        self.happen(Input::LinkLost(entity), now);
    }

    fn relink(&mut self, entity: EntityId, back: &Resumption) -> Option<Admitted> {
        let id = self.players.get(&entity)?.link.id.next();
        let (link, messages) = self.open_link(id, back.encoding);
        let player = self.players.get_mut(&entity)?;
        (player.link, player.session, player.note) = (link, back.session, back.note.clone());
        self.lost.remove(&entity);
        Some(Admitted { link: id, messages })
    }
}

fn not_here() -> Failure {
    let message =
        "that character is not here any more, or that resume ticket was used: select again";
    Failure::new(Code::TicketInvalid, message)
}

//! Seats, and how one comes to stand on the map.

use std::time::Instant;

use protocol::{
    Code, Failure, ResumeTicket, Ticket,
    backbone::{
        events::CharacterEntered,
        seats::{CancelSeat, ReserveSeat, SeatReserved},
    },
    play::PlayMessage,
};

use world::{TICK, World};

use super::{Admitted, Entry, Host, LinkId, Player, Shown, command::draining};
use crate::courier::News;

impl<W: World> Host<W> {
    pub(super) fn reserve(
        &mut self,
        seat: &ReserveSeat,
        now: Instant,
    ) -> Result<SeatReserved, Failure> {
        if self.is_draining {
            return Err(draining());
        }
        if seat.incarnation != self.own.incarnation {
            let message = "this is a later life of that Map Server; ask the Cluster for a route";
            return Err(Failure::new(Code::ServerUnknown, message));
        }
        // What was to be given up is expected again; while that is under way, a hand-over could
        // be undone right after it was made.
        if !self.abandons.stop(seat.character) {
            let message = "that character's earlier seat is being given up; try again shortly";
            return Err(Failure::new(Code::Busy, message));
        }
        let ticket = Ticket::from_bytes(rand::random());
        self.seats.reserve(seat.character, seat.account, ticket.clone(), now)?;
        self.is_instance |= seat.instance;
        let kept_ms = u64::try_from(self.seats.kept_for().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(character = %seat.character, name = seat.name, "a seat is kept");
        Ok(SeatReserved { ticket, kept_ms })
    }

    pub(super) fn cancel(&mut self, cancel: &CancelSeat, now: Instant) {
        // Whoever cancels believes that it was not handed over, but may not know.
        if self.seats.cancel(cancel.character, &cancel.ticket)
            && !self.seats.expects(cancel.character)
        {
            self.abandons.add(cancel.character, now);
        }
    }

    pub(super) fn take_seat(&mut self, shown: &Shown, now: Instant) -> Result<(), Failure> {
        if self.is_draining {
            return Err(draining());
        }
        self.seats.take(shown.character, shown.account, &shown.ticket, now)
    }

    /// Frees the place of a character that cannot enter, and gives the character up.
    pub(super) fn forfeit(&mut self, character: protocol::CharacterId, now: Instant) {
        if self.keeper.keeps(character) {
            return; // It stands here, or is being saved: that is another arrival's.
        }
        self.seats.leave(character);
        if !self.seats.expects(character) {
            self.abandons.add(character, now);
        }
    }

    /// Puts a loaded character on the map.
    pub(super) fn enter(&mut self, entry: Entry, now: Instant) -> Result<Admitted, Failure> {
        let character = entry.loaded.character;
        if let Some(refusal) = self.refusal(&entry) {
            self.forfeit(character, now);
            return Err(refusal);
        }
        if !self.seats.enter(character) {
            let message = "entering took too long, or was called off; select again";
            return Err(Failure::new(Code::TicketInvalid, message));
        }
        self.admit(entry, now).inspect_err(|_| {
            self.seats.leave(character);
            self.abandons.add(character, now);
        })
    }

    fn refusal(&self, entry: &Entry) -> Option<Failure> {
        if self.is_draining {
            return Some(draining());
        }
        if let Some(failure) = self.ended.why(entry.session) {
            return Some(failure);
        }
        self.keeper.keeps(entry.loaded.character).then(|| {
            let message = "that character is still here; try again shortly";
            Failure::new(Code::CharacterInUse, message)
        })
    }

    /// # Errors
    /// The game's refusal.
    fn admit(&mut self, entry: Entry, now: Instant) -> Result<Admitted, Failure> {
        let Entry { loaded, session, note, encoding } = entry;
        let (at, data) = (self.place(&loaded.state), loaded.state.data.clone());
        self.recorder.entered(&loaded.name, at, &data);
        let entity = self.stage.enter(&loaded.name, at, data)?;
        let id = LinkId::first(entity);
        let (link, messages) = self.open_link(id, encoding);
        let is_instance = self.stage.plan().instance && loaded.state.map != self.own.map;
        let back = is_instance.then(|| (loaded.state.map.clone(), loaded.state.position));
        let player = Player {
            character: loaded.character,
            account: loaded.account,
            session,
            note,
            name: loaded.name.clone(),
            back,
            link,
            warp: None,
        };
        self.players.insert(entity, player);
        self.present.insert(loaded.character, entity);
        self.keeper.adopt(loaded.character, loaded.claim, loaded.state, now);
        tracing::info!(character = %loaded.character, name = loaded.name, %entity, "entered");
        self.news.push(News::Entered(CharacterEntered {
            character: loaded.character,
            name: loaded.name,
            server: self.own.server.clone(),
            map: self.own.map.clone(),
        }));
        self.tell_of_emptying(entity, now);
        Ok(Admitted { link: id, messages })
    }

    /// A position of another map means nothing here.
    fn place(&self, state: &protocol::CharacterState) -> Option<protocol::Position> {
        state.position.filter(|_| state.map == self.own.map)
    }

    pub(super) fn entered(
        &mut self,
        entity: protocol::EntityId,
        resume_ticket: ResumeTicket,
    ) -> PlayMessage {
        let others = self.stage.look_on(entity);
        let plan = self.stage.plan();
        PlayMessage::Entered {
            map: self.own.map.clone(),
            channel: self.own.channel,
            you: entity,
            position: self.stage.entity(entity).map_or(plan.spawn, world::Entity::position),
            size: (plan.width, plan.height),
            view: plan.view,
            tick_ms: u32::try_from(TICK.as_millis()).unwrap_or(u32::MAX),
            portals: self.stage.portals(),
            others,
            resume_ticket,
            link_grace_ms: u64::try_from(self.link_grace.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

//! Hand-offs: carries each warp's steps out, and answers back to it.

use std::time::Instant;

use protocol::{
    AccountId, CharacterId, CharacterState, EntityId, Failure,
    backbone::{
        characters::TransferCharacter,
        events::CharacterWarped,
        maps::MapServer,
        seats::{CancelSeat, ReserveSeat},
    },
    play::PlayMessage,
};

use serde_json::Value;
use world::{Input, World};

use super::{Host, Spread};
use crate::{
    courier::News,
    handoff::{Answer, End, Handoff, Passage, Step},
    jobs::{Job, Outcome, PartyId, WarpId},
    keeper::Settled,
};

/// One warp and whom it moves.
#[derive(Debug)]
pub(super) struct Warp {
    handoff: Handoff,
    entity: EntityId,
    character: CharacterId,
    account: AccountId,
    name: String,
    /// The party that it gathers with.
    party: Option<PartyId>,
    /// What is saved with the transfer.
    state: CharacterState,
    /// The transfer that was asked for, as it is asked for again.
    transfer: Option<TransferCharacter>,
    /// It waits for the save in flight.
    settling: bool,
}

impl<W: World> Host<W> {
    /// Hands a frozen player over to a server of a map.
    pub(super) fn warp_to_map(
        &mut self,
        entity: EntityId,
        begun: (Handoff, Vec<Step>),
        now: Instant,
    ) {
        let Some(mut state) = self.state_of(entity) else { return };
        let passage = begun.0.passage();
        (state.map, state.position) = (passage.to.clone(), passage.arrive);
        self.begin_warp(entity, state, None, begun, now);
    }

    /// Hands a frozen player over to an instance. What is saved says where it comes back to.
    pub(super) fn warp_to_instance(
        &mut self,
        entity: EntityId,
        party: PartyId,
        target: Box<MapServer>,
        now: Instant,
    ) {
        let Some(state) = self.state_of(entity) else { return };
        let passage = Passage { to: target.map.clone(), arrive: None };
        let begun = Handoff::begin_instance(passage, target, now);
        self.begin_warp(entity, state, Some(party), begun, now);
    }

    fn begin_warp(
        &mut self,
        entity: EntityId,
        state: CharacterState,
        party: Option<PartyId>,
        (handoff, steps): (Handoff, Vec<Step>),
        now: Instant,
    ) {
        self.give_up_commit(entity, now);
        let warp = WarpId(self.next_warp);
        let Some(player) = self.players.get_mut(&entity) else { return };
        self.next_warp += 1;
        player.warp = Some(warp);
        self.keeper.hold(player.character);
        let begun = Warp {
            handoff,
            entity,
            character: player.character,
            account: player.account,
            name: player.name.clone(),
            party,
            state,
            transfer: None,
            settling: false,
        };
        self.warps.insert(warp, begun);
        self.perform(warp, steps, now);
    }

    pub(super) fn warp_of(&self, character: CharacterId) -> Option<WarpId> {
        let mut of_it = self.warps.iter().filter(|(_, warp)| warp.character == character);
        of_it.next().map(|(id, _)| *id)
    }

    pub(super) fn warp_left(&mut self, warp: WarpId, now: Instant) {
        self.answer_warp(warp, Answer::Left, now);
    }

    pub(super) fn warp_fenced(&mut self, warp: WarpId, failure: Failure, now: Instant) {
        self.answer_warp(warp, Answer::Fenced(failure), now);
    }

    pub(super) fn warp_outcome(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Routed(warp, answer) => self.answer_warp(warp, Answer::Routed(answer), now),
            Outcome::Transferred(warp, answer) => {
                self.answer_warp(warp, Answer::Transferred(answer), now);
            }
            Outcome::Reserved { warp, target, character, answer } => {
                match answer {
                    // The warp is over: this seat is nobody's.
                    Ok(seat) if !self.warps.contains_key(&warp) => {
                        let cancel = CancelSeat { character, ticket: seat.ticket };
                        self.jobs.push(Job::CancelSeat(target, cancel));
                    }
                    answer => self.answer_warp(warp, Answer::Reserved(answer), now),
                }
            }
            Outcome::Placed(party, placed) => self.party_placed(party, placed, now),
            Outcome::Written(..)
            | Outcome::Committed(..)
            | Outcome::Abandoned(..)
            | Outcome::Swept(_) => {}
        }
    }

    pub(super) fn tick_warps(&mut self, now: Instant) {
        let going: Vec<WarpId> = self.warps.keys().copied().collect();
        for warp in going {
            self.answer_warp(warp, Answer::Tick, now);
        }
    }

    /// A save has ended: a warp may have waited for it.
    pub(super) fn warp_settle(&mut self, character: CharacterId, now: Instant) {
        if let Some(id) = self.warp_of(character)
            && self.warps.get(&id).is_some_and(|warp| warp.settling)
        {
            self.settle(id, now);
        }
    }

    fn settle(&mut self, id: WarpId, now: Instant) {
        let Some(warp) = self.warps.get_mut(&id) else { return };
        let settled = self.keeper.settled(warp.character);
        warp.settling = settled == Settled::NotYet;
        match settled {
            Settled::Yes(claim) => self.answer_warp(id, Answer::Settled(claim), now),
            Settled::InDoubt => self.answer_warp(id, Answer::InDoubt, now),
            Settled::NotYet => {}
        }
    }

    /// Saves before the hand-over, to find out that saving works.
    fn confirm(&mut self, entity: EntityId, character: CharacterId) {
        let Some(state) = self.state_of(entity) else { return };
        if let Some(write) = self.keeper.confirm(character, state) {
            self.jobs.push(Job::Write(character, Box::new(write)));
        }
    }

    pub(super) fn answer_warp(&mut self, id: WarpId, answer: Answer, now: Instant) {
        let Some(warp) = self.warps.get_mut(&id) else { return };
        let steps = warp.handoff.handle(answer, now);
        self.perform(id, steps, now);
    }

    fn perform(&mut self, id: WarpId, steps: Vec<Step>, now: Instant) {
        for step in steps {
            let Some(warp) = self.warps.get_mut(&id) else { return };
            match step {
                Step::AskRoute => {
                    self.jobs.push(Job::Route(id, warp.handoff.passage().to.clone()));
                }
                Step::AskSeat(target) => {
                    let seat = warp.seat_on(&target);
                    self.jobs.push(Job::Seat(id, target, seat));
                }
                Step::Gather => {
                    if let Some(party) = warp.party {
                        self.gather(party, id, now);
                    }
                }
                Step::Settle => {
                    let (entity, character) = (warp.entity, warp.character);
                    self.confirm(entity, character);
                    self.settle(id, now);
                }
                Step::Transfer { to, claim } => {
                    let transfer = TransferCharacter {
                        character: warp.character,
                        claim,
                        state: warp.state.clone(),
                        ledger: self.keeper.ledger(warp.character),
                        to: to.life(),
                    };
                    warp.transfer = Some(transfer.clone());
                    let transfer = Box::new(transfer);
                    self.jobs.push(Job::Transfer { warp: id, transfer, again: false });
                }
                Step::TransferAgain => {
                    // There is one: it was asked for before.
                    let again = warp.transfer.clone().map(Box::new);
                    let again =
                        again.map(|transfer| Job::Transfer { warp: id, transfer, again: true });
                    self.jobs.extend(again);
                }
                Step::CancelSeat(place) => {
                    let cancel = CancelSeat { character: warp.character, ticket: place.ticket };
                    self.jobs.push(Job::CancelSeat(place.target.server, cancel));
                }
                Step::End(end) => self.end_warp(id, end, now),
            }
        }
    }

    fn end_warp(&mut self, id: WarpId, end: End, now: Instant) {
        let Some(warp) = self.warps.remove(&id) else { return };
        if let Some(player) = self.players.get_mut(&warp.entity) {
            player.warp = None;
        }
        if let Some(party) = warp.party {
            let stays = match &end {
                End::Stays(failure) => Some(failure),
                _ => None,
            };
            self.drop_out(party, id, stays, now);
        }
        match end {
            End::Stays(failure) => self.stay(&warp, failure, now),
            End::Released => self.release_departing(warp.character, now),
            End::HandedOver(connection) => {
                tracing::info!(character = %warp.character, to = %connection.server, "warped");
                self.news.push(News::Warped(CharacterWarped {
                    character: warp.character,
                    name: warp.name.clone(),
                    from: self.own.server.clone(),
                    to: connection.server.clone(),
                    map: connection.map.clone(),
                }));
                self.hand_over(&warp, PlayMessage::WarpTo { connection: *connection }, now);
            }
            End::Dropped(failure) => self.drop_copy(warp.character, failure, now),
        }
    }

    fn stay(&mut self, warp: &Warp, failure: Failure, now: Instant) {
        if !self.players.contains_key(&warp.entity) {
            return self.release_departing(warp.character, now);
        }
        tracing::info!(character = %warp.character, %failure, "a warp was refused");
        self.keeper.unhold(warp.character);
        self.happen(Input::Stay(warp.entity), now);
        let map = warp.handoff.passage().to.clone();
        self.tell(warp.entity, PlayMessage::WarpRefused { map, failure }, now);
    }

    fn release_departing(&mut self, character: CharacterId, now: Instant) {
        if let Some(departing) = self.departing.get(&character) {
            let last = departing.last.clone();
            self.keeper.release(character, last, now);
            self.save(character, now);
        }
    }

    /// Forgets a character that is the other server's now; ends its connection here.
    fn hand_over(&mut self, warp: &Warp, warp_to: PlayMessage, now: Instant) {
        self.keeper.forget(warp.character);
        let Some(player) = self.remove_player(warp.entity) else {
            return self.conclude(warp.character, None);
        };
        // Who cannot be told does not come there, and its seat expires.
        if let Some(outbox) = player.link.into_outbox() {
            outbox.end(&mut Spread::new(warp_to));
        }
        self.present.remove(&warp.character);
        self.seats.leave(warp.character);
        self.happen(Input::Leave(warp.entity), now);
    }
}

impl Warp {
    /// A commit of before has made this of a character.
    pub(super) fn change(&mut self, character: CharacterId, data: &Value) {
        if self.character == character {
            self.state.data = data.clone();
        }
    }

    fn seat_on(&self, target: &MapServer) -> ReserveSeat {
        ReserveSeat {
            incarnation: target.incarnation,
            account: self.account,
            character: self.character,
            name: self.name.clone(),
            instance: self.handoff.is_to_instance(),
        }
    }
}

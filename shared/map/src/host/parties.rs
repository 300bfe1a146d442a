//! Players that go together: to a channel of a map, or to an instance of their own. And being that
//! instance.

use std::{collections::BTreeSet, time::Instant};

use protocol::{EntityId, Failure, MapName, backbone::maps::MapServer, play::PlayMessage};
use world::{Input, World};

use super::Host;
use crate::{
    handoff::{Answer, Handoff, Passage},
    jobs::{Job, PartyId, WarpId},
};

/// Players that wait to be told where they go.
#[derive(Debug)]
pub(super) struct Party {
    players: Vec<EntityId>,
    passage: Passage,
    /// To one that was started for them.
    to_instance: bool,
    since: Instant,
}

/// A party on its way to an instance: all of it get a seat there, or nobody goes.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Who has no seat yet.
    missing: BTreeSet<WarpId>,
    seated: BTreeSet<WarpId>,
}

impl<W: World> Host<W> {
    /// Has an instance started, and these frozen players handed over to it.
    pub(super) fn begin_instance(
        &mut self,
        template: MapName,
        players: Vec<EntityId>,
        now: Instant,
    ) {
        let passage = Passage { to: template.clone(), arrive: None };
        let party = Party { players, passage, to_instance: true, since: now };
        self.begin_party(party, |id| Job::Spawn(id, template));
    }

    /// Has these frozen players handed over to one server of a map, if any has room for all.
    pub(super) fn begin_warp_together(
        &mut self,
        players: Vec<EntityId>,
        passage: Passage,
        now: Instant,
    ) {
        let count = u32::try_from(players.len()).unwrap_or(u32::MAX);
        let to = passage.to.clone();
        let party = Party { players, passage, to_instance: false, since: now };
        self.begin_party(party, |id| Job::RouteParty(id, to, count));
    }

    fn begin_party(&mut self, party: Party, job: impl FnOnce(PartyId) -> Job) {
        let id = PartyId(self.next_warp);
        self.next_warp += 1;
        self.jobs.push(job(id));
        self.parties.insert(id, party);
    }

    pub(super) fn party_placed(
        &mut self,
        id: PartyId,
        placed: Result<Box<MapServer>, Failure>,
        now: Instant,
    ) {
        let Some(Party { mut players, passage, to_instance, since }) = self.parties.remove(&id)
        else {
            return;
        };
        players.retain(|player| self.players.contains_key(player));
        match placed {
            Ok(target) if players.is_empty() && to_instance => {
                self.jobs.push(Job::Retire(target.server));
            }
            Ok(target) if to_instance => {
                for player in &players {
                    self.warp_to_instance(*player, id, target.clone(), now);
                }
                // Seats are asked for beside the tick: nobody has an answer yet.
                let warps = players.iter().filter_map(|player| self.players.get(player)?.warp);
                let gathering = Gathering { missing: warps.collect(), ..Gathering::default() };
                self.gatherings.insert(id, gathering);
            }
            Ok(target) => {
                for player in players {
                    let (passage, target) = (passage.clone(), target.clone());
                    let begun = Handoff::begin_together(passage, target, since);
                    self.warp_to_map(player, begun, now);
                }
            }
            Err(failure) => {
                for player in players {
                    self.happen(Input::Stay(player), now);
                    let (map, failure) = (passage.to.clone(), failure.clone());
                    self.tell(player, PlayMessage::WarpRefused { map, failure }, now);
                }
            }
        }
    }

    /// One of a party has a seat.
    pub(super) fn gather(&mut self, party: PartyId, warp: WarpId, now: Instant) {
        let Some(gathering) = self.gatherings.get_mut(&party) else { return };
        if gathering.missing.remove(&warp) {
            gathering.seated.insert(warp);
        }
        self.go_if_gathered(party, now);
    }

    /// One of a party goes nowhere: it stays here, and so do all others, or it has left, and the
    /// others are the party.
    pub(super) fn drop_out(
        &mut self,
        party: PartyId,
        warp: WarpId,
        stays: Option<&Failure>,
        now: Instant,
    ) {
        let Some(gathering) = self.gatherings.get_mut(&party) else { return };
        gathering.missing.remove(&warp);
        gathering.seated.remove(&warp);
        let Some(failure) = stays else { return self.go_if_gathered(party, now) };
        let Some(Gathering { missing, seated }) = self.gatherings.remove(&party) else { return };
        for warp in missing.into_iter().chain(seated) {
            self.answer_warp(warp, Answer::Scattered(failure.clone()), now);
        }
    }

    fn go_if_gathered(&mut self, party: PartyId, now: Instant) {
        if !self.gatherings.get(&party).is_some_and(|gathering| gathering.missing.is_empty()) {
            return;
        }
        let Some(Gathering { seated, .. }) = self.gatherings.remove(&party) else { return };
        for warp in seated {
            self.answer_warp(warp, Answer::Gathered, now);
        }
    }

    /// Ends this server once its party has gone, if it is an instance.
    pub(super) fn retire(&mut self, now: Instant) {
        if !self.is_instance || self.is_draining {
            return;
        }
        if !(self.is_empty() && self.seats.is_empty()) {
            self.empty_since = None;
        } else if now >= *self.empty_since.get_or_insert(now) + self.instance_idle {
            // Asked for again, should it not be heard.
            self.empty_since = None;
            self.jobs.push(Job::Retire(self.own.server.clone()));
        }
    }
}

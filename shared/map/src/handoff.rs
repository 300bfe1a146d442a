//! A warp: how one character goes from this Map Server to another. Pure: each [`Answer`] in, the
//! next [`Step`]s out.
//!
//! ```text
//! frozen → route → reserve → settle → transfer → told
//! ```
//! A party has its route already; one of it that finds no seat there asks for a route of its own. A
//! party on its way to an instance gathers before it settles: all of it have a seat there, or none.
//! To settle is to save once more: a store that cannot save now is found out while the warp can
//! still be refused. Up to the transfer, every failure leaves the character here. The transfer is
//! one transaction of the store. While its answer is not known the character is neither saved nor
//! let go on, because it may be the other server's already.

use std::time::{Duration, Instant};

use protocol::{
    Code, ConnectionInfo, Failure, MapName, Position, Ticket,
    backbone::{characters::Claim, maps::MapServer, seats::SeatReserved},
};

use crate::jobs::is_refusal;

/// Until when the transfer must have begun: a player is told within 2 s that a warp failed.
const BEGIN: Duration = Duration::from_millis(1900);
/// How long an unknown outcome is asked for before the copy is given up.
const UNKNOWN: Duration = Duration::from_secs(8);

/// Where somebody wants to go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passage {
    pub(crate) to: MapName,
    /// Where it arrives; `None` is the map's spawn point.
    pub(crate) arrive: Option<Position>,
}

/// One warp.
#[derive(Debug)]
pub(crate) struct Handoff {
    passage: Passage,
    phase: Phase,
    since: Instant,
    /// The player is gone from the map: nobody is there to go on playing, or to be told.
    left: bool,
    company: Company,
}

/// With whom a character goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    /// With nobody: to whichever server the Cluster names.
    Alone,
    /// With its party, and alone where there is no seat left beside it.
    Party,
    /// With its party, to the instance that was started for it and nowhere else.
    Instance,
}

#[derive(Debug)]
enum Phase {
    Routing,
    Reserving {
        target: Box<MapServer>,
    },
    /// It has a seat and waits for its party's.
    Gathering(Box<Place>),
    Settling(Box<Place>),
    Transferring(Box<Place>),
    Over,
}

/// A seat on the target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) target: MapServer,
    pub(crate) ticket: Ticket,
    pub(crate) kept_ms: u64,
}

/// What was waited for.
#[derive(Debug)]
pub(crate) enum Answer {
    Routed(Result<Box<MapServer>, Failure>),
    Reserved(Result<SeatReserved, Failure>),
    /// All of the party have a seat.
    Gathered,
    /// One of the party has none, for this reason: nobody goes.
    Scattered(Failure),
    /// No save of the character is in flight any more; this is the claim to hand over.
    Settled(Claim),
    /// The save in flight failed.
    InDoubt,
    Transferred(Result<(), Failure>),
    /// A save in flight said that the character is somebody else's.
    Fenced(Failure),
    /// The player left, was sent away or lost its connection.
    Left,
    /// Time has passed.
    Tick,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    AskRoute,
    AskSeat(Box<MapServer>),
    /// Say [`Answer::Gathered`] once all of the party have come as far as this, or
    /// [`Answer::Scattered`].
    Gather,
    /// Save, unless a save is in flight; say [`Answer::Settled`] or [`Answer::InDoubt`] once it is known.
    Settle,
    Transfer {
        to: Box<MapServer>,
        claim: Claim,
    },
    /// Ask once more for the same transfer.
    TransferAgain,
    CancelSeat(Box<Place>),
    End(End),
}

/// How a warp ended. Exactly one of these comes, once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// It did not happen: the character stays and plays on.
    Stays(Failure),
    /// It did not happen, and the player is gone: save and release the character.
    Released,
    /// The character is the other server's; the client is told where.
    HandedOver(Box<ConnectionInfo>),
    /// The character is somebody else's, or perhaps is: this copy must go, unsaved.
    Dropped(Failure),
}

impl Handoff {
    /// Begins with a frozen character.
    pub(crate) fn begin(passage: Passage, now: Instant) -> (Self, Vec<Step>) {
        let (phase, company) = (Phase::Routing, Company::Alone);
        (Self { passage, phase, since: now, left: false, company }, vec![Step::AskRoute])
    }

    /// Begins with a frozen character whose party has asked since `since` and goes to that server.
    pub(crate) fn begin_together(
        passage: Passage,
        target: Box<MapServer>,
        since: Instant,
    ) -> (Self, Vec<Step>) {
        Self::begin_at(passage, target, Company::Party, since)
    }

    /// Begins with a frozen character whose party goes to that instance.
    pub(crate) fn begin_instance(
        passage: Passage,
        target: Box<MapServer>,
        now: Instant,
    ) -> (Self, Vec<Step>) {
        Self::begin_at(passage, target, Company::Instance, now)
    }

    fn begin_at(
        passage: Passage,
        target: Box<MapServer>,
        company: Company,
        since: Instant,
    ) -> (Self, Vec<Step>) {
        let phase = Phase::Reserving { target: target.clone() };
        (Self { passage, phase, since, left: false, company }, vec![Step::AskSeat(target)])
    }

    /// Whether the target was started for this character's party.
    pub(crate) fn is_to_instance(&self) -> bool {
        self.company == Company::Instance
    }

    pub(crate) fn passage(&self) -> &Passage {
        &self.passage
    }

    pub(crate) fn handle(&mut self, answer: Answer, now: Instant) -> Vec<Step> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Routing => self.routing(answer, now),
            Phase::Reserving { target } => self.reserving(target, answer, now),
            Phase::Gathering(place) => self.gathering(place, answer, now),
            Phase::Settling(place) => self.settling(place, answer, now),
            Phase::Transferring(place) => self.transferring(place, answer, now),
            Phase::Over => vec![],
        }
    }

    fn routing(&mut self, answer: Answer, now: Instant) -> Vec<Step> {
        match answer {
            Answer::Routed(Ok(target)) => {
                self.phase = Phase::Reserving { target: target.clone() };
                vec![Step::AskSeat(target)]
            }
            Answer::Routed(Err(failure)) => self.stays(failure),
            Answer::Fenced(failure) => end(End::Dropped(failure)),
            Answer::Left => end(End::Released),
            _ if self.is_late(now) => self.stays(late()),
            _ => self.back(Phase::Routing),
        }
    }

    fn reserving(&mut self, target: Box<MapServer>, answer: Answer, now: Instant) -> Vec<Step> {
        match answer {
            Answer::Reserved(Ok(seat)) => {
                let (ticket, kept_ms) = (seat.ticket, seat.kept_ms);
                let place = Box::new(Place { target: *target, ticket, kept_ms });
                if self.company == Company::Instance {
                    self.phase = Phase::Gathering(place);
                    return vec![Step::Gather];
                }
                self.phase = Phase::Settling(place);
                vec![Step::Settle]
            }
            Answer::Reserved(Err(failure))
                if failure.code == Code::MapFull && self.company == Company::Party =>
            {
                (self.company, self.phase) = (Company::Alone, Phase::Routing);
                vec![Step::AskRoute]
            }
            Answer::Reserved(Err(failure)) | Answer::Scattered(failure) => self.stays(failure),
            Answer::Fenced(failure) => end(End::Dropped(failure)),
            // A seat that comes too late is cancelled by whoever hears of it.
            Answer::Left => end(End::Released),
            _ if self.is_late(now) => self.stays(late()),
            _ => self.back(Phase::Reserving { target }),
        }
    }

    fn gathering(&mut self, place: Box<Place>, answer: Answer, now: Instant) -> Vec<Step> {
        let last = match answer {
            Answer::Gathered => {
                self.phase = Phase::Settling(place);
                return vec![Step::Settle];
            }
            Answer::Scattered(failure) => self.stays(failure),
            Answer::Fenced(failure) => end(End::Dropped(failure)),
            Answer::Left => end(End::Released),
            _ if self.is_late(now) => self.stays(late()),
            _ => return self.back(Phase::Gathering(place)),
        };
        [vec![Step::CancelSeat(place)], last].concat()
    }

    fn settling(&mut self, place: Box<Place>, answer: Answer, now: Instant) -> Vec<Step> {
        let last = match answer {
            Answer::Settled(claim) => {
                let to = Box::new(place.target.clone());
                self.since = now;
                self.phase = Phase::Transferring(place);
                return vec![Step::Transfer { to, claim }];
            }
            Answer::InDoubt => {
                let message = "your progress could not be saved just now; try again shortly";
                self.stays(Failure::new(Code::Unavailable, message))
            }
            Answer::Fenced(failure) => end(End::Dropped(failure)),
            Answer::Left => end(End::Released),
            _ if self.is_late(now) => self.stays(late()),
            _ => return self.back(Phase::Settling(place)),
        };
        [vec![Step::CancelSeat(place)], last].concat()
    }

    fn transferring(&mut self, place: Box<Place>, answer: Answer, now: Instant) -> Vec<Step> {
        match answer {
            Answer::Transferred(Ok(())) => end(End::HandedOver(Box::new(place.connection()))),
            Answer::Transferred(Err(failure)) if failure.code == Code::Fenced => {
                [vec![Step::CancelSeat(place)], end(End::Dropped(failure))].concat()
            }
            Answer::Transferred(Err(failure)) if is_refusal(&failure) => {
                let last = if self.left { end(End::Released) } else { self.stays(failure) };
                [vec![Step::CancelSeat(place)], last].concat()
            }
            Answer::Transferred(Err(_)) if now < self.since + UNKNOWN => {
                self.phase = Phase::Transferring(place);
                vec![Step::TransferAgain]
            }
            // It may be the other map's by now: its seat, which lasts longer, tells when it expires.
            Answer::Transferred(Err(_)) => end(End::Dropped(Failure::new(
                Code::Unavailable,
                "the way to the other map was cut off; log in and select again",
            ))),
            Answer::Left => {
                self.left = true;
                self.back(Phase::Transferring(place))
            }
            _ => self.back(Phase::Transferring(place)),
        }
    }

    fn stays(&self, failure: Failure) -> Vec<Step> {
        end(End::Stays(failure))
    }

    fn back(&mut self, phase: Phase) -> Vec<Step> {
        self.phase = phase;
        vec![]
    }

    fn is_late(&self, now: Instant) -> bool {
        now >= self.since + BEGIN
    }
}

impl Place {
    fn connection(&self) -> ConnectionInfo {
        let target = &self.target;
        ConnectionInfo {
            address: target.address.clone(),
            port: target.port,
            connection_key: target.connection_key.clone(),
            ticket: self.ticket.clone(),
            seat_kept_ms: self.kept_ms,
            server: target.server.clone(),
            map: target.map.clone(),
            channel: target.channel,
        }
    }
}

fn end(how: End) -> Vec<Step> {
    vec![Step::End(how)]
}

fn late() -> Failure {
    Failure::new(Code::DeadlinePassed, "the other map did not answer in time; try again shortly")
}

#[cfg(test)]
mod tests;

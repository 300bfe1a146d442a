//! What is said between servers and is on its way. A message that is lost is known by the silence:
//! whoever asked gets `deadline_passed` when its patience is over, as a real call does.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use protocol::{
    Code, Failure, Incarnation, MapName,
    backbone::{
        characters::{
            AbandonCharacter, Claim, LoadCharacter, LoadedCharacter, ReleaseCharacter,
            SaveCharacter, TransferCharacter,
        },
        maps::MapServer,
        seats::{CancelSeat, EvictCharacter, ReserveSeat, SeatReserved},
    },
};

use crate::jobs::Outcome;

/// Which call; a repetition has the same.
pub(super) type CallId = u64;

#[derive(Debug, Clone)]
pub(super) enum Ask {
    Load(LoadCharacter),
    Save(SaveCharacter),
    Commit(Vec<SaveCharacter>),
    Transfer(TransferCharacter),
    Release(ReleaseCharacter),
    Abandon(AbandonCharacter),
    Route(MapName),
    Reserve(ReserveSeat),
    Cancel(CancelSeat),
    Evict(EvictCharacter),
}

#[derive(Debug, Clone)]
pub(super) enum Said {
    Loaded(Box<LoadedCharacter>),
    Claims(Vec<Claim>),
    Routed(Box<MapServer>),
    Seat(SeatReserved),
    Done,
}

pub(super) type Answer = Result<Said, Failure>;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Central,
    Map(usize),
}

type Told = Box<dyn FnOnce(Answer) -> Outcome>;

/// Who asks, and what an answer is to it.
pub(super) enum Caller {
    /// The host of a Map Server.
    Host(usize, Incarnation, Told),
    /// The admission of a client's character on a Map Server.
    Admission(usize, Incarnation, usize),
    /// A client's selection at Central.
    Select(usize),
    /// Nobody waits for the answer.
    Nobody,
}

impl Caller {
    pub(super) fn party(&self) -> Party {
        match self {
            Self::Host(map, ..) | Self::Admission(map, ..) => Party::Map(*map),
            Self::Select(_) | Self::Nobody => Party::Central,
        }
    }
}

pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) to: Party,
    pub(super) ask: Ask,
    /// Of one try.
    patience: Duration,
    tries: u32,
    /// When this try is over.
    until: Instant,
    /// Known to be unanswered already, as where nobody serves it.
    absent: bool,
}

/// A message on its way.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) call: CallId,
    pub(super) body: Body,
    /// It is slow: not before.
    from: Option<Instant>,
    /// A request that comes later is dropped.
    deadline: Instant,
}

#[derive(Clone)]
pub(super) enum Body {
    Request {
        to: Party,
        ask: Ask,
        /// It comes to an answerer that does not remember the first one.
        anew: bool,
    },
    Reply(Answer),
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Request { to, ask, anew } => {
                write!(f, "#{} to {to:?}{}: {ask:?}", self.call, if *anew { " again" } else { "" })
            }
            Body::Reply(answer) => write!(f, "#{} answered: {answer:?}", self.call),
        }
    }
}

#[derive(Default)]
pub(super) struct Network {
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) flight: Vec<Message>,
    next: CallId,
}

impl Network {
    pub(super) fn call(
        &mut self,
        caller: Caller,
        to: Party,
        ask: Ask,
        (patience, tries): (u64, u32),
        reachable: bool,
        now: Instant,
    ) -> CallId {
        self.next += 1;
        let patience = Duration::from_millis(patience);
        let until = now + patience;
        let mut call = Call { caller, to, ask, patience, tries, until, absent: false };
        self.send(self.next, &mut call, reachable, now);
        self.calls.insert(self.next, call);
        self.next
    }

    fn send(&mut self, id: CallId, call: &mut Call, reachable: bool, now: Instant) {
        call.absent = !reachable;
        if reachable {
            let deadline = now + call.patience * call.tries;
            let body = Body::Request { to: call.to, ask: call.ask.clone(), anew: false };
            self.flight.push(Message { call: id, body, from: None, deadline });
        }
    }

    pub(super) fn reply(&mut self, call: CallId, answer: Answer, now: Instant) {
        let body = Body::Reply(answer);
        self.flight.push(Message { call, body, from: None, deadline: now });
    }

    /// Which messages may come now.
    pub(super) fn ready(&self, now: Instant) -> Vec<usize> {
        let is_ready = |message: &Message| message.from.is_none_or(|from| from <= now);
        let ready = self.flight.iter().enumerate().filter(|(_, message)| is_ready(message));
        ready.map(|(index, _)| index).collect()
    }

    /// It is on its way for longer than whoever asked waits. Machines' clocks may differ by a
    /// second, so a request may be heard for so long after its deadline.
    pub(super) fn slow(&mut self, index: usize, by: Duration) {
        let message = &mut self.flight[index];
        if message.from.is_some() {
            return; // It is as late as can be.
        }
        message.from = Some(message.deadline + by);
        message.deadline += by;
    }

    pub(super) fn is_slow(&self, index: usize) -> bool {
        self.flight[index].from.is_some()
    }

    pub(super) fn duplicate(&mut self, index: usize) {
        let mut copy = self.flight[index].clone();
        if let Body::Request { anew, .. } = &mut copy.body {
            *anew = true;
        }
        self.flight.push(copy);
    }

    /// Takes a message that comes; none where it comes too late to be heard.
    pub(super) fn take(&mut self, index: usize, now: Instant) -> Option<Message> {
        let message = self.flight.remove(index);
        let is_late = matches!(message.body, Body::Request { .. }) && now > message.deadline;
        (!is_late).then_some(message)
    }

    /// Calls that have waited long enough, with what they hear.
    pub(super) fn give_up(
        &mut self,
        now: Instant,
        reachable: impl Fn(&Call) -> bool,
    ) -> Vec<(Call, Failure)> {
        let over = |call: &Call| call.until <= now || (call.absent && call.tries == 1);
        let due = self.calls.iter().filter(|(_, call)| over(call)).map(|(id, _)| *id);
        let mut given_up = Vec::new();
        for id in due.collect::<Vec<_>>() {
            let Some(mut call) = self.calls.remove(&id) else { continue };
            if call.tries > 1 {
                call.tries -= 1;
                call.until = now + call.patience;
                let is_reachable = reachable(&call);
                self.send(id, &mut call, is_reachable, now);
                self.calls.insert(id, call);
                continue;
            }
            let code = if call.absent { Code::Unavailable } else { Code::DeadlinePassed };
            given_up.push((call, Failure::new(code, "no answer")));
        }
        given_up
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.flight.is_empty() && self.calls.is_empty()
    }
}

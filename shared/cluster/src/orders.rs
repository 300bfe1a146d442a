//! What somebody ordered to be emptied, and its copy for the next leader.

use std::time::Duration;

use protocol::{
    Failure, ServerId,
    backbone::operations::{Drain, Draining, Target},
};

use crate::{
    errands::Errands,
    event::{Answer, Caller, Effect, Job},
};

/// Between two tries to write them down.
const RETRY: Duration = Duration::from_secs(1);

/// What somebody ordered to be emptied. Whoever changed it is answered once the next leader would
/// know.
#[derive(Debug, Default)]
pub struct Orders {
    all: Vec<Order>,
    copy: Copy,
    /// Who is answered with the next copy, and with which Map Servers.
    waiting: Vec<(Caller, Vec<ServerId>)>,
}

/// A part that somebody wants emptied.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub target: Target,
    /// When its players are moved.
    pub until: Duration,
    /// Why, for the players.
    pub reason: String,
}

/// How far the copy is.
#[derive(Debug, Default)]
enum Copy {
    /// It is as the orders are.
    #[default]
    Good,
    /// It is not, and is written again from then on.
    Stale { from: Duration },
    /// It is being written; `answers`: who waits for that.
    OnTheWay { job: Job, answers: Vec<(Caller, Vec<ServerId>)>, stale: bool },
}

impl Orders {
    /// What an earlier leader has left, with what is left of each countdown.
    pub fn left(drains: Vec<Drain>) -> Self {
        let order = |Drain { target, countdown_s, reason }| Order {
            target,
            until: Duration::from_secs(u64::from(countdown_s)),
            reason,
        };
        Self { all: drains.into_iter().map(order).collect(), ..Self::default() }
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> &[Order] {
        &self.all
    }

    /// All of them, with what is left of each countdown.
    pub fn as_of(&self, now: Duration) -> Vec<Drain> {
        let left = |order: &Order| {
            let left = order.until.saturating_sub(now).as_millis().div_ceil(1000);
            let countdown_s = u32::try_from(left).unwrap_or(u32::MAX);
            Drain { target: order.target.clone(), countdown_s, reason: order.reason.clone() }
        };
        self.all.iter().map(left).collect()
    }

    /// One more, in place of another with the same target.
    pub fn add(&mut self, order: Order, now: Duration) {
        self.all.retain(|known| known.target != order.target);
        self.all.push(order);
        self.changed(now);
    }

    /// Forgets those that are not kept; whether there were any.
    pub fn retain(&mut self, keep: impl FnMut(&Order) -> bool, now: Duration) -> bool {
        let before = self.all.len();
        self.all.retain(keep);
        let changed = self.all.len() < before;
        if changed {
            self.changed(now);
        }
        changed
    }

    fn changed(&mut self, now: Duration) {
        match &mut self.copy {
            Copy::OnTheWay { stale, .. } => *stale = true,
            copy => *copy = Copy::Stale { from: now },
        }
    }

    /// Answers a caller who has just changed them, once that is written down.
    pub fn answer(&mut self, caller: Caller, servers: Vec<ServerId>) {
        self.waiting.push((caller, servers));
    }

    /// Has them written down, if they are not.
    pub fn write(&mut self, errands: &mut Errands, now: Duration, out: &mut Vec<Effect>) {
        if !matches!(self.copy, Copy::Stale { from } if now >= from) {
            return;
        }
        let job = errands.number();
        let answers = std::mem::take(&mut self.waiting);
        self.copy = Copy::OnTheWay { job, answers, stale: false };
        out.push(Effect::Keep(job, self.as_of(now)));
    }

    /// They were written down, or could not be.
    pub fn written(
        &mut self,
        job: Job,
        result: &Result<(), Failure>,
        now: Duration,
        out: &mut Vec<Effect>,
    ) {
        let stale = match &mut self.copy {
            Copy::OnTheWay { job: on_the_way, answers, stale } if *on_the_way == job => {
                let answered = std::mem::take(answers).into_iter().map(|(caller, servers)| {
                    let answer = result.clone().map(|()| Answer::Draining(Draining { servers }));
                    Effect::Answer(caller, answer)
                });
                out.extend(answered);
                *stale
            }
            _ => return,
        };
        self.copy = match result {
            // Somebody waits for what has changed meanwhile.
            _ if stale => Copy::Stale { from: now },
            Ok(()) => Copy::Good,
            Err(_) => Copy::Stale { from: now + RETRY },
        };
    }
}

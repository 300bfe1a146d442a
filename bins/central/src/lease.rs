//! Who leads, as one Central sees it: what to do about the lease next, and until when it may
//! believe that the lease is its own. No I/O and no clock.
//!
//! A leader believes for [`HOLDS`] from the *start* of its last renewal that was answered. A
//! standby takes a lease that it has seen unchanged for [`UNCHANGED`], which is longer: by then
//! the last leader has stopped believing, as long as clocks run equally fast. A leader is missed
//! after a look and [`UNCHANGED`], so another leads within 4 s.

use std::time::Duration;

use protocol::backbone::Life;
use store::{Kept, Lease};

/// Between two renewals.
const KEEP_EVERY: Duration = Duration::from_millis(700);
/// Between a renewal that failed and the next.
const KEEP_AGAIN: Duration = Duration::from_millis(100);
/// How long a renewal holds.
pub(crate) const HOLDS: Duration = Duration::from_secs(2);
/// Between two looks of a standby.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// How long a lease must be seen unchanged before it is taken from its holder.
const UNCHANGED: Duration = Duration::from_millis(2600);
/// Longest wait for an answer of the database: two renewals may fail before the lease is lost.
const WITHIN: Duration = Duration::from_millis(600);
/// How long a leader that nobody can reach keeps one who would lead from doing so. One whose place
/// nobody wants goes on: a new Cluster would know nobody.
const UNREACHABLE: Duration = Duration::from_secs(2);
/// How long after a life has ended the database may still do what that asked. It gives up on a
/// statement after 1.5 s ([`store::CALL_DEADLINE`]); the rest is for networks that send again.
const LATE: Duration = Duration::from_secs(7);

/// One Central's part in it.
#[derive(Debug)]
pub(crate) struct Candidate {
    me: Life,
    begun: Duration,
    role: Role,
    /// Since when nobody can reach this Central, if so.
    cut_off: Option<Duration>,
    /// Whether no leader answers.
    unanswered: bool,
}

#[derive(Debug)]
enum Role {
    Standby(Watch),
    Leader(Belief),
}

/// What a standby has seen.
#[derive(Debug, Default)]
struct Watch {
    seen: Option<Sight>,
    /// The lease that is to be taken now.
    ripe: Option<Lease>,
    look_at: Duration,
    /// The term whose leader was told that it cannot be reached.
    wanted: Option<u64>,
}

/// The lease at the last look that was answered.
#[derive(Debug)]
struct Sight {
    lease: Lease,
    /// When that look began: any other lease has come about later.
    asked: Duration,
    /// Since when the lease is known to be so.
    since: Duration,
}

/// What a leader believes.
#[derive(Debug)]
struct Belief {
    epoch: u64,
    until: Duration,
    keep_at: Duration,
    /// Whether another one would lead in its place.
    is_wanted: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing before this time, or before something else happens.
    Wait(Duration),
    /// Look at the lease, and report by [`Candidate::looked`].
    Look {
        /// Longest wait for it.
        within: Duration,
    },
    /// Take the lease if it is unchanged, and report by [`Candidate::took`].
    Take {
        /// As it was seen.
        seen: Lease,
        /// Longest wait for it.
        within: Duration,
    },
    /// Renew the lease, and report by [`Candidate::kept`].
    Keep {
        /// This leader's term.
        epoch: u64,
        /// Longest wait for it.
        within: Duration,
    },
    /// Tell the leader that it cannot be reached; nothing needs to be reported.
    Want {
        /// Its term.
        epoch: u64,
        /// Longest wait for it.
        within: Duration,
    },
    /// Give the lease up. This Central leads no more.
    GiveUp {
        /// The term that ends.
        epoch: u64,
    },
}

/// Another Central has this one's id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IdInUse(pub(crate) Life);

impl Candidate {
    /// A standby that has seen nothing yet, whose life has begun by `now`.
    pub(crate) fn new(me: Life, now: Duration) -> Self {
        let role = Role::Standby(Watch::default());
        Self { me, begun: now, role, cut_off: None, unanswered: false }
    }

    /// The term in which it may believe to lead, and until when.
    pub(crate) fn leads(&self, now: Duration) -> Option<(u64, Duration)> {
        match &self.role {
            Role::Leader(belief) if now < belief.until => Some((belief.epoch, belief.until)),
            _ => None,
        }
    }

    /// Others can reach this Central from now on, or not.
    pub(crate) fn reach(&mut self, reachable: bool, now: Duration) {
        self.cut_off = if reachable { None } else { self.cut_off.or(Some(now)) };
    }

    /// A leader answers from now on, or none does.
    pub(crate) fn answered(&mut self, answered: bool) {
        self.unanswered = !answered;
    }

    /// What to do now. Asked again after each report, and when a wait is over.
    pub(crate) fn next(&mut self, now: Duration) -> Step {
        if let Role::Leader(belief) = &self.role {
            match belief.next(self.cut_off, now) {
                Some(step @ Step::GiveUp { .. }) => {
                    self.resign(now);
                    return step;
                }
                Some(step) => return step,
                None => self.resign(now),
            }
        }
        match &mut self.role {
            Role::Standby(watch) => {
                let would_lead = self.unanswered && self.cut_off.is_none();
                watch.next(would_lead, now)
            }
            Role::Leader(_) => Step::Wait(now),
        }
    }

    /// Leads no more, and looks again at `look_at`: its own lease of before needs no wait then.
    pub(crate) fn resign(&mut self, look_at: Duration) {
        self.role = Role::Standby(Watch { look_at, ..Watch::default() });
    }

    /// What a look showed, begun at `asked`; `None`: the database did not answer.
    ///
    /// # Errors
    /// When another Central has this one's id.
    pub(crate) fn looked(
        &mut self,
        lease: Option<Lease>,
        asked: Duration,
        now: Duration,
    ) -> Result<(), IdInUse> {
        let Role::Standby(watch) = &mut self.role else { return Ok(()) };
        watch.look_at = now + LOOK_EVERY;
        // What was seen before is not forgotten: a lease that is the same later was so meanwhile.
        let Some(lease) = lease else { return Ok(()) };
        let since = match &watch.seen {
            Some(seen) if seen.lease == lease => seen.since,
            // A life of before with this id has ended, and so has by then all that it asked for.
            Some(seen) if seen.asked >= self.begun + LATE => {
                namesake(lease.holder.as_ref(), &self.me)?;
                now
            }
            _ => now,
        };
        let is_free = lease.holder.as_ref().is_none_or(|holder| *holder == self.me);
        let ripe_at = if is_free { now } else { since + UNCHANGED };
        if now < ripe_at {
            watch.look_at = watch.look_at.min(ripe_at);
        } else if self.cut_off.is_none() {
            watch.ripe = Some(lease.clone());
        }
        watch.seen = Some(Sight { lease, asked, since });
        Ok(())
    }

    /// What became of taking the lease, begun at `asked`: the new term, or that it was somebody
    /// else's. `None`: the database did not answer, and it may be this one's.
    pub(crate) fn took(&mut self, taken: Option<Option<u64>>, asked: Duration) {
        let Some(Some(epoch)) = taken else { return }; // the next look tells
        let (until, keep_at) = (asked + HOLDS, asked + KEEP_EVERY);
        self.role = Role::Leader(Belief { epoch, until, keep_at, is_wanted: false });
    }

    /// What became of a renewal, begun at `asked`. `None`: the database did not answer.
    pub(crate) fn kept(&mut self, kept: Option<Kept>, asked: Duration, now: Duration) {
        let Role::Leader(belief) = &mut self.role else { return };
        match kept {
            Some(kept @ (Kept::Ours | Kept::Wanted)) => {
                belief.until = asked + HOLDS;
                belief.keep_at = asked + KEEP_EVERY;
                belief.is_wanted = kept == Kept::Wanted;
            }
            Some(Kept::Lost) => self.resign(now),
            None => belief.keep_at = now + KEEP_AGAIN,
        }
    }
}

impl Belief {
    /// What a leader does now; `None`: it leads no more.
    fn next(&self, cut_off: Option<Duration>, now: Duration) -> Option<Step> {
        if now >= self.until {
            return None;
        }
        let yields_at = cut_off.filter(|_| self.is_wanted).map(|since| since + UNREACHABLE);
        if yields_at.is_some_and(|at| now >= at) {
            return Some(Step::GiveUp { epoch: self.epoch });
        }
        if now >= self.keep_at {
            let within = WITHIN.min(self.until.saturating_sub(now));
            return Some(Step::Keep { epoch: self.epoch, within });
        }
        let until = self.keep_at.min(self.until);
        Some(Step::Wait(yields_at.map_or(until, |at| at.min(until))))
    }
}

impl Watch {
    fn next(&mut self, would_lead: bool, now: Duration) -> Step {
        if let Some(seen) = self.ripe.take() {
            return Step::Take { seen, within: WITHIN };
        }
        if now >= self.look_at {
            return Step::Look { within: WITHIN };
        }
        let epoch = self.seen.as_ref().map(|seen| seen.lease.epoch);
        match epoch.filter(|epoch| would_lead && self.wanted != Some(*epoch)) {
            Some(epoch) => {
                self.wanted = Some(epoch);
                Step::Want { epoch, within: WITHIN }
            }
            None => Step::Wait(self.look_at),
        }
    }
}

/// Whether the holder, who lives, is another Central with the id of `me`.
fn namesake(holder: Option<&Life>, me: &Life) -> Result<(), IdInUse> {
    match holder {
        Some(holder) if holder.server == me.server && holder != me => Err(IdInUse(holder.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

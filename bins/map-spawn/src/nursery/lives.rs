//! How a child is launched, registers, ends and returns.

use std::time::Duration;

use protocol::{
    Code, Failure, ServerId,
    backbone::{
        Life,
        events::{ChildEnded, ChildStarted},
        maps::LeaveMap,
        spawners::ChildReady,
    },
};

use super::{
    Effect, Launch, Nursery, Sign,
    backoff::HEALTHY,
    child::{Child, Phase, Reason},
};

/// From SIGTERM to SIGKILL for one that hangs: all the others believe it dead, and one that was
/// stopped does not even hear SIGTERM.
const HUNG_GRACE: Duration = Duration::from_secs(1);

impl Nursery {
    pub(super) fn launch(&mut self, server: &ServerId, now: Duration) {
        let deadline = now + self.limits.start_deadline;
        let Some(child) = self.children.get_mut(server) else { return };
        child.phase = Phase::Starting { deadline };
        let launch = Launch {
            server: server.clone(),
            map: child.map.clone(),
            channel: child.channel,
            restarts: child.restarts,
            upkeep: child.upkeep.clone(),
        };
        self.effects.push(Effect::Launch(launch));
    }

    /// A dead child has waited long enough.
    pub(super) fn relaunch(&mut self, server: &ServerId, now: Duration) {
        if let Some(child) = self.children.get_mut(server) {
            child.restarts += 1;
        }
        self.launch(server, now);
    }

    pub(super) fn launched(&mut self, server: ServerId, pid: u32) {
        let Some(child) = self.children.get_mut(&server) else { return };
        child.pid = Some(pid);
        let (spawner, map, channel) =
            (self.limits.spawner.clone(), child.map.clone(), child.channel);
        self.effects.push(Effect::Started(ChildStarted { spawner, server, map, channel, pid }));
    }

    pub(super) fn ready(&mut self, ready: ChildReady, now: Duration) {
        let ChildReady { life, channel, port, .. } = ready;
        let server = life.server.clone();
        let Some(child) = self.children.get_mut(&server) else { return };
        child.channel = channel;
        match &mut child.phase {
            Phase::Found { .. } | Phase::Starting { .. } => {
                child.registered = true;
                child.phase = Phase::Ready { since: now, life, port };
                self.answer_ready(&server);
            }
            // It registered again, perhaps on another channel.
            Phase::Ready { life: known, port: at, .. } => (*known, *at) = (life, port),
            // Too late to stay, but the Cluster must hear that this life ends.
            Phase::Stopping { life: known, .. } => *known = Some(life),
            // Its end was heard before its word: it is gone.
            Phase::Waiting { .. } | Phase::Held { .. } => {}
        }
    }

    /// The start deadline of a child has passed.
    pub(super) fn give_up_starting(&mut self, server: &ServerId, now: Duration) {
        let Some(child) = self.children.get_mut(server) else { return };
        let starts = std::mem::take(&mut child.starts);
        let how = never_registered(self.limits.start_deadline);
        let failure = Failure::new(Code::SpawnFailed, format!("{server} {how}; see its log"));
        self.answer_starts(starts, &Err(failure));
        self.terminate(server, Reason::NeverRegistered, now);
    }

    /// Tells a running child to stop.
    pub(super) fn terminate(&mut self, server: &ServerId, reason: Reason, now: Duration) {
        let grace = if reason == Reason::Hung { HUNG_GRACE } else { self.limits.stop_grace };
        let kill_at = Some(self.kill_at(grace, now));
        let Some(child) = self.children.get_mut(server) else { return };
        let life = match &child.phase {
            Phase::Ready { since, life, .. } => {
                if now.saturating_sub(*since) >= HEALTHY {
                    child.backoff.recover();
                }
                Some(life.clone())
            }
            _ => None,
        };
        child.phase = Phase::Stopping { kill_at, reason, life };
        self.effects.push(Effect::Signal(server.clone(), Sign::Term));
    }

    /// A child did not heed SIGTERM.
    pub(super) fn kill(&mut self, server: &ServerId) {
        let Some(child) = self.children.get_mut(server) else { return };
        if let Phase::Stopping { kill_at, .. } = &mut child.phase {
            *kill_at = None;
            self.effects.push(Effect::Signal(server.clone(), Sign::Kill));
        }
    }

    pub(super) fn ended(&mut self, server: ServerId, how: &str, now: Duration) {
        let Some(mut child) = self.children.remove(&server) else { return };
        let Some(end) = End::of(&child.phase, how, self.limits.start_deadline) else {
            self.children.insert(server, child);
            return;
        };
        child.pid = None;
        let starts = std::mem::take(&mut child.starts);
        let failure = Failure::new(Code::SpawnFailed, format!("{server} {}; see its log", end.how));
        self.answer_starts(starts, &Err(failure));
        let stops = std::mem::take(&mut child.stops);
        self.answer_stops(stops, &Ok(()));

        let told = end.life.is_none();
        if let Some(life) = end.life.clone() {
            self.effects.push(Effect::Leave(LeaveMap { life, reason: end.how.clone() }));
        }
        let next = self.what_next(&mut child, &end, now);
        let wait = match next {
            Next::Waits(wait) => Some(wait),
            Next::Gone | Next::Held => None,
        };
        self.effects.push(Effect::Ended(ChildEnded {
            spawner: self.limits.spawner.clone(),
            server: server.clone(),
            how: end.how,
            restart_in_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            held: matches!(next, Next::Held),
        }));
        child.phase = match next {
            Next::Gone => return,
            Next::Held => Phase::Held { told },
            Next::Waits(wait) => Phase::Waiting { until: now + wait, told },
        };
        self.children.insert(server, child);
    }

    fn what_next(&mut self, child: &mut Child, end: &End, now: Duration) -> Next {
        // An adopted one may be of a map that this life of the spawner may not run.
        let may_return = self.drain.is_none() && self.limits.maps.contains(&child.map);
        let wanted = child.standing || child.registered;
        if end.why == Why::Told || !may_return || !wanted {
            return Next::Gone;
        }
        if end.since.is_some_and(|since| now.saturating_sub(since) >= HEALTHY) {
            child.backoff.recover();
        }
        if end.why == Why::Crashed && child.backoff.crashes_too_often(now) {
            return Next::Held;
        }
        Next::Waits(child.backoff.next(&mut self.rng))
    }

    /// The Cluster has heard of a child's end, or cannot hear.
    pub(super) fn told(&mut self, server: &ServerId) {
        let phase = self.children.get_mut(server).map(|child| &mut child.phase);
        if let Some(Phase::Waiting { told, .. } | Phase::Held { told }) = phase {
            *told = true;
        }
    }
}

/// What comes after a life.
#[derive(Debug, Clone, Copy)]
enum Next {
    Gone,
    Held,
    Waits(Duration),
}

/// How a life ended.
struct End {
    how: String,
    why: Why,
    /// The life that the Cluster may know.
    life: Option<Life>,
    /// Since when it was healthy.
    since: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It was told to.
    Told,
    /// It was ended because it had not registered. It may be that the Cluster was away, so that
    /// another life would do no worse: that is no crash.
    NeverRegistered,
    Crashed,
}

impl End {
    /// `None`: it had ended before.
    fn of(phase: &Phase, how: &str, start_deadline: Duration) -> Option<Self> {
        let crash = |how: String, life: Option<&Life>, since| {
            Some(Self { how, why: Why::Crashed, life: life.cloned(), since })
        };
        match phase {
            Phase::Waiting { .. } | Phase::Held { .. } => None,
            Phase::Found { .. } => crash(how.to_owned(), None, None),
            Phase::Starting { .. } => crash(format!("{how} before it had registered"), None, None),
            Phase::Ready { since, life, .. } => crash(how.to_owned(), Some(life), Some(*since)),
            Phase::Stopping { reason, life, .. } => {
                let (why, how) = match reason {
                    Reason::Told => (Why::Told, how.to_owned()),
                    Reason::NeverRegistered => {
                        let never = never_registered(start_deadline);
                        (Why::NeverRegistered, format!("{never}: {how}"))
                    }
                    Reason::Hung => (Why::Crashed, format!("hung: {how}")),
                };
                Some(Self { how, why, life: life.clone(), since: None })
            }
        }
    }
}

pub(super) fn never_registered(start_deadline: Duration) -> String {
    format!("never registered within {} s", start_deadline.as_secs_f64())
}

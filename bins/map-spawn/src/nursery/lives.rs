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
        let server = ready.life.server.clone();
        let Some(child) = self.children.get_mut(&server) else { return };
        child.channel = ready.channel;
        match &mut child.phase {
            Phase::Starting { .. } => {
                child.registered = true;
                child.phase = Phase::Ready { since: now, ready: ready.clone() };
                self.answer_ready(&server, ready);
            }
            // It registered again, perhaps on another channel.
            Phase::Ready { ready: known, .. } => *known = ready,
            // Too late to stay, but the Cluster must hear that this life ends.
            Phase::Stopping { life, .. } => *life = Some(ready.life),
            // Its end was heard before its word: it is gone.
            Phase::Waiting { .. } => {}
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
        let kill_at = Some(self.kill_at(now));
        let Some(child) = self.children.get_mut(server) else { return };
        let life = match &child.phase {
            Phase::Ready { ready, .. } => Some(ready.life.clone()),
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
        if let Some(life) = end.life {
            self.effects.push(Effect::Leave(LeaveMap { life, reason: end.how.clone() }));
        }
        let returns = !end.for_good && self.drain.is_none();
        let wait = (returns && (child.standing || child.registered)).then(|| {
            if end.since.is_some_and(|since| now.saturating_sub(since) >= HEALTHY) {
                child.backoff.reset();
            }
            child.backoff.next(&mut self.rng)
        });
        self.effects.push(Effect::Ended(ChildEnded {
            spawner: self.limits.spawner.clone(),
            server: server.clone(),
            how: end.how,
            restart_in_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            held: false,
        }));
        if let Some(wait) = wait {
            child.phase = Phase::Waiting { until: now + wait, told };
            self.children.insert(server, child);
        }
    }

    /// The Cluster has heard of a child's end, or cannot hear.
    pub(super) fn told(&mut self, server: &ServerId) {
        if let Some(Child { phase: Phase::Waiting { told, .. }, .. }) =
            self.children.get_mut(server)
        {
            *told = true;
        }
    }
}

/// How a life ended.
struct End {
    how: String,
    /// The life that the Cluster may know.
    life: Option<Life>,
    /// Since when it was healthy.
    since: Option<Duration>,
    for_good: bool,
}

impl End {
    /// `None`: it had ended before.
    fn of(phase: &Phase, how: &str, start_deadline: Duration) -> Option<Self> {
        let how = how.to_owned();
        match phase {
            Phase::Waiting { .. } => None,
            Phase::Starting { .. } => {
                let how = format!("{how} before it had registered");
                Some(Self { how, life: None, since: None, for_good: false })
            }
            Phase::Ready { since, ready } => {
                let (life, since) = (Some(ready.life.clone()), Some(*since));
                Some(Self { how, life, since, for_good: false })
            }
            Phase::Stopping { reason, life, .. } => {
                let for_good = *reason == Reason::Told;
                let how = if for_good {
                    how
                } else {
                    format!("{}: {how}", never_registered(start_deadline))
                };
                Some(Self { how, life: life.clone(), since: None, for_good })
            }
        }
    }
}

fn never_registered(start_deadline: Duration) -> String {
    format!("never registered within {} s", start_deadline.as_secs_f64())
}

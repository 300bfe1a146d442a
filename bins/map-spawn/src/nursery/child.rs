//! One child: how it is, and who waits for it.

use std::time::Duration;

use protocol::{
    Channel, Incarnation, MapName, ServerId, SpawnerId,
    backbone::{
        Life,
        spawners::{self, ChildState, Pending},
    },
};

use super::{Upkeep, WaiterId, backoff::Backoff};

/// A Map Server that this spawner runs, or will run again after its restart's wait.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) map: MapName,
    /// The one it would like, then the one that the Cluster gave it.
    pub(super) channel: Channel,
    /// From `spawn_maps`: tried until it registers. A commanded one is given up instead.
    pub(super) standing: bool,
    /// Its process was found, not made, by this life of the spawner.
    pub(super) adopted: bool,
    /// Its place in the order of starts; a drain goes backwards.
    pub(super) order: u64,
    pub(super) phase: Phase,
    pub(super) pid: Option<u32>,
    pub(super) restarts: u32,
    /// Whether any life of it has registered.
    pub(super) registered: bool,
    pub(super) upkeep: Upkeep,
    pub(super) backoff: Backoff,
    /// Who waits until it has registered.
    pub(super) starts: Vec<Waiter>,
    /// Who waits until it has ended.
    pub(super) stops: Vec<Waiter>,
}

/// Somebody waits for an answer, until `deadline` at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) id: WaiterId,
    pub(super) deadline: Duration,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Its process was found, and the Cluster has not said yet that it knows it.
    Found { missed: Option<Missed> },
    /// Its process runs and has not registered.
    Starting { deadline: Duration },
    /// Registered.
    Ready { since: Duration, life: Life, port: u16 },
    /// Dead. Started again at `until`, but not before the Cluster was `told` of its end: a late
    /// word of the old life must not come after the new one.
    Waiting { until: Duration, told: bool },
    /// Dead, and crashed too often to be started again unasked. As for `told`, see above.
    Held { told: bool },
    /// Told to stop, and killed at `kill_at` if it has not ended by then.
    Stopping { kill_at: Option<Duration>, reason: Reason, life: Option<Life> },
}

/// Since when a Cluster has said that it does not know a child. Another Cluster may just have
/// begun to hear who is there, so each is asked for itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missed {
    pub(super) cluster: Incarnation,
    pub(super) since: Duration,
}

/// Why a child was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// By a command, or because the spawner stops: for good.
    Told,
    /// It did not register in time: another life may do better.
    NeverRegistered,
    /// It hung: another life may do better.
    Hung,
}

impl Child {
    /// One that was not launched yet.
    pub(super) fn new(map: MapName, channel: Channel, order: u64, upkeep: Upkeep) -> Self {
        Self {
            map,
            channel,
            standing: false,
            adopted: false,
            order,
            phase: Phase::Waiting { until: Duration::ZERO, told: true },
            pid: None,
            restarts: 0,
            registered: false,
            backoff: Backoff::new(upkeep.restart),
            upkeep,
            starts: Vec::new(),
            stops: Vec::new(),
        }
    }

    /// When something has to be done about it, if nothing happens before.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Starting { deadline } => Some(deadline),
            Phase::Waiting { until, told } => told.then_some(until),
            Phase::Stopping { kill_at, .. } => kill_at,
            Phase::Found { .. } | Phase::Ready { .. } | Phase::Held { .. } => None,
        };
        let waiters = self.starts.iter().chain(&self.stops).map(|waiter| waiter.deadline);
        waiters.chain(phase).min()
    }

    pub(super) fn state(&self) -> ChildState {
        match self.phase {
            Phase::Found { .. } | Phase::Starting { .. } => ChildState::Starting,
            Phase::Ready { .. } => ChildState::Ready,
            Phase::Waiting { .. } => ChildState::Waiting,
            Phase::Held { .. } => ChildState::Held,
            Phase::Stopping { .. } => ChildState::Stopping,
        }
    }

    /// As [`spawners::ListChildren`] shows it.
    pub(super) fn shown(&self, server: &ServerId) -> spawners::Child {
        let port = match &self.phase {
            Phase::Ready { port, .. } => Some(*port),
            _ => None,
        };
        spawners::Child {
            server: server.clone(),
            map: self.map.clone(),
            channel: self.channel,
            state: self.state(),
            pid: self.pid,
            port,
            restarts: self.restarts,
        }
    }

    /// As the Cluster hears of it, unless it serves.
    pub(super) fn pending(&self, spawner: &SpawnerId, server: &ServerId) -> Option<Pending> {
        let state = match self.phase {
            // It is ended because it hangs, or never registered: it is on its way back.
            Phase::Stopping { reason, .. } if reason != Reason::Told => ChildState::Waiting,
            _ => self.state(),
        };
        (state != ChildState::Ready).then(|| Pending {
            spawner: spawner.clone(),
            server: server.clone(),
            map: self.map.clone(),
            channel: self.channel,
            state,
        })
    }

    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. })
    }
}

/// Takes out the waiters whose deadline has come.
pub(super) fn take_late(waiters: &mut Vec<Waiter>, now: Duration) -> Vec<Waiter> {
    waiters.extract_if(.., |waiter| waiter.deadline <= now).collect()
}

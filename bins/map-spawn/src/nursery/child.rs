//! One child: how it is, and who waits for it.

use std::time::Duration;

use protocol::{
    Channel, MapName, ServerId,
    backbone::{
        Life,
        spawners::{self, ChildReady, ChildState},
    },
};

use super::{WaiterId, backoff::Backoff};

/// A Map Server that this spawner runs, or will run again after its restart's wait.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) map: MapName,
    /// The one it would like, then the one that the Cluster gave it.
    pub(super) channel: Channel,
    /// From `spawn_maps`: tried until it registers. A commanded one is given up instead.
    pub(super) standing: bool,
    /// Its place in the order of starts; a drain goes backwards.
    pub(super) order: u64,
    pub(super) phase: Phase,
    pub(super) pid: Option<u32>,
    pub(super) restarts: u32,
    /// Whether any life of it has registered.
    pub(super) registered: bool,
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
    /// Its process runs and has not registered.
    Starting { deadline: Duration },
    /// Registered.
    Ready { since: Duration, ready: ChildReady },
    /// Dead. Started again at `until`, but not before the Cluster was `told` of its end: a late
    /// word of the old life must not come after the new one.
    Waiting { until: Duration, told: bool },
    /// Told to stop, and killed at `kill_at` if it has not ended by then.
    Stopping { kill_at: Option<Duration>, reason: Reason, life: Option<Life> },
}

/// Why a child was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// By a command, or because the spawner stops: for good.
    Told,
    /// It did not register in time: another life may do better.
    NeverRegistered,
}

impl Child {
    /// When something has to be done about it, if nothing happens before.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Starting { deadline } => Some(deadline),
            Phase::Waiting { until, told } => told.then_some(until),
            Phase::Stopping { kill_at, .. } => kill_at,
            Phase::Ready { .. } => None,
        };
        let waiters = self.starts.iter().chain(&self.stops).map(|waiter| waiter.deadline);
        waiters.chain(phase).min()
    }

    /// As [`spawners::ListChildren`] shows it.
    pub(super) fn shown(&self, server: &ServerId) -> spawners::Child {
        let (state, port) = match &self.phase {
            Phase::Starting { .. } => (ChildState::Starting, None),
            Phase::Ready { ready, .. } => (ChildState::Ready, Some(ready.port)),
            Phase::Waiting { .. } => (ChildState::Waiting, None),
            Phase::Stopping { .. } => (ChildState::Stopping, None),
        };
        spawners::Child {
            server: server.clone(),
            map: self.map.clone(),
            channel: self.channel,
            state,
            pid: self.pid,
            port,
            restarts: self.restarts,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. })
    }
}

/// Takes out the waiters whose deadline has come.
pub(super) fn take_late(waiters: &mut Vec<Waiter>, now: Duration) -> Vec<Waiter> {
    waiters.extract_if(.., |waiter| waiter.deadline <= now).collect()
}

//! Stopping all children, in order.

use std::time::Duration;

use protocol::{Code, Failure, ServerId};

use super::{
    Nursery,
    child::{Child, Phase, Reason},
};

/// The spawner stops. Children end in the reverse order of their starts, one after another; one
/// that takes longer than its turn goes on ending beside the next.
#[derive(Debug)]
pub(super) struct Drain {
    /// How long the others wait for one.
    turn: Duration,
    /// When the present turn is over.
    turn_ends: Duration,
    /// When all that is left is killed.
    ends: Duration,
}

impl Nursery {
    pub(super) fn begin_drain(&mut self, patience: Duration, now: Duration) {
        if self.drain.is_some() {
            return;
        }
        // Whoever is told last must still have its grace before the patience is over.
        let spare = patience.saturating_sub(self.limits.stop_grace);
        let turn = spare / u32::try_from(self.children.len()).unwrap_or(u32::MAX).max(1);
        self.drain = Some(Drain { turn, turn_ends: now, ends: now + patience });
        let failure = self.draining();
        let servers: Vec<ServerId> = self.children.keys().cloned().collect();
        for server in servers {
            let Some(child) = self.children.get_mut(&server) else { continue };
            match &mut child.phase {
                Phase::Waiting { .. } | Phase::Held { .. } => {
                    self.stop_for_good(&server, &failure, now);
                }
                Phase::Stopping { kill_at: Some(at), .. } => *at = (*at).min(now + patience),
                _ => {
                    let starts = std::mem::take(&mut child.starts);
                    self.answer_starts(starts, &Err(failure.clone()));
                }
            }
        }
    }

    pub(super) fn draining(&self) -> Failure {
        let message = format!("{} is shutting down; ask another spawner", self.limits.spawner);
        Failure::new(Code::Draining, message)
    }

    /// When a child that is told to stop now, with this grace, is killed.
    pub(super) fn kill_at(&self, grace: Duration, now: Duration) -> Duration {
        let graceful = now + grace;
        self.drain.as_ref().map_or(graceful, |drain| graceful.min(drain.ends))
    }

    /// Tells the next child to stop, if the one before has ended or its turn is over.
    pub(super) fn go_on_draining(&mut self, now: Duration) {
        loop {
            let Some(drain) = &mut self.drain else { return };
            if now < drain.turn_ends && self.children.values().any(Child::is_stopping) {
                return;
            }
            let left = self.children.iter().filter(|(_, child)| !child.is_stopping());
            let Some((newest, _)) = left.max_by_key(|(_, child)| child.order) else { return };
            let newest = newest.clone();
            drain.turn_ends = now + drain.turn;
            self.terminate(&newest, Reason::Told, now);
        }
    }

    /// When the next child is told to stop at the latest.
    pub(super) fn next_turn(&self) -> Option<Duration> {
        let left = self.children.values().any(|child| !child.is_stopping());
        self.drain.as_ref().filter(|_| left).map(|drain| drain.turn_ends)
    }
}

//! The one shutdown room: named tasks, what stops them, and how long they may take to end.
//!
//! A server ends in two steps. First [`Lifecycle::draining`] is cancelled and the tasks from
//! [`Lifecycle::spawn`] end: they take no new work and finish what is in hand. Then
//! [`Lifecycle::closing`] is cancelled and the tasks from [`Lifecycle::spawn_last`] end: what the
//! others needed until their end, such as a connection to NATS.

use std::{
    any::Any,
    borrow::Cow,
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{sync::watch, task::AbortHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{BoxError, Signal, stopped::Stopped};

/// How long tasks of [`Lifecycle::spawn_last`] may take to end, after all others have.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The tasks of one server. Clones share them.
///
/// A task that fails, panics or ends before it was asked to stops all the others: a server that
/// lost a part is not left running.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    draining: CancellationToken,
    closing: CancellationToken,
    tasks: watch::Sender<Tasks>,
    /// Why the server stops, unless it was asked to. The first reason stays.
    stopped: Mutex<Option<Stopped>>,
}

#[derive(Debug, Default)]
struct Tasks {
    next_id: u64,
    running: BTreeMap<u64, Task>,
}

#[derive(Debug)]
struct Task {
    name: Cow<'static, str>,
    step: Step,
    abort: AbortHandle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Drain,
    Close,
}

impl Lifecycle {
    /// Cancelled when the server takes no new work and finishes what is in hand.
    ///
    /// Start-up that waits for others belongs into `draining().run_until_cancelled(…)`, so that a
    /// signal ends the wait.
    pub fn draining(&self) -> &CancellationToken {
        &self.shared.draining
    }

    /// Cancelled when all tasks but those of [`Lifecycle::spawn_last`] have ended.
    pub fn closing(&self) -> &CancellationToken {
        &self.shared.closing
    }

    /// Asks for a drain that is no failure, such as a command to stop this server.
    pub fn drain(&self, reason: &str) {
        if !self.draining().is_cancelled() {
            tracing::info!("draining: {reason}");
            self.draining().cancel();
        }
    }

    /// Runs a task that must go on until [`Lifecycle::draining`] is cancelled, and end then.
    pub fn spawn<F, E>(&self, name: impl Into<Cow<'static, str>>, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.supervise(name.into(), Step::Drain, Some(self.draining().clone()), future);
    }

    /// Runs a task that may end well at any time.
    pub fn spawn_short<F, E>(&self, name: impl Into<Cow<'static, str>>, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.supervise(name.into(), Step::Drain, None, future);
    }

    /// Runs a task that must go on until [`Lifecycle::closing`] is cancelled, and end within
    /// [`CLOSE_LIMIT`] then.
    pub fn spawn_last<F, E>(&self, name: impl Into<Cow<'static, str>>, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.supervise(name.into(), Step::Close, Some(self.closing().clone()), future);
    }

    /// Waits for a signal, [`Lifecycle::drain`] or a failure, then drains, for `limit` at most,
    /// and closes, for [`CLOSE_LIMIT`] at most. Tasks that have not ended then are aborted.
    ///
    /// Spawn at least one task first: a server without any has nothing to do, and stops.
    ///
    /// # Errors
    /// The first failure, or the tasks that did not end in time.
    pub async fn run_until_done(
        self,
        signal: impl Future<Output = Signal>,
        limit: Duration,
    ) -> Result<(), Stopped> {
        tokio::select! {
            signal = signal => self.drain(&format!("{signal}; a second signal exits at once")),
            () = self.draining().cancelled() => {}
            () = self.ended(Step::Drain) => {
                // They may have ended because they were asked to, just now.
                if !self.draining().is_cancelled() {
                    self.stop(Stopped::NothingLeft);
                }
            }
        }
        let start = Instant::now();
        self.draining().cancel();
        self.wait(Step::Drain, limit).await;
        self.closing().cancel();
        self.wait(Step::Close, CLOSE_LIMIT).await;
        tracing::info!("stopped after a drain of {} ms", start.elapsed().as_millis());
        match self.lock_stopped().take() {
            Some(stopped) => Err(stopped),
            None => Ok(()),
        }
    }

    fn supervise<F, E>(
        &self,
        name: Cow<'static, str>,
        step: Step,
        until: Option<CancellationToken>,
        future: F,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.shared.tasks.send_modify(|tasks| {
            let id = tasks.next_id;
            tasks.next_id += 1;
            let (lifecycle, task) = (self.clone(), name.clone());
            let run = async move {
                let outcome = AssertUnwindSafe(future).catch_unwind().await;
                let early = until.is_some_and(|until| !until.is_cancelled());
                if let Some(stopped) = judge(task, early, outcome) {
                    lifecycle.stop(stopped);
                }
                lifecycle.shared.tasks.send_modify(|tasks| {
                    tasks.running.remove(&id);
                });
            };
            // Spawned while the table is locked, so that the task cannot end before it is in it.
            let abort = tokio::spawn(run).abort_handle();
            tasks.running.insert(id, Task { name, step, abort });
        });
    }

    fn stop(&self, stopped: Stopped) {
        tracing::error!("{}", crate::chain(&stopped));
        self.lock_stopped().get_or_insert(stopped);
        self.draining().cancel();
    }

    async fn ended(&self, step: Step) {
        let ended = |tasks: &Tasks| tasks.running.values().all(|task| task.step != step);
        // It cannot fail: `self` holds the sender.
        let _ = self.shared.tasks.subscribe().wait_for(ended).await;
    }

    async fn wait(&self, step: Step, limit: Duration) {
        if timeout(limit, self.ended(step)).await.is_ok() {
            return;
        }
        let mut stuck = Vec::new();
        self.shared.tasks.send_modify(|tasks| {
            stuck.extend(tasks.running.extract_if(.., |_, task| task.step == step));
        });
        for (_, task) in &stuck {
            task.abort.abort();
        }
        if !stuck.is_empty() {
            let tasks = stuck.into_iter().map(|(_, task)| task.name).collect();
            self.stop(Stopped::Stuck { tasks, limit });
        }
    }

    fn lock_stopped(&self) -> std::sync::MutexGuard<'_, Option<Stopped>> {
        self.shared.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn judge<E: Into<BoxError>>(
    task: Cow<'static, str>,
    early: bool,
    outcome: Result<Result<(), E>, Box<dyn Any + Send>>,
) -> Option<Stopped> {
    match outcome {
        Ok(Ok(())) if early => Some(Stopped::Early { task }),
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Stopped::Failed { task, source: error.into() }),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            Some(Stopped::Panicked { task, message: text.unwrap_or_default() })
        }
    }
}

#[cfg(test)]
mod tests;

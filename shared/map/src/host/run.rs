//! The host's task.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant as Clock, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use world::{TICK, World};

use super::{Command, Host, Told, inputs::Heard};
use crate::{
    courier::{self, News},
    jobs::{Job, Outcome},
    recovery::Leftovers,
};

/// Commands taken in one go: beyond it, the tick is looked for first.
const BATCH: usize = 256;

/// What others want to know of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Vitals {
    /// Players on the map.
    pub(crate) population: u32,
    /// Places taken: by players, and by those on their way.
    pub(crate) taken: u32,
    /// A party has claimed this server for itself.
    pub(crate) claimed: bool,
    /// Share of the tick's time spent working, smoothed over about a second.
    pub(crate) load: f32,
}

/// What there is to do.
enum Turn {
    /// One step of the world, and when it was due.
    Tick(Clock),
    Drain,
    Outcome(Outcome),
    Commands,
    /// What clients have said, which is taken in with everything else, too.
    Inputs,
}

/// Everything that goes into and out of the host.
pub(crate) struct Channels {
    pub(crate) told: Told,
    pub(crate) outcomes: mpsc::Receiver<Outcome>,
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) vitals: watch::Sender<Vitals>,
}

/// Runs until `draining` and then until everybody is saved, for `drain` at most. Gives what could
/// not be saved.
pub(crate) async fn run<W: World>(
    mut host: Host<W>,
    mut channels: Channels,
    draining: CancellationToken,
    drain: Duration,
) -> Leftovers {
    let mut ticks = interval(TICK);
    // A late tick is not made up for: the world slows down rather than jumps.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Refusals for want of room come back with the next tick, so that no retry runs hot.
    let mut refused: Vec<Outcome> = Vec::new();
    let mut commands: Vec<Command> = Vec::with_capacity(BATCH);
    let mut heard: Vec<Heard> = Vec::new();
    let mut until: Option<Clock> = None;
    loop {
        let turn = tokio::select! {
            // The tick first: no flood of commands may hold the world up.
            biased;
            due = ticks.tick() => Turn::Tick(due),
            () = draining.cancelled(), if until.is_none() => Turn::Drain,
            Some(outcome) = channels.outcomes.recv() => Turn::Outcome(outcome),
            _ = channels.told.commands.recv_many(&mut commands, BATCH) => Turn::Commands,
            () = channels.told.inputs.urgent() => Turn::Inputs,
        };
        // Before whatever else was told of the same connections.
        channels.told.inputs.take(&mut heard);
        let now = Instant::now();
        guarded(&mut host, |host| {
            for (link, input) in heard.drain(..) {
                host.hear(link, input, now);
            }
            match turn {
                Turn::Tick(due) => {
                    for outcome in refused.drain(..) {
                        host.outcome(outcome, now);
                    }
                    host.tick(now);
                    channels.publish_vitals(host, now.elapsed());
                    // How late it began is in there: that of the next one is what this one leaves.
                    host.ticked(due.elapsed());
                }
                Turn::Drain => {
                    host.drain(now);
                    until = Some(Clock::now() + drain);
                }
                Turn::Outcome(outcome) => host.outcome(outcome, now),
                Turn::Commands => {
                    for command in commands.drain(..) {
                        host.handle(command, now);
                    }
                }
                Turn::Inputs => {}
            }
        });
        channels.dispatch(&mut host, &mut refused);
        if until.is_some_and(|until| host.is_empty() || Clock::now() >= until) {
            break;
        }
    }
    host.leftovers()
}

/// Calls the host. Where the game in it panics, what led to it is written down first; the server
/// then ends as after any panic.
pub(super) fn guarded<W: World>(host: &mut Host<W>, call: impl FnOnce(&mut Host<W>)) {
    // What is looked at afterwards are bytes that were whole before the call.
    let called = catch_unwind(AssertUnwindSafe(|| call(host)));
    if let Err(panic) = called {
        match host.crashed(said(&*panic)) {
            Ok(Some(report)) => tracing::error!(report = %report.display(), "the game has failed"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the game has failed, and no report was written"),
        }
        resume_unwind(panic);
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic")
}

impl Channels {
    fn dispatch<W: World>(&self, host: &mut Host<W>, refused: &mut Vec<Outcome>) {
        for job in host.jobs.drain(..) {
            if let Err(error) = self.jobs.try_send(job) {
                refused.extend(error.into_inner().refused());
            }
        }
        for news in host.news.drain(..) {
            if self.news.try_send(news).is_err() {
                courier::lost();
            }
        }
    }

    fn publish_vitals<W: World>(&self, host: &Host<W>, took: Duration) {
        metrics::histogram!("mmo_map_tick_seconds").record(took.as_secs_f64());
        let (population, taken, claimed) = (host.population(), host.taken(), host.is_claimed());
        metrics::gauge!("mmo_map_players").set(f64::from(population));
        let now = took.as_secs_f32() / TICK.as_secs_f32();
        self.vitals.send_modify(|vitals| {
            (vitals.population, vitals.taken) = (population, taken);
            vitals.claimed = claimed;
            vitals.load += (now - vitals.load) / 20.0;
        });
    }
}

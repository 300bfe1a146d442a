//! The host's task.

use std::time::{Duration, Instant};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant as Clock, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{Command, Host};
use crate::{
    courier::{self, News},
    jobs::{Job, Outcome},
};

/// The length of a tick: 20 of them a second.
const TICK: Duration = Duration::from_millis(50);

/// What others want to know of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Vitals {
    /// Players on the map.
    pub(crate) population: u32,
    /// Share of the tick's time spent working, smoothed over about a second.
    pub(crate) load: f32,
}

/// Everything that goes into and out of the host.
pub(crate) struct Channels {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) outcomes: mpsc::Receiver<Outcome>,
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) vitals: watch::Sender<Vitals>,
}

/// Runs until `draining` and then until everybody is saved, for `drain` at most.
pub(crate) async fn run(
    mut host: Host,
    mut channels: Channels,
    draining: CancellationToken,
    drain: Duration,
) {
    let mut ticks = interval(TICK);
    // A late tick is not made up for: the world slows down rather than jumps.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Refusals for want of room come back with the next tick, so that no retry runs hot.
    let mut refused: Vec<Outcome> = Vec::new();
    let mut until: Option<Clock> = None;
    loop {
        tokio::select! {
            // The tick first: no flood of commands may hold the world up.
            biased;
            _ = ticks.tick() => {
                let begin = Instant::now();
                for outcome in refused.drain(..) {
                    host.outcome(outcome, begin);
                }
                host.tick(TICK, begin);
                channels.publish_vitals(&host, begin.elapsed());
            }
            () = draining.cancelled(), if until.is_none() => {
                host.drain(Instant::now());
                until = Some(Clock::now() + drain);
            }
            Some(outcome) = channels.outcomes.recv() => host.outcome(outcome, Instant::now()),
            Some(command) = channels.commands.recv() => host.handle(command, Instant::now()),
        }
        channels.dispatch(&mut host, &mut refused);
        if until.is_some_and(|until| host.is_empty() || Clock::now() >= until) {
            break;
        }
    }
    if host.unsaved() > 0 {
        tracing::error!(characters = host.unsaved(), "ended before these could be saved");
    }
}

impl Channels {
    fn dispatch(&self, host: &mut Host, refused: &mut Vec<Outcome>) {
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

    fn publish_vitals(&self, host: &Host, took: Duration) {
        metrics::histogram!("mmo_map_tick_seconds").record(took.as_secs_f64());
        let population = host.population();
        metrics::gauge!("mmo_map_players").set(f64::from(population));
        let now = took.as_secs_f32() / TICK.as_secs_f32();
        self.vitals.send_modify(|vitals| {
            vitals.population = population;
            vitals.load += (now - vitals.load) / 20.0;
        });
    }
}

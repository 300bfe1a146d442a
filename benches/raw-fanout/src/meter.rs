//! What is measured.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

/// The ticks of a time.
#[derive(Debug)]
pub(crate) struct Meter {
    since: Instant,
    /// From the first write to a client to the last one, in microseconds.
    pass: Histogram<u64>,
    /// From when the tick was due to the last write, in microseconds.
    tick: Histogram<u64>,
    late: u64,
    skipped: u64,
    bytes: u64,
}

/// One tick.
pub(crate) struct Pass {
    pub(crate) due: Instant,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Frames that were not sent, since their client had not taken the one before.
    pub(crate) skipped: u64,
    pub(crate) bytes: u64,
}

/// What a [`Meter`] has measured.
#[derive(Debug, Serialize)]
pub(crate) struct Reading {
    /// `second`, or `all` for the time that all clients were there.
    of: &'static str,
    clients: usize,
    seconds: f64,
    ticks: u64,
    /// Writing to all clients.
    pass_ms: Spread,
    /// The same, and how late it began.
    tick_ms: Spread,
    /// Ticks that ended after the next one was due.
    late: u64,
    /// Frames that clients were too slow for.
    skipped: u64,
    bytes_per_s: f64,
}

#[derive(Debug, Serialize)]
struct Spread {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, 60_000_000, 3);
        let (pass, tick) = (histogram()?, histogram()?);
        Ok(Self { since: now, pass, tick, late: 0, skipped: 0, bytes: 0 })
    }

    pub(crate) fn add(&mut self, pass: &Pass, period: Duration) {
        let (took, whole) = (pass.ended - pass.began, pass.ended - pass.due);
        self.pass.saturating_record(took.as_micros() as u64);
        self.tick.saturating_record(whole.as_micros() as u64);
        self.late += u64::from(whole > period);
        self.skipped += pass.skipped;
        self.bytes += pass.bytes;
    }

    pub(crate) fn lasted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(crate) fn restart(&mut self, now: Instant) {
        self.pass.reset();
        self.tick.reset();
        (self.since, self.late, self.skipped, self.bytes) = (now, 0, 0, 0);
    }

    pub(crate) fn read(&self, of: &'static str, clients: usize, now: Instant) -> Reading {
        let seconds = self.lasted(now).as_secs_f64();
        Reading {
            of,
            clients,
            seconds,
            ticks: self.pass.len(),
            pass_ms: Spread::of(&self.pass),
            tick_ms: Spread::of(&self.tick),
            late: self.late,
            skipped: self.skipped,
            bytes_per_s: self.bytes as f64 / seconds,
        }
    }
}

impl Spread {
    fn of(times: &Histogram<u64>) -> Self {
        let ms = |micros: u64| micros as f64 / 1000.0;
        let at = |share| ms(times.value_at_quantile(share));
        Self { p50: at(0.5), p99: at(0.99), max: ms(times.max()) }
    }
}

//! What the bots counted while the window was open.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// Different reasons for a disconnect that are kept apart.
const REASONS: usize = 16;

/// Counts of all bots together.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) inputs: u64,
    pub(super) snapshots: u64,
    /// Received, with the frames' headers.
    pub(super) bytes: u64,
    /// From when an input was due until a snapshot told that it was taken.
    pub(super) echo: Times,
    /// From when an input was due until it was sent: the bots' own share of the echo.
    pub(super) late: Times,
    /// The longest wait of each bot between two snapshots.
    pub(super) gaps: Times,
    /// Inputs without an answer, in [`Tally::echo`] with as long as they had waited.
    pub(super) unanswered: u64,
    /// Inputs and warps that the server refused.
    pub(super) refused: u64,
    pub(super) warps: u64,
    pub(super) neighbours: Neighbours,
    pub(super) disconnects: u64,
    pub(super) reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// # Errors
    /// Never: the bounds of the histograms are valid.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            inputs: 0,
            snapshots: 0,
            bytes: 0,
            echo: Times::new()?,
            late: Times::new()?,
            gaps: Times::new()?,
            unanswered: 0,
            refused: 0,
            warps: 0,
            neighbours: Neighbours::default(),
            disconnects: 0,
            reasons: BTreeMap::new(),
        })
    }

    pub(super) fn disconnect(&mut self, reason: &str) {
        self.disconnects += 1;
        if let Some(count) = self.reasons.get_mut(reason) {
            *count += 1;
        } else if self.reasons.len() < REASONS {
            self.reasons.insert(reason.to_owned(), 1);
        }
    }
}

/// When it is measured.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    pub(super) opened: Option<Instant>,
    pub(super) closed: Option<Instant>,
}

impl Window {
    /// Whether what happens at this time counts.
    pub(super) fn holds(self, at: Instant) -> bool {
        self.opened.is_some_and(|opened| opened <= at)
            && self.closed.is_none_or(|closed| at < closed)
    }
}

/// How long something took, again and again; to a thousandth, from 1 µs to 5 minutes.
#[derive(Debug)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, 300_000_000, 3)?))
    }

    pub(super) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// In milliseconds; of nothing, 0.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }

    /// In milliseconds.
    pub(super) fn max(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }
}

/// How many others the sampled bots had in view, snapshot by snapshot.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    sum: usize,
    count: usize,
    pub(super) max: usize,
    /// Positions off the map.
    pub(super) odd: usize,
}

impl Neighbours {
    pub(super) fn add(&mut self, in_view: usize, odd: usize) {
        self.sum += in_view;
        self.count += 1;
        self.max = self.max.max(in_view);
        self.odd += odd;
    }

    pub(super) fn average(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }
}

//! How long something took, again and again.

use std::{fmt, process::ExitCode, time::Duration};

use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{data, talk};

/// To a thousandth, from 1 µs to 5 minutes.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

/// What is told of it, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Times {
    /// # Errors
    /// Never: the bounds of the histogram are valid.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, 300_000_000, 3)?))
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn spread(&self) -> Spread {
        let ms = |micros: u64| micros as f64 / 1000.0;
        Spread {
            count: self.0.len(),
            p50_ms: ms(self.0.value_at_quantile(0.5)),
            p99_ms: ms(self.0.value_at_quantile(0.99)),
            max_ms: ms(self.0.max()),
        }
    }
}

/// How a measurement is told, and what it is held to.
#[derive(Debug, Args)]
pub(crate) struct Verdict {
    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Fail if the 99th percentile is longer
    #[arg(long, value_name = "MS")]
    max_p99_ms: Option<f64>,
}

impl Verdict {
    /// Prints a report, as JSON or as `text`, and says whether `judged`, the part of it that the
    /// bound is about, holds that.
    pub(crate) fn tell(
        &self,
        report: &impl Serialize,
        text: impl FnOnce() -> String,
        judged: &Spread,
    ) -> anyhow::Result<ExitCode> {
        data(&if self.json { serde_json::to_string(report)? } else { text() });
        Ok(match self.max_p99_ms {
            Some(bound) if judged.p99_ms > bound => {
                talk(&format!("bots: p99 is {:.1} ms, more than {bound} ms", judged.p99_ms));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50_ms, p99_ms, max_ms } = self;
        write!(f, "{count} times, p50 {p50_ms:.2}  p99 {p99_ms:.2}  max {max_ms:.2} ms")
    }
}

//! What was measured, for people and for programs.

use std::{collections::BTreeMap, time::Duration};

use comfy_table::{Table, presets::ASCII_MARKDOWN};
use serde::Serialize;

use super::traveller::{STEPS, Steps};
use crate::times::{Spread, Times};

/// All rounds. The fields' names are those of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    rounds: Vec<Round>,
}

/// One number of travellers at once.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    at_once: usize,
    seconds: f64,
    journeys_per_s: f64,
    /// From connecting to Central to standing on the map.
    journey: Spread,
    steps: BTreeMap<&'static str, Spread>,
}

impl Round {
    pub(super) fn new(at_once: usize, lasted: Duration, steps: &Steps) -> anyhow::Result<Self> {
        let mut journey = Times::new()?;
        for [way @ .., _leave] in steps {
            journey.record(way.iter().sum());
        }
        let mut spreads = BTreeMap::new();
        for (place, name) in STEPS.into_iter().enumerate() {
            let mut times = Times::new()?;
            steps.iter().filter_map(|steps| steps.get(place)).for_each(|took| times.record(*took));
            spreads.insert(name, times.spread());
        }
        let seconds = lasted.as_secs_f64();
        let journeys_per_s = steps.len() as f64 / seconds;
        Ok(Self { at_once, seconds, journeys_per_s, journey: journey.spread(), steps: spreads })
    }
}

impl Report {
    pub(super) fn new(rounds: Vec<Round>) -> Self {
        Self { rounds }
    }

    /// The longest 99th percentile of a journey in any round.
    pub(super) fn slowest_p99_ms(&self) -> f64 {
        self.rounds.iter().map(|round| round.journey.p99_ms).fold(0.0, f64::max)
    }

    /// The same, to be read; a step's column is its p50.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        let measured = ["at once", "journeys/s", "p50 ms", "p99 ms"];
        table.load_style(ASCII_MARKDOWN).set_header(measured.into_iter().chain(STEPS));
        for round in &self.rounds {
            let Spread { p50_ms, p99_ms, .. } = round.journey;
            let steps = STEPS.iter().filter_map(|step| round.steps.get(step));
            let times = [p50_ms, p99_ms].into_iter().chain(steps.map(|step| step.p50_ms));
            let counts = [round.at_once.to_string(), format!("{:.0}", round.journeys_per_s)];
            table.add_row(counts.into_iter().chain(times.map(|time| format!("{time:.2}"))));
        }
        table.to_string()
    }
}

//! The way of a player, again and again: log in, select, enter the map, leave.
//!
//! # Layout
//! - here: what can be asked for, and the rounds. [`traveller`]: one who goes the way.
//! - [`report`]: how it is told.

mod report;
mod traveller;

use std::{process::ExitCode, time::Duration};

use clap::{Args, ValueEnum, value_parser};
use tokio::{task::JoinSet, time::Instant};

use self::{
    report::{Report, Round},
    traveller::{Steps, Traveller},
};
use crate::{company, data, talk};

/// Journeys before it counts, so that connections, caches and prepared statements are there.
const WARM_UP: Duration = Duration::from_millis(500);

/// What `bots journey` is told.
#[derive(Debug, Args)]
pub(crate) struct Journey {
    /// Where Central listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7700")]
    central: String,

    /// How many are on their way at the same time, one round for each number
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "1,16,64")]
    at_once: Vec<usize>,

    /// How long a round lasts
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = value_parser!(u64).range(1..=3_600))]
    seconds: u64,

    /// Whether a journey logs in, which hashes a password, or goes on with an earlier login
    #[arg(long, value_enum, default_value = "apart")]
    password_hashing: Hashing,

    /// What the names of their accounts begin with
    #[arg(long, value_name = "PREFIX", default_value = "journey")]
    accounts: String,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Fail if the 99th percentile of a round's journeys is longer
    #[arg(long, value_name = "MS")]
    max_p99_ms: Option<f64>,
}

/// What the first step of a journey is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hashing {
    /// Log in with the password
    Counted,
    /// Show the access token of a login before
    Apart,
}

impl Journey {
    /// Makes the accounts, goes the rounds, and judges.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let most = self.at_once.iter().copied().max().unwrap_or_default();
        talk(&format!("bots: {most} accounts log in first"));
        let members = company::gather(&self.central, &self.accounts, most).await?;
        let travellers: Vec<Traveller> = members
            .into_iter()
            .map(|member| Traveller::new(&self.central, member, self.password_hashing))
            .collect();
        let mut rounds = Vec::new();
        for at_once in &self.at_once {
            round(&travellers, *at_once, WARM_UP).await?;
            rounds.push(round(&travellers, *at_once, Duration::from_secs(self.seconds)).await?);
        }
        let report = Report::new(rounds);
        data(&if self.json { serde_json::to_string(&report)? } else { report.table() });
        Ok(self.judge(&report))
    }

    fn judge(&self, report: &Report) -> ExitCode {
        let slowest = report.slowest_p99_ms();
        match self.max_p99_ms {
            Some(bound) if slowest > bound => {
                talk(&format!("bots: p99 is {slowest:.1} ms, more than {bound} ms"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        }
    }
}

async fn round(travellers: &[Traveller], at_once: usize, lasts: Duration) -> anyhow::Result<Round> {
    let start = Instant::now();
    let mut going = JoinSet::new();
    for traveller in travellers.iter().take(at_once) {
        let traveller = traveller.clone();
        going.spawn(async move {
            let mut steps = Steps::new();
            while start.elapsed() < lasts {
                steps.push(traveller.go().await?);
            }
            anyhow::Ok(steps)
        });
    }
    let mut steps = Steps::new();
    while let Some(gone) = going.join_next().await {
        steps.append(&mut gone??);
    }
    Round::new(at_once, start.elapsed(), &steps)
}

//! The registry under thousands of Map Servers that do nothing but live: they register, beat, and
//! hear of each other, each with a subscription of its own, over a real NATS.
//!
//! `benches/scale` starts what it needs, runs it for several numbers and draws the plot.
//!
//! # Layout
//! - [`crowd`]: Map Servers on one connection. [`line`]: NATS's protocol, as far as it is needed.
//! - [`gauges`]: what NATS and Central say and use.
//! - [`plot`]: the table and the picture.

mod crowd;
mod gauges;
mod line;
mod plot;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crowd::Crowd;
use gauges::Gauges;

#[derive(Parser)]
#[command(name = "many-maps", about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure one number of Map Servers; prints a line of JSON
    Run(Run),
    /// Read such lines from standard input; print a table, and draw them into a file
    Plot {
        /// Where the picture goes
        svg: std::path::PathBuf,
    },
}

#[derive(clap::Args)]
struct Run {
    /// Map Servers
    #[arg(long)]
    maps: u32,
    /// NATS, as host:port
    #[arg(long)]
    nats: String,
    /// NATS's monitoring, as host:port
    #[arg(long)]
    monitor: String,
    /// Central's process id
    #[arg(long)]
    central: u32,
    /// Connections that they share
    #[arg(long, default_value = "50")]
    connections: u32,
    /// Seconds at rest that are measured
    #[arg(long, default_value = "10")]
    rest_s: u64,
    /// Seconds that all may take
    #[arg(long, default_value = "600")]
    limit_s: u64,
}

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) maps: u32,
    /// From the first registration until all know all.
    pub(crate) converged_s: f64,
    /// Messages to and from NATS in a second, at rest.
    pub(crate) messages_a_second: f64,
    pub(crate) bytes_a_second: f64,
    /// Of one core, in percent, at rest.
    pub(crate) central_cpu: f64,
    pub(crate) central_mib: f64,
    /// From a newcomer's registration until the last of all has heard of it; the median of five.
    pub(crate) newcomer_ms: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => measure(&run).await,
        Command::Plot { svg } => plot::draw(&svg),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("many-maps: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a terminal program")]
fn complain(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stdout, reason = "a terminal program")]
pub(crate) fn data(line: &str) {
    println!("{line}");
}

async fn measure(run: &Run) -> anyhow::Result<()> {
    let limit = Duration::from_secs(run.limit_s);
    let gauges = Gauges { monitor: run.monitor.clone(), central: run.central };
    let start = Instant::now();
    let mut crowds = Vec::new();
    for number in 0..run.connections.min(run.maps) {
        let count = (run.maps - number).div_ceil(run.connections);
        crowds.push(Crowd::connect(&run.nats, number, count).await?);
    }
    for crowd in &crowds {
        crowd.register_all(limit).await?;
    }
    until(start + limit, "all know all", || {
        crowds.iter().map(Crowd::last_sequence).min() >= Some(run.maps.into())
    })
    .await?;
    let converged_s = start.elapsed().as_secs_f64();
    complain(&format!("{} converged after {converged_s:.1} s", run.maps));

    sleep(Duration::from_secs(3)).await;
    let (before, at) = (gauges.read().await?, Instant::now());
    sleep(Duration::from_secs(run.rest_s)).await;
    let (after, seconds) = (gauges.read().await?, at.elapsed().as_secs_f64());

    let mut took = Vec::new();
    for newcomer in 0..5 {
        let name = format!("newcomer-{newcomer}");
        let known = crowds.iter().map(Crowd::heard_of_newcomer).sum::<u64>();
        let begin = Instant::now();
        let Some(first) = crowds.first() else { bail!("no connection") };
        first.register_newcomer(&name, limit).await?;
        until(begin + limit, "all know the newcomer", || {
            crowds.iter().map(Crowd::heard_of_newcomer).sum::<u64>() >= known + u64::from(run.maps)
        })
        .await?;
        took.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    let row = Row {
        maps: run.maps,
        converged_s,
        messages_a_second: (after.messages - before.messages) / seconds,
        bytes_a_second: (after.bytes - before.bytes) / seconds,
        central_cpu: (after.cpu_s - before.cpu_s) / seconds * 100.0,
        central_mib: after.mib,
        newcomer_ms: took.get(took.len() / 2).copied().unwrap_or_default(),
    };
    data(&serde_json::to_string(&row)?);
    Ok(())
}

/// Looks every millisecond: what is waited for comes from other tasks.
async fn until(deadline: Instant, what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    while !is_so() {
        if Instant::now() > deadline {
            bail!("{what}: not within the limit; see --limit-s");
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

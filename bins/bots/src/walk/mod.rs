//! Thousands of players who walk, and how soon each hears of its own steps.
//!
//! # Layout
//! - here: what can be asked for, and the order of a run: gather, settle, measure, judge.
//! - [`crew`]: brings the bots in and back; [`door`]: how one comes in.
//! - [`field`]: the thread that plays for all; [`ground`]: its loop, [`agenda`]: what comes next in
//!   it; [`bot`]: one of them.
//! - [`schedule`]: when inputs are due, and which were answered. [`course`]: where a bot walks.
//! - [`input`]: what a bot says; [`heard`]: what it hears; [`sight`]: what the sampled ones see.
//! - [`tally`]: what is counted; [`report`]: how it is told.

mod agenda;
mod bot;
mod course;
mod crew;
mod door;
mod field;
mod ground;
mod heard;
mod input;
mod report;
mod schedule;
mod sight;
mod tally;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use protocol::MapName;
use tokio::time::Instant;

use self::{
    course::{Pattern, Plan},
    crew::{Crew, FIRST},
    door::Door,
    field::Field,
    report::{Frame, Report, Server, percent},
};
use crate::{data, descriptors, process::Process, talk};

/// How often the progress bar moves.
const GLANCE: Duration = Duration::from_millis(250);

/// What `bots walk` is told.
#[derive(Debug, Args)]
pub(crate) struct Walk {
    /// Where Central listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7700")]
    central: String,

    /// A bare server to play on, such as raw-fanout; nobody logs in
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "central")]
    raw: Option<String>,

    /// How many bots play
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = value_parser!(u32).range(1..=50_000))]
    clients: u32,

    /// How long it is measured
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// How long they walk before, once all are there: those with a home far away need it
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = value_parser!(u64).range(0..=3_600))]
    settle: u64,

    /// Where they walk
    #[arg(long, value_enum, default_value = "random")]
    pattern: Pattern,

    /// Give each a home of its own, spread over the map; without it, home is where it comes in
    #[arg(long)]
    spread: bool,

    /// How many inputs a second each sends
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = value_parser!(u32).range(1..=1_000))]
    rate: u32,

    /// The map to be on before it is measured; they take the portals that lead to it
    #[arg(long, value_name = "MAP")]
    map: Option<MapName>,

    /// How many set out a second; through Central, 64 are on their way in at once
    #[arg(long, value_name = "PER_SECOND", default_value = "1000", value_parser = value_parser!(u32).range(1..))]
    ramp: u32,

    /// What the names of their accounts begin with. The same name logs in again in a later run,
    /// which is as slow as registering: Central takes some 30 ms of a core for each
    #[arg(long, value_name = "PREFIX", default_value = "bot")]
    accounts: String,

    /// The password of them all
    #[arg(long, env = "MMO_PASSWORD", hide_env_values = true, default_value = "bots walk here")]
    password: String,

    /// The same seed walks the same ways
    #[arg(long, default_value = "1")]
    seed: u64,

    /// A server on this machine, to tell its CPU time and memory
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Fail if the 99th percentile of the echo is longer
    #[arg(long, value_name = "MS")]
    max_p99_ms: Option<f64>,

    /// Fail if a client gets fewer snapshots a second
    #[arg(long, value_name = "HZ")]
    min_hz: Option<f64>,
}

impl Walk {
    /// Gathers the bots, lets them settle, measures, and judges.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let clients = usize::try_from(self.clients)?;
        descriptors::make_room(clients)?;
        let door = self.door();
        door.check(clients)?;
        let server = self.server_pid.map(Process::new);
        let field = Field::open(self.plan(), clients)?;
        let crew = Crew::new(door, field, clients, self.ramp);
        let mut crew = crew.with(self.map.clone(), server);

        gather(&mut crew, clients).await?;
        stay(&mut crew, "settling", self.settle).await?;
        let report = self.measure(crew, server).await?;
        if self.json {
            data(&serde_json::to_string(&report)?);
        } else {
            data(&report.table().to_string());
        }
        Ok(self.judge(&report))
    }

    async fn measure(&self, mut crew: Crew, server: Option<Process>) -> anyhow::Result<Report> {
        let (connected, began) = (crew.there(), Instant::now());
        let cpu = Process::this().cpu()?;
        let server_cpu = server.map(Process::cpu).transpose()?;
        crew.field.count(Duration::from_secs(self.seconds))?;
        stay(&mut crew, "measuring", self.seconds).await?;

        let lasted = began.elapsed();
        let cpu_percent = percent(Process::this().cpu()?.saturating_sub(cpu), lasted);
        let server = match (server, server_cpu) {
            (Some(process), Some(before)) => Some(Server::look(process, before, lasted, &crew)?),
            _ => None,
        };
        if let Some(why) = &crew.failure {
            talk(&format!("bots: {} could not come, the first of them: {why}", crew.failed));
        }
        let tally = crew.end().await?;
        let (clients, seconds) = (usize::try_from(self.clients)?, self.seconds as f64);
        Ok(Report::new(&tally, Frame { clients, connected, seconds, cpu_percent, server }))
    }

    /// Says which of the bounds were missed.
    fn judge(&self, report: &Report) -> ExitCode {
        let mut missed = Vec::new();
        let (clients, connected) = (self.clients, report.connected);
        if usize::try_from(clients).is_ok_and(|clients| connected < clients) {
            missed.push(format!("only {connected} of {clients} bots were on the map"));
        }
        if report.echo_ms.count == 0 {
            missed.push("no input was due: there was nothing to measure".to_owned());
        }
        let p99 = report.echo_ms.p99;
        if let Some(bound) = self.max_p99_ms.filter(|bound| p99 > *bound) {
            missed.push(format!("the echo's p99 is {p99:.1} ms, above --max-p99-ms {bound}"));
        }
        let hz = report.hz;
        if let Some(bound) = self.min_hz.filter(|bound| hz < *bound) {
            missed.push(format!(
                "each client got {hz:.2} snapshots a second, below --min-hz {bound}"
            ));
        }
        for line in &missed {
            talk(&format!("bots: {line}"));
        }
        if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn door(&self) -> Door {
        Door {
            address: self.raw.as_ref().unwrap_or(&self.central).clone(),
            raw: self.raw.is_some(),
            accounts: self.accounts.clone(),
            password: self.password.clone(),
            known: AtomicBool::new(false),
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            pattern: self.pattern,
            map: self.map.clone(),
            spread: self.spread,
            seed: self.seed,
            rate: self.rate,
        }
    }
}

impl Server {
    fn look(
        process: Process,
        cpu_before: Duration,
        lasted: Duration,
        crew: &Crew,
    ) -> anyhow::Result<Self> {
        let memory = process.memory()?;
        let more = u64::try_from(crew.playing().saturating_sub(FIRST))?;
        let grown = crew.first_memory.map(|first| memory.own.saturating_sub(first.own));
        Ok(Self {
            cpu_percent: percent(process.cpu()?.saturating_sub(cpu_before), lasted),
            resident: memory.resident,
            bytes_per_player: grown.and_then(|bytes| bytes.checked_div(more)),
        })
    }
}

/// Until all have come.
async fn gather(crew: &mut Crew, clients: usize) -> anyhow::Result<()> {
    let bar = bar("gathering", clients as u64)?;
    while !crew.is_gathered()? {
        // Short: who sets out next does so between two turns.
        crew.turn(Instant::now() + Duration::from_millis(5)).await?;
        bar.set_position(crew.there() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// For a time.
async fn stay(crew: &mut Crew, doing: &'static str, seconds: u64) -> anyhow::Result<()> {
    let bar = bar(doing, seconds)?;
    let (began, end) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    while Instant::now() < end {
        crew.turn(end.min(Instant::now() + GLANCE)).await?;
        bar.set_position(began.elapsed().as_secs());
        let (playing, snapshots) = (crew.playing(), crew.field.scene.snapshots.load(Relaxed));
        bar.set_message(format!("{playing} play, {snapshots} snapshots"));
    }
    bar.finish_and_clear();
    Ok(())
}

/// Shown on stderr, and only to a terminal.
fn bar(doing: &'static str, length: u64) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix:>9} {wide_bar} {pos}/{len} {msg}")?;
    Ok(ProgressBar::new(length).with_style(style).with_prefix(doing))
}

//! From the end of a Map Server to another one in its place.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, value_parser};
use nats::{Backbone, Subscription, call::DEADLINE};
use protocol::{
    MapName, ServerId,
    backbone::{
        events::{MapDown, MapUp},
        maps::MapServer,
        spawners::ListChildren,
    },
};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    link::Link,
    times::{Spread, Times, Verdict},
};

/// How long one replacement may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks whether enough are up.
const AGAIN: Duration = Duration::from_millis(200);

/// What `bots replace` is told.
#[derive(Debug, Args)]
pub(crate) struct Replace {
    #[command(flatten)]
    link: Link,

    /// Which map's; the processes must be on this machine
    #[arg(long, default_value = "forest")]
    map: MapName,

    /// Waits until so many are up
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = value_parser!(u16).range(1..))]
    of: u16,

    /// How many are hurt, one after the other
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = value_parser!(u32).range(1..=10_000))]
    count: u32,

    /// Have them hang (SIGSTOP) instead of killing them
    #[arg(long)]
    hang: bool,

    /// Before one that was replaced is hurt again, in seconds: what crashes again within a minute
    /// waits longer and longer
    #[arg(long, value_name = "SECONDS", default_value = "61")]
    rest_s: u64,

    #[command(flatten)]
    verdict: Verdict,
}

/// What was measured. The fields' names are those of the JSON.
#[derive(Debug, Serialize)]
struct Report {
    /// From the signal until everybody hears that the Map Server is gone.
    missed: Spread,
    /// From the signal until everybody hears that it is up again.
    replaced: Spread,
}

impl Replace {
    /// Hurts and waits, and judges.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let mut downs = backbone.subscribe::<MapDown>().await?;
        let mut ups = backbone.subscribe::<MapUp>().await?;
        let (mut missed, mut replaced) = (Times::new()?, Times::new()?);
        // When each may be hurt again, and its present life.
        let mut servers: BTreeMap<_, _> = self
            .found(&backbone)
            .await?
            .into_iter()
            .map(|server| (server.server.clone(), (Instant::now(), server)))
            .collect();
        for _ in 0..self.count {
            let next = servers.values().min_by_key(|(rested, _)| *rested);
            let (rested, server) = next.context("there is none to be hurt; see --of")?.clone();
            sleep_until(rested).await;
            let pid = process(&backbone, &server).await?;
            let hurt = Instant::now();
            kill_process(pid, if self.hang { Signal::STOP } else { Signal::KILL })?;
            let id = server.server.clone();
            until(&mut downs, &id, |down| down.life == server.life()).await?;
            missed.record(hurt.elapsed());
            let again =
                |up: &MapUp| up.server.server == id && up.server.incarnation != server.incarnation;
            let up = until(&mut ups, &id, again).await?;
            replaced.record(hurt.elapsed());
            servers.insert(id, (Instant::now() + Duration::from_secs(self.rest_s), up.server));
        }
        backbone.close().await;
        let report = Report { missed: missed.spread(), replaced: replaced.spread() };
        let Report { missed, replaced } = &report;
        let text = || format!("missed:   {missed}\nreplaced: {replaced}");
        self.verdict.tell(&report, text, replaced)
    }

    /// The map's Map Servers, once there are enough.
    async fn found(&self, backbone: &Backbone) -> anyhow::Result<Vec<MapServer>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut found = backbone.all_peers(DEADLINE).await?.maps;
            found.retain(|server| server.map == self.map && server.spawner.is_some());
            if found.len() >= usize::from(self.of) {
                return Ok(found);
            }
            if Instant::now() > until {
                bail!("spawners run {} of {} {}", found.len(), self.of, self.map);
            }
            sleep(AGAIN).await;
        }
    }
}

/// The process of a Map Server, as its spawner knows it.
async fn process(backbone: &Backbone, server: &MapServer) -> anyhow::Result<Pid> {
    let spawner = server.spawner.as_ref().context("it has no spawner")?;
    let children = backbone.call(spawner, ListChildren {}).await?.children;
    let child = children.into_iter().find(|child| child.server == server.server);
    let pid = child.and_then(|child| child.pid).and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
    pid.with_context(|| format!("{spawner} has no process for {}", server.server))
}

/// Waits for what is told of a Map Server.
async fn until<H: nats::table::Heard>(
    told: &mut Subscription<H>,
    server: &ServerId,
    is_it: impl Fn(&H) -> bool,
) -> anyhow::Result<H> {
    let wanted = async {
        while let Some(event) = told.next().await {
            if is_it(&event) {
                return Ok(event);
            }
        }
        bail!("the connection to NATS was closed")
    };
    let told = timeout(PATIENCE, wanted).await;
    told.with_context(|| format!("{server} was not replaced within {PATIENCE:?}"))?
}

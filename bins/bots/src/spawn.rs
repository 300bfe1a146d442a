//! From a command to a Map Server that takes players.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, value_parser};
use nats::Backbone;
use protocol::{
    MapName, ServerId,
    backbone::{
        maps::ListPeers,
        spawners::{SpawnMap, StopMap},
    },
    frame::{Encoding, Role},
};
use tokio::time::Instant;

use crate::{
    link::Link,
    lobby::{CONNECT, PROGRAM},
    times::{Times, Verdict},
};

/// The Cluster gives a spawner 12 s.
const PATIENCE: Duration = Duration::from_secs(13);

/// What `bots spawn` is told.
#[derive(Debug, Args)]
pub(crate) struct Spawn {
    #[command(flatten)]
    link: Link,

    /// Which map
    #[arg(long, default_value = "forest")]
    map: MapName,

    /// How many, one after the other; each is stopped before the next
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = value_parser!(u32).range(1..=10_000))]
    count: u32,

    #[command(flatten)]
    verdict: Verdict,
}

impl Spawn {
    /// Starts and stops Map Servers, and judges.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let mut times = Times::new()?;
        for _ in 0..self.count {
            let command = Instant::now();
            let server = self.start(&backbone).await?;
            times.record(command.elapsed());
            backbone.call_within(&(), StopMap { server }, PATIENCE).await?;
        }
        backbone.close().await;
        let spread = times.spread();
        self.verdict.tell(&spread, || format!("spawn: {spread}"), &spread)
    }

    /// Commands a Map Server, and has it greet a client.
    async fn start(&self, backbone: &Backbone) -> anyhow::Result<ServerId> {
        let spawn = SpawnMap { map: self.map.clone(), channel: None, instance: false };
        let spawned = backbone.call_within(&(), spawn, PATIENCE).await?;
        let id = spawned.life.server;
        let peers = backbone.call(&(), ListPeers {}).await?.maps;
        let server = peers.into_iter().find(|server| server.server == id);
        let server = server.with_context(|| format!("the Cluster does not know {id}"))?;
        let greeted =
            wire::connect(&server.address, server.port, Encoding::Msgpack, PROGRAM, CONNECT).await;
        match greeted? {
            (_, Role::Map) => Ok(id),
            (_, Role::Central) => bail!("{id} is Central, not a Map Server"),
        }
    }
}

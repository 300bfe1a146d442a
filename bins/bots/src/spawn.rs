//! From a command to a Map Server that takes players.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, value_parser};
use nats::{Backbone, Options};
use protocol::{
    MapName, Realm, ServerId,
    backbone::{
        maps::ListPeers,
        spawners::{SpawnMap, StopMap},
    },
    frame::{Encoding, Role},
};
use tokio::time::{Instant, timeout};

use crate::{
    data,
    lobby::{CONNECT, PROGRAM},
    talk,
    times::Times,
};

/// How long a NATS server has to answer.
const REACH: Duration = Duration::from_secs(3);
/// The Cluster gives a spawner 12 s.
const PATIENCE: Duration = Duration::from_secs(13);

/// What `bots spawn` is told.
#[derive(Debug, Args)]
pub(crate) struct Spawn {
    /// Where NATS is
    #[arg(
        long = "nats",
        value_name = "URL",
        env = "NATS_URL",
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222"
    )]
    nats_url: String,

    /// NATS credentials file (.creds), for servers that use JWT
    #[arg(long, env = "NATS_CREDS")]
    nats_creds: Option<PathBuf>,

    /// The world that is meant
    #[arg(long, env = "MMO_REALM", default_value = "main")]
    realm: Realm,

    /// Which map
    #[arg(long, default_value = "forest")]
    map: MapName,

    /// How many, one after the other; each is stopped before the next
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = value_parser!(u32).range(1..=10_000))]
    count: u32,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Fail if the 99th percentile is longer
    #[arg(long, value_name = "MS")]
    max_p99_ms: Option<f64>,
}

impl Spawn {
    /// Starts and stops Map Servers, and judges.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.connect().await?;
        let mut times = Times::new()?;
        for _ in 0..self.count {
            let command = Instant::now();
            let server = self.start(&backbone).await?;
            times.record(command.elapsed());
            backbone.call_within(&(), StopMap { server }, PATIENCE).await?;
        }
        backbone.close().await;
        let spread = times.spread();
        let text = || format!("spawn: {spread}");
        data(&if self.json { serde_json::to_string(&spread)? } else { text() });
        Ok(match self.max_p99_ms {
            Some(bound) if spread.p99_ms > bound => {
                talk(&format!("bots: p99 is {:.1} ms, more than {bound} ms", spread.p99_ms));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        })
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

    async fn connect(&self) -> anyhow::Result<Backbone> {
        let options = Options {
            url: self.nats_url.clone(),
            credentials: self.nats_creds.clone(),
            realm: self.realm.clone(),
            role: "operator".to_owned(),
            id: format!("bots-{}", std::process::id()),
        };
        let connected = timeout(REACH, Backbone::connect(options)).await;
        Ok(connected.context("NATS does not answer; see --nats")??)
    }
}

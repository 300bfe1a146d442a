//! One Map Server more.

use std::{process::ExitCode, time::Duration};

use protocol::{Channel, MapName, backbone::spawners::SpawnMap};

use crate::{data, link::Link};

/// The Cluster gives a spawner 12 s.
const PATIENCE: Duration = Duration::from_secs(13);

#[derive(Debug, clap::Args)]
pub(crate) struct Spawn {
    /// Which map
    map: MapName,

    /// Which channel; without it, the next one that does not live
    channel: Option<Channel>,

    #[command(flatten)]
    link: Link,
}

impl Spawn {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let spawn = SpawnMap { map: self.map, channel: self.channel, instance: false };
        let spawned = backbone.call_within(&(), spawn, PATIENCE).await?;
        data(&serde_json::to_string(&spawned)?);
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

//! One Map Server less.

use std::{process::ExitCode, time::Duration};

use protocol::{ServerId, backbone::spawners::StopMap};

use crate::{link::Link, talk};

/// The Cluster gives a spawner 12 s.
const PATIENCE: Duration = Duration::from_secs(13);

#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    /// Which Map Server, as `mmo status` names it
    server: ServerId,

    #[command(flatten)]
    link: Link,
}

impl Stop {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let server = self.server.clone();
        backbone.call_within(&(), StopMap { server }, PATIENCE).await?;
        talk(&format!("{} has ended", self.server));
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

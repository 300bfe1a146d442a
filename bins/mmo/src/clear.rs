//! A Map Server that crashed too often may be started again.

use std::process::ExitCode;

use anyhow::Context;
use protocol::{
    ServerId,
    backbone::{operations::GetStatus, spawners::ClearChild},
};

use crate::{link::Link, talk};

#[derive(Debug, clap::Args)]
pub(crate) struct Clear {
    /// Which Map Server, as `mmo status` names it
    server: ServerId,

    #[command(flatten)]
    link: Link,
}

impl Clear {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let status = backbone.call(&(), GetStatus {}).await?;
        let held = status.pending.into_iter().find(|pending| pending.server == self.server);
        let held = held
            .with_context(|| format!("{} is not held; `mmo status` lists what is", self.server))?;
        let server = self.server.clone();
        backbone.call(&held.spawner, ClearChild { server }).await?;
        talk(&format!("{} is started again", self.server));
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

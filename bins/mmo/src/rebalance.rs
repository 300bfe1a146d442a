//! Empty Map Servers move to the spawners that run the fewest.

use std::process::ExitCode;

use protocol::backbone::operations::{self, Draining};

use crate::{data, link::Link, talk};

#[derive(Debug, clap::Args)]
pub(crate) struct Rebalance {
    #[command(flatten)]
    link: Link,
}

impl Rebalance {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let Draining { servers } = backbone.call(&(), operations::Rebalance {}).await?;
        for server in &servers {
            data(server.as_str());
        }
        talk(&format!("{} empty Map Servers move", servers.len()));
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

//! What servers say to each other, a line each, for machines without the nats command.

use std::process::ExitCode;

use anyhow::bail;

use crate::{data, link::Link};

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// Which subjects; `mmo.v1.*.event.>` leaves out the beats
    #[arg(default_value = nats::table::EVERYTHING)]
    subjects: String,

    #[command(flatten)]
    link: Link,
}

impl Watch {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let mut watch = backbone.watch(&self.subjects).await?;
        while let Some((subject, payload)) = watch.next().await {
            data(&format!("{subject} {}", String::from_utf8_lossy(&payload)));
        }
        bail!("the connection to NATS was closed")
    }
}

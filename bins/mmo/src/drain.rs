//! Emptying a part of the cluster.

use std::process::ExitCode;

use protocol::{
    MapName, ServerId, SpawnerId,
    backbone::operations::{AbortDrain, Drain, Draining, Target},
};

use crate::{data, link::Link, talk};

#[derive(Debug, clap::Args)]
pub(crate) struct Empty {
    #[command(flatten)]
    what: What,

    /// Seconds that players are told beforehand
    #[arg(long, default_value = "30", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    countdown_s: u32,

    /// Why, for the players
    #[arg(long, default_value = "this server is about to be updated")]
    reason: String,

    /// Take it back, as far as it has not happened
    #[arg(long)]
    abort: bool,

    #[command(flatten)]
    link: Link,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// One Map Server, as `mmo status` names it
    #[arg(long)]
    server: Option<ServerId>,

    /// All channels of a map, which is not started again until this is taken back
    #[arg(long)]
    map: Option<MapName>,

    /// All Map Servers of a spawner, which gets no new ones
    #[arg(long)]
    spawner: Option<SpawnerId>,

    /// Everything
    #[arg(long)]
    all: bool,
}

impl What {
    fn target(self) -> Target {
        match self {
            Self { server: Some(server), .. } => Target::Server(server),
            Self { map: Some(map), .. } => Target::Map(map),
            Self { spawner: Some(spawner), .. } => Target::Spawner(spawner),
            Self { .. } => Target::All,
        }
    }
}

impl Empty {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let (target, countdown_s, reason) = (self.what.target(), self.countdown_s, self.reason);
        let Draining { servers } = if self.abort {
            backbone.call(&(), AbortDrain { target }).await?
        } else {
            backbone.call(&(), Drain { target, countdown_s, reason }).await?
        };
        for server in &servers {
            data(server.as_str());
        }
        let count = servers.len();
        talk(&match self.abort {
            true => format!("{count} Map Servers stay"),
            false => format!("{count} Map Servers are being emptied"),
        });
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

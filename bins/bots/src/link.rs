//! How a measurement reaches NATS.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use nats::{Backbone, Options};
use protocol::Realm;
use tokio::time::timeout;

/// How long a NATS server has to answer.
const REACH: Duration = Duration::from_secs(3);

/// Where the cluster is.
#[derive(Debug, Args)]
pub(crate) struct Link {
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
}

impl Link {
    /// Connects as the role `operator`.
    pub(crate) async fn connect(&self) -> anyhow::Result<Backbone> {
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

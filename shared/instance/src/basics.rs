//! The settings that every server has.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use protocol::Realm;
use tracing_subscriber::EnvFilter;

use crate::logging::LogFormat;

/// Flatten this into a program's own settings: `#[command(flatten)] pub basics: Basics`.
#[derive(Debug, Clone, clap::Args)]
pub struct Basics {
    /// TOML file with settings; without it none is read
    #[arg(long, env = "MMO_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print every setting with its value and origin, secrets masked, and exit
    #[arg(long)]
    pub print_config: bool,

    /// How log lines look on stderr
    #[arg(long, env = "MMO_LOG_FORMAT", value_name = "FORMAT", default_value = "human")]
    pub log_format: LogFormat,

    /// What to log: a level, or `target=level` pairs with commas between them
    #[arg(long, env = "MMO_LOG", value_name = "FILTER", default_value = "info,async_nats=warn")]
    pub log: EnvFilter,

    /// Where /healthz, /readyz and /metrics answer; port 0 takes a free one
    #[arg(long, env = "MMO_ADMIN_ADDRESS", value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub admin_address: SocketAddr,

    /// Seconds that the work in hand may take to end after a signal
    #[arg(
        long,
        env = "MMO_DRAIN_S",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = clap::value_parser!(u64).range(0..=3600)
    )]
    pub drain_s: u64,

    /// The world that this server belongs to
    #[arg(long, env = "MMO_REALM", value_name = "REALM", default_value = "main")]
    pub realm: Realm,
}

impl Basics {
    /// [`Basics::drain_s`] as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}

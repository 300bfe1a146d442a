//! What can be set.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use instance::Basics;
use protocol::{MapName, ServerId};

/// Central's settings.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) basics: Basics,

    /// This server's id, unique in the realm
    #[arg(long, env = "MMO_ID", value_name = "ID", default_value = "central-1")]
    pub(crate) id: ServerId,

    /// Where clients connect; port 0 takes a free one, which the log names
    #[arg(long, env = "MMO_LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:7700")]
    pub(crate) listen: SocketAddr,

    /// Where NATS is, several servers separated by commas
    #[arg(long, env = "NATS_URL", value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub(crate) nats_url: String,

    /// NATS credentials file (.creds), for servers that use JWT
    #[arg(long, env = "NATS_CREDS", value_name = "FILE")]
    pub(crate) nats_creds: Option<PathBuf>,

    /// Where Redis is, which holds sessions
    #[arg(long, env = "REDIS_URL", value_name = "URL", default_value = "redis://127.0.0.1:6379")]
    pub(crate) redis_url: String,

    /// Where accounts and characters are: sqlite://FILE or postgres://…
    #[arg(long, env = "DATABASE_URL", value_name = "URL", default_value = "sqlite://waystone.db")]
    pub(crate) database_url: String,

    /// File that says which maps and instances are meant to run; see README.md
    #[arg(long, env = "MMO_DESIRED", value_name = "FILE")]
    pub(crate) desired: Option<PathBuf>,

    /// Seconds that a session holds without being used
    #[arg(
        long,
        env = "MMO_SESSION_TTL_S",
        value_name = "SECONDS",
        default_value = "43200",
        value_parser = clap::value_parser!(u64).range(10..=31_536_000)
    )]
    pub(crate) session_ttl_s: u64,

    /// The map that new characters start on
    #[arg(long, env = "MMO_START_MAP", value_name = "MAP", default_value = "town")]
    pub(crate) start_map: MapName,

    /// Characters that an account may have
    #[arg(
        long,
        env = "MMO_CHARACTERS_PER_ACCOUNT",
        value_name = "COUNT",
        default_value = "8",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub(crate) characters_per_account: u32,

    /// Clients connected at once; more wait to be accepted
    #[arg(
        long,
        env = "MMO_CONNECTIONS",
        value_name = "COUNT",
        default_value = "4096",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) connections: u32,
}

impl Settings {
    /// [`Settings::session_ttl_s`] as a duration.
    pub(crate) fn session_ttl(&self) -> Duration {
        Duration::from_secs(self.session_ttl_s)
    }
}

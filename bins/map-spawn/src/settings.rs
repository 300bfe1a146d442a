//! The spawner's settings.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use clap::value_parser;
use instance::Basics;
use protocol::{Label, MapName, SpawnerId};

/// The settings of a Map Spawn Server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) basics: Basics,

    /// Id of this spawner, unique in its realm; the first word of its Map Servers' ids
    #[arg(long, env = "MMO_ID", value_name = "ID", default_value = "spawn-1")]
    pub(crate) id: SpawnerId,

    /// This machine's name or address, as clients reach it; its Map Servers advertise it
    #[arg(long, env = "MMO_ADVERTISE_ADDRESS", value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) advertise_address: String,

    /// Maps to run from the start and always, such as `town,forest:2` for two channels of forest
    #[arg(long, env = "MMO_SPAWN_MAPS", value_name = "MAP[:CHANNELS]", value_delimiter = ',')]
    pub(crate) spawn_maps: Vec<Standing>,

    /// Maps it may run; without it all that the map command lists
    #[arg(long, env = "MMO_MAPS", value_name = "MAP", value_delimiter = ',')]
    pub(crate) maps: Vec<MapName>,

    /// Program of the Map Server; without it `map` beside this program
    #[arg(long, env = "MMO_MAP_COMMAND", value_name = "FILE")]
    pub(crate) map_command: Option<PathBuf>,

    /// What this machine is good for, such as `fast,europe`: maps may ask for it
    #[arg(long, env = "MMO_LABELS", value_name = "LABEL", value_delimiter = ',')]
    pub(crate) labels: Vec<Label>,

    /// Slots for Map Servers, of which each takes one or as many as its map costs
    #[arg(
        long,
        env = "MMO_SLOTS",
        value_name = "COUNT",
        default_value = "16",
        value_parser = value_parser!(u32).range(1..=1000)
    )]
    pub(crate) slots: u32,

    /// Where Map Servers listen for clients
    #[arg(long, env = "MMO_LISTEN_ADDRESS", value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) listen_address: std::net::IpAddr,

    /// Ports that Map Servers take, such as `7100-7199`; 0 for any free one
    #[arg(long, env = "MMO_PORTS", value_name = "FROM-TO", default_value = "0")]
    pub(crate) ports: Ports,

    /// Seconds that a Map Server may take to register
    #[arg(
        long,
        env = "MMO_START_DEADLINE_S",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = value_parser!(u64).range(1..=600)
    )]
    pub(crate) start_deadline_s: u64,

    /// Seconds from SIGTERM to SIGKILL for a Map Server; give `drain_s` more than this
    #[arg(
        long,
        env = "MMO_STOP_GRACE_S",
        value_name = "SECONDS",
        default_value = "8",
        value_parser = value_parser!(u64).range(1..=3600)
    )]
    pub(crate) stop_grace_s: u64,

    /// NATS server, as nats://[user:password@]host:port
    #[arg(long, env = "NATS_URL", value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub(crate) nats_url: String,

    /// NATS credentials file
    #[arg(long, env = "NATS_CREDS", value_name = "FILE")]
    pub(crate) nats_creds: Option<PathBuf>,

    /// NATS server and user for Map Servers; without it the spawner's own
    #[arg(long, env = "MMO_MAP_NATS_URL", value_name = "URL")]
    pub(crate) map_nats_url: Option<String>,

    /// NATS credentials file for Map Servers; without it the spawner's own
    #[arg(long, env = "MMO_MAP_NATS_CREDS", value_name = "FILE")]
    pub(crate) map_nats_creds: Option<PathBuf>,

    /// Redis server, handed on to Map Servers; the spawner uses none
    #[arg(long, env = "REDIS_URL", value_name = "URL")]
    pub(crate) redis_url: Option<String>,
}

impl Settings {
    /// From a Map Server's launch to its registration.
    pub(crate) fn start_deadline(&self) -> Duration {
        Duration::from_secs(self.start_deadline_s)
    }

    /// From SIGTERM to SIGKILL.
    pub(crate) fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_s)
    }

    /// How long all Map Servers together may take to end: most of the drain, the rest of which
    /// goes to telling the Cluster.
    pub(crate) fn stop_patience(&self) -> Duration {
        self.basics.drain().mul_f64(0.9)
    }
}

/// A map that always runs, on this many channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) map: MapName,
    pub(crate) channels: u16,
}

impl FromStr for Standing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (map, channels) = text.trim().split_once(':').unwrap_or((text.trim(), "1"));
        let map = map.parse().map_err(|error| format!("{error}"))?;
        match channels.parse() {
            Ok(channels) if channels > 0 => Ok(Self { map, channels }),
            _ => Err(format!(
                "`{channels}` is no number of channels: use 1 to 65535, as in `{map}:2`"
            )),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.map, self.channels)
    }
}

/// A port range for Map Servers, checked here so that a slip shows before any is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports(String);

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
            (Ok(0), Ok(0)) => Ok(Self("0".to_owned())),
            (Ok(from), Ok(to)) if 0 < from && from <= to => Ok(Self(format!("{from}-{to}"))),
            _ => Err("use 0 for any free port, or a range such as 7100-7199".to_owned()),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_to_spawn_may_name_its_channels() {
        let parse = |text: &str| text.parse::<Standing>().map(|standing| standing.to_string());
        assert_eq!(parse("town").unwrap(), "town:1");
        assert_eq!(parse(" forest:2").unwrap(), "forest:2");
        assert!(parse("town:0").unwrap_err().contains("`town:2`"));
        assert!(parse("To wn").unwrap_err().contains("map name"));
    }

    #[test]
    fn ports_are_a_range_or_any() {
        let parse = |text: &str| text.parse::<Ports>().map(|ports| ports.to_string());
        assert_eq!(parse("0").unwrap(), "0");
        assert_eq!(parse("7100").unwrap(), "7100-7100");
        assert_eq!(parse("7100-7199").unwrap(), "7100-7199");
        for bad in ["", "7199-7100", "0-7", "70000", "a-b"] {
            assert!(parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}

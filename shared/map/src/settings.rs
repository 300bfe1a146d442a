//! What can be set.

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use instance::Basics;
use protocol::{Channel, MapName, ServerId, SpawnerId};
use world::Pace;

/// A Map Server's settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The settings that every server has.
    #[command(flatten)]
    pub basics: Basics,

    /// This server's id, unique in the realm
    #[arg(long, env = "MMO_ID", value_name = "ID")]
    pub id: ServerId,

    /// The map to run; --list-maps prints those there are
    #[arg(long, env = "MMO_MAP", value_name = "MAP")]
    pub map: MapName,

    /// The channel that is wished for; the Cluster may give another
    #[arg(long, env = "MMO_CHANNEL", value_name = "NUMBER", default_value = "1")]
    pub channel: Channel,

    /// Folder with more maps, one *.tmx file each, as Tiled writes them
    #[arg(long, env = "MMO_MAPS_DIR", value_name = "FOLDER")]
    pub maps_dir: Option<PathBuf>,

    /// Print the names of all maps as a JSON array and exit; only --maps-dir may stand beside it
    #[arg(long)]
    pub list_maps: bool,

    /// Write all that happens on the map to this file, for `replay`
    #[arg(long, env = "MMO_RECORD", value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Folder for a report and the last minute's recording when the game fails
    #[arg(long, env = "MMO_CRASH_DIR", value_name = "FOLDER", default_value = "crashes")]
    pub crash_dir: PathBuf,

    /// Folder for what could not be saved at the end; the next Map Server saves what it finds there
    #[arg(long, env = "MMO_RECOVERY_DIR", value_name = "FOLDER", default_value = "recovery")]
    pub recovery_dir: PathBuf,

    /// What chance on the map begins with; a number of its own at each start if not set
    #[arg(long, env = "MMO_SEED", value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// The address that clients' connections are taken on
    #[arg(long, env = "MMO_LISTEN_ADDRESS", value_name = "IP", default_value = "127.0.0.1")]
    pub listen_address: IpAddr,

    /// The TCP port for clients: 0 for a free one, or a range such as 7100-7199
    #[arg(long, env = "MMO_PORTS", value_name = "PORTS", default_value = "0")]
    pub ports: Ports,

    /// Host name or address of this machine, as clients reach it
    #[arg(long, env = "MMO_ADVERTISE_ADDRESS", value_name = "HOST", default_value = "127.0.0.1")]
    pub advertise_address: String,

    /// Players it takes
    #[arg(
        long,
        env = "MMO_CAPACITY",
        value_name = "COUNT",
        default_value = "200",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub capacity: u32,

    /// The spawner that started it
    #[arg(long, env = "MMO_SPAWNER", value_name = "ID")]
    pub spawner: Option<SpawnerId>,

    /// Where NATS is, several servers separated by commas
    #[arg(long, env = "NATS_URL", value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,

    /// NATS credentials file (.creds), for servers that use JWT
    #[arg(long, env = "NATS_CREDS", value_name = "FILE")]
    pub nats_creds: Option<PathBuf>,

    /// Where Redis is, which holds sessions
    #[arg(long, env = "REDIS_URL", value_name = "URL", default_value = "redis://127.0.0.1:6379")]
    pub redis_url: String,

    /// Seconds that a session holds without being used
    #[arg(
        long,
        env = "MMO_SESSION_TTL_S",
        value_name = "SECONDS",
        default_value = "43200",
        value_parser = clap::value_parser!(u64).range(10..=31_536_000)
    )]
    pub session_ttl_s: u64,

    /// Seconds between two saves of a character
    #[arg(
        long,
        env = "MMO_SAVE_EVERY_S",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub save_every_s: u64,

    /// Seconds that a seat is kept for a client on its way
    #[arg(
        long,
        env = "MMO_SEAT_KEPT_S",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub seat_kept_s: u64,

    /// Seconds that an instance is kept after the last of its party has gone
    #[arg(
        long,
        env = "MMO_INSTANCE_IDLE_S",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub instance_idle_s: u64,

    /// Seconds that a player whose connection is lost stays for its client to come back; 0 for none
    #[arg(
        long,
        env = "MMO_LINK_GRACE_S",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = clap::value_parser!(u64).range(0..=3600)
    )]
    pub link_grace_s: u64,

    /// Seconds after which a client that says nothing is sent away
    #[arg(
        long,
        env = "MMO_IDLE_S",
        value_name = "SECONDS",
        default_value = "300",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub idle_s: u64,

    /// How seldom players may be shown what happens while there is too much to do: `full` is each
    /// tick all the same, `eased` each second one, but what they did themselves at once, `sparse`
    /// each fourth
    #[arg(long, env = "MMO_SLOWEST_PACE", value_name = "PACE", default_value = "sparse")]
    pub slowest_pace: Pace,
}

impl Settings {
    /// [`Settings::session_ttl_s`] as a duration.
    pub fn session_ttl(&self) -> Duration {
        Duration::from_secs(self.session_ttl_s)
    }
}

/// The TCP ports to try, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(RangeInclusive<u16>);

impl Ports {
    /// Every port to try; 0 stands for a free one of the system's choice.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.clone()
    }
}

impl std::fmt::Display for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// A text that names no ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no ports: use 0, a port, or a range such as 7100-7199")]
pub struct InvalidPorts(String);

impl FromStr for Ports {
    type Err = InvalidPorts;

    fn from_str(text: &str) -> Result<Self, InvalidPorts> {
        let invalid = || InvalidPorts(text.to_owned());
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| invalid());
        match text.split_once('-') {
            None => port(text).map(|port| Self(port..=port)),
            Some((first, last)) => {
                let (first, last) = (port(first)?, port(last)?);
                // 0 in a range would mean any port, and then the range nothing.
                let is_range = first > 0 && first <= last;
                is_range.then_some(Self(first..=last)).ok_or_else(invalid)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_any_one_or_a_range() {
        let ports =
            |text: &str| text.parse::<Ports>().map(|ports| ports.iter().collect::<Vec<_>>());
        assert_eq!(ports("0"), Ok(vec![0]));
        assert_eq!(ports("7100-7102"), Ok(vec![7100, 7101, 7102]));
        assert_eq!("7100-7199".parse::<Ports>().unwrap().to_string(), "7100-7199");
        for bad in ["", "x", "-", "0-5", "7101-7100", "70000", "1-2-3"] {
            assert!(ports(bad).is_err(), "{bad:?} was taken");
        }
    }
}

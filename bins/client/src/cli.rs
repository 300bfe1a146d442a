//! Flags and subcommands.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use client::ClientConfig;
use protocol::{Channel, frame::Encoding};

/// Plays on a Waystone cluster from the terminal: line by line, or a whole journey at once.
#[derive(Debug, clap::Parser)]
#[command(name = "client", version, args_conflicts_with_subcommands = false)]
pub(crate) struct Cli {
    /// Where Central listens.
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:7700")]
    central: String,
    /// How messages are written: msgpack for play, json for looking at the wire.
    #[arg(long, global = true, default_value = "msgpack", value_parser = encoding())]
    encoding: Encoding,
    /// Without one: a session by hand. Type `help` in it.
    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommand>,
}

/// What else to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Goes the whole way and checks each step: register or log in, pick or create a character,
    /// enter, walk, speak, warp to another map and back, leave, log out.
    Journey(JourneyArguments),
}

/// Who goes, and how it is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct JourneyArguments {
    /// The account; registered unless it exists. A random one if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// The account's password. A random one if not given. A flag shows in every process list, the
    /// variable does not.
    #[arg(long, env = "MMO_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
    /// The character; created unless the account has it. If not given: the account's first, or a
    /// new one with a random name.
    #[arg(long, value_name = "NAME")]
    pub(crate) character: Option<String>,
    /// Waits on the first map for a character of this name, and for a word from it.
    #[arg(long, value_name = "NAME")]
    pub(crate) meet: Option<String>,
    /// Enters this channel of the first map; the emptiest one if not given.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) channel: Option<Channel>,
    /// One JSON object a step on stdout.
    #[arg(long)]
    pub(crate) json: bool,
    /// How long each step may take, in seconds; `meet` and `hear` have 30 at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) deadline_s: u64,
}

impl Cli {
    pub(crate) fn config(&self) -> ClientConfig {
        let program = concat!("waystone-terminal/", env!("CARGO_PKG_VERSION")).to_owned();
        let encoding = self.encoding;
        ClientConfig { encoding, program, ..ClientConfig::new(self.central.clone()) }
    }
}

fn encoding() -> impl TypedValueParser<Value = Encoding> {
    PossibleValuesParser::new(["msgpack", "json"])
        .map(|name| if name == "json" { Encoding::Json } else { Encoding::Msgpack })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn flags_stand_before_or_after_the_subcommand() {
        Cli::command().debug_assert();
        for line in ["client --encoding json journey", "client journey --encoding json"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.config().encoding, Encoding::Json, "{line}");
        }
        assert!(Cli::try_parse_from(["client", "--encoding", "xml"]).is_err());
    }
}

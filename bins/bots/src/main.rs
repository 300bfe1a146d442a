//! Many clients from one process, and what they measure.
//!
//! # Layout
//! - [`walk`]: thousands of players who walk.
//! - [`journey`]: the way of a player, again and again.
//! - [`warp`]: from map to map. [`spawn`]: from a command to a Map Server. [`replace`]: from the end
//!   of one to another in its place. [`link`]: how these two reach NATS.
//! - [`company`]: accounts and characters for it. [`times`]: how long something took.
//! - [`lobby`]: a bot's talk with Central. [`entrance`]: from a kept seat onto the map.
//! - [`process`]: what a process takes of the machine. [`descriptors`]: room for many sockets.
//!
//! Data goes to stdout, talk to stderr. The exit status says whether all stated bounds were held.

mod company;
mod descriptors;
mod entrance;
mod journey;
mod link;
mod lobby;
mod process;
mod replace;
mod spawn;
mod times;
mod walk;
mod warp;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bots", version, about = "Many clients from one process, and what they measure")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Have many players walk, and measure how soon each hears of its own steps
    Walk(walk::Walk),
    /// Go the way of a player again and again: log in, select, enter the map, leave
    Journey(journey::Journey),
    /// Warp between two maps, there and back
    Warp(warp::Warp),
    /// Have Map Servers started and stopped
    Spawn(spawn::Spawn),
    /// Have Map Servers killed or hung, and measure how soon each is replaced
    Replace(replace::Replace),
}

// One thread, so that one core carries all bots and the server has the others.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Walk(walk) => walk.run().await,
        Command::Journey(journey) => journey.run().await,
        Command::Warp(warp) => warp.run().await,
        Command::Spawn(spawn) => spawn.run().await,
        Command::Replace(replace) => replace.run().await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            talk(&format!("bots: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says something to the person at the terminal.
#[expect(clippy::print_stderr, reason = "a terminal program")]
fn talk(line: &str) {
    eprintln!("{line}");
}

/// Prints a line of data; whoever read it may have gone away.
fn data(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

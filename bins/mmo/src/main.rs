//! The operator's command.
//!
//! # Layout
//! - [`up`]: a whole cluster on this machine, and the journey through it.
//! - [`watch`]: what servers say to each other, a line each.
//! - [`status`]: the living cluster.
//! - [`spawn`], [`stop`]: one Map Server more, one less.
//! - [`drain`]: emptying a part of the cluster. [`rebalance`]: empty maps move to new spawners.
//! - [`desired`]: what is meant to run. [`clear`]: what crashed too often may run again.
//! - [`link`]: how a command reaches NATS.
//!
//! Data goes to stdout, talk to stderr.

mod clear;
mod desired;
mod drain;
mod link;
mod rebalance;
mod spawn;
mod status;
mod stop;
mod up;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "mmo", version, about = "Operate a Waystone cluster")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole cluster on this machine and play the journey through it
    Up(up::Up),
    /// Print what servers say to each other, a line each
    Watch(watch::Watch),
    /// Print the Map Servers and spawners that live
    Status(status::Status),
    /// Have a Map Server started by the least loaded spawner
    Spawn(spawn::Spawn),
    /// Have a Map Server stopped for good
    Stop(stop::Stop),
    /// Empty a part of the cluster: tell players, move them, stop Map Servers
    Drain(drain::Empty),
    /// Move empty Map Servers to the spawners that run the fewest
    Rebalance(rebalance::Rebalance),
    /// Print what is meant to run, or change it
    Desired(desired::Wish),
    /// Start a Map Server again that crashed too often
    Clear(clear::Clear),
}

// One thread: a child's parent-death signal fires when the thread that started it ends.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Up(up) => up.run().await,
        Command::Watch(watch) => watch.run().await,
        Command::Status(status) => status.run().await,
        Command::Spawn(spawn) => spawn.run().await,
        Command::Stop(stop) => stop.run().await,
        Command::Drain(drain) => drain.run().await,
        Command::Rebalance(rebalance) => rebalance.run().await,
        Command::Desired(desired) => desired.run().await,
        Command::Clear(clear) => clear.run().await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            talk(&format!("mmo: {error:#}"));
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

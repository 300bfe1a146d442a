//! What the machine can do without us: a bare program that sends each of its clients the bytes
//! that a Map Server would, at the same rate, and takes their inputs. It has no game, no checks and
//! no second thread, so it is the limit that a Map Server is held against.
//!
//! It speaks as much of the wire as `bots walk --raw` needs. On stdout it prints a JSON object: its
//! address first, then one a second, and at the end, when the last client has left, one over the
//! time that all were there.
//!
//! # Layout
//! - [`server`]: the loop. [`client`]: one connection. [`tick`]: the frame that goes to all.
//! - [`meter`]: what is measured.

mod client;
mod meter;
mod server;
mod tick;

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, value_parser};

use crate::server::Server;

#[derive(Debug, Parser)]
#[command(name = "raw-fanout", version, about = "Send the same bytes as a Map Server, and no game")]
pub(crate) struct Cli {
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Bytes of each frame, its header among them
    #[arg(long, value_name = "COUNT", default_value = "500", value_parser = value_parser!(u32).range(64..=60_000))]
    bytes: u32,

    /// Frames a second to each client
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = value_parser!(u32).range(1..=1_000))]
    hz: u32,
}

fn main() -> ExitCode {
    match Server::open(&Cli::parse()).and_then(Server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a terminal program")]
fn complain(error: &anyhow::Error) {
    eprintln!("raw-fanout: {error:#}");
}

/// Prints a line of data; whoever read it may have gone away.
fn data(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

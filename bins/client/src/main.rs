//! Terminal client and scripted journeys.
//!
//! # Layout
//! - `cli`: flags and subcommands.
//! - `journey`: the whole way, from a login over two maps to a logout, step by step.
//! - `console`: a session by hand, line by line.
//! - `world`: a small world in this process, for the tests of both.

mod cli;
mod console;
mod journey;
#[cfg(test)]
mod world;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Subcommand};

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = cli.config();
    match cli.subcommand {
        Some(Subcommand::Journey(arguments)) => {
            let held = runtime.block_on(journey::main(config, arguments))?;
            Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        None => {
            runtime.block_on(console::main(config))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

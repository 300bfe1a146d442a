//! Thousands of players who walk.

use std::process::ExitCode;

use clap::Args;

/// What `bots walk` is told.
#[derive(Args)]
pub(crate) struct Walk {
    /// Where Central listens
    #[arg(long, default_value = "127.0.0.1:7700")]
    central: String,
}

impl Walk {
    /// Walks.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        crate::data(&self.central);
        Ok(ExitCode::SUCCESS)
    }
}

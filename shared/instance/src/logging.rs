//! Logs go to stderr: stdout is for lines that programs read.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer, layer::SubscriberExt, registry, util::SubscriberInitExt, util::TryInitError,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line for people, in colour on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts logging for the whole process, panics included.
///
/// # Errors
/// The process logs already.
pub fn init(format: LogFormat, filter: EnvFilter) -> Result<(), TryInitError> {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Human => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    registry().with(lines.with_filter(filter)).try_init()?;
    // The default hook writes plain lines, which would break a log of JSON lines.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

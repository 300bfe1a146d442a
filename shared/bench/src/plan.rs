//! How much is measured.

use std::time::Duration;

/// How many rounds, and how long each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Rounds of each thing that is measured; odd, so that a median is one of them.
    pub rounds: usize,
    /// How long a round lasts.
    pub round: Duration,
}

impl Plan {
    /// What the command line and the environment ask for: `--smoke`, or `full` otherwise.
    pub fn or(full: Self) -> Self {
        let asked = std::env::args().any(|argument| argument == "--smoke");
        if asked || std::env::var("WAYSTONE_BENCH").is_ok_and(|value| value == "smoke") {
            Self { rounds: 1, round: Duration::from_millis(20) }
        } else {
            full
        }
    }
}

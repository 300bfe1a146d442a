//! Why a server stopped that nobody asked to stop.

use std::{borrow::Cow, time::Duration};

use crate::BoxError;

/// Why a server stopped, or did not stop well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// A task failed.
    #[error("task `{task}` failed")]
    Failed {
        /// Its name.
        task: Cow<'static, str>,
        /// Its error.
        #[source]
        source: BoxError,
    },
    /// A task panicked.
    #[error("task `{task}` panicked: {message}")]
    Panicked {
        /// Its name.
        task: Cow<'static, str>,
        /// What it said.
        message: String,
    },
    /// A task ended before it was asked to.
    #[error("task `{task}` ended before it was asked to")]
    Early {
        /// Its name.
        task: Cow<'static, str>,
    },
    /// Every task has ended, so there is nothing to run for.
    #[error("no task is left to run")]
    NothingLeft,
    /// Tasks did not end in time and were aborted.
    #[error("these tasks did not end within {} s and were aborted: {}", limit.as_secs_f64(), tasks.join(", "))]
    Stuck {
        /// Their names.
        tasks: Vec<Cow<'static, str>>,
        /// The time they had.
        limit: Duration,
    },
}

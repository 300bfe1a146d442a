//! Why a call failed, and why a connection ended.

use std::{fmt, time::Duration};

use protocol::{Code, Failure};
use wire::WireError;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// This client ended it: it selected a character, left the map or was told to.
    Planned,
    /// The server ended it, with these words.
    Told(Failure),
    /// It ended without a word: closed, reset, silent or garbled.
    Lost(String),
}

impl Reason {
    /// Whether the session that the connection stood on is over too.
    pub(crate) fn ends_session(&self) -> bool {
        let over = [Code::SessionReplaced, Code::LoggedOut, Code::TokenInvalid];
        matches!(self, Self::Told(failure) if over.contains(&failure.code))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned => f.write_str("this client left"),
            Self::Told(failure) => failure.fmt(f),
            Self::Lost(what) => f.write_str(what),
        }
    }
}

impl From<WireError> for Reason {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Refused(failure) => Self::Told(failure),
            other => Self::Lost(other.to_string()),
        }
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server said no, and what to do.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The connection ended before the answer, or could not be made.
    #[error("not connected: {0}")]
    Disconnected(Reason),
    /// No answer came in time. Whether the server did what was asked is not known.
    #[error("`{call}` was not answered within {after:?}; try again")]
    DeadlinePassed {
        /// Which call.
        call: &'static str,
        /// How long it waited.
        after: Duration,
    },
    /// The call makes no sense now; nothing was sent.
    #[error("{0}")]
    WrongState(&'static str),
    /// The setting for Central is no address.
    #[error("`{0}` is no address; write HOST:PORT")]
    Address(String),
}

impl ClientError {
    /// The failure's code, where the server gave one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Failed(failure) | Self::Disconnected(Reason::Told(failure)) => Some(failure.code),
            Self::DeadlinePassed { .. } => Some(Code::DeadlinePassed),
            Self::WrongState(_) => Some(Code::WrongState),
            Self::Disconnected(_) | Self::Address(_) => None,
        }
    }

    /// Whether the same call may succeed later, after connecting again where that is needed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(failure) | Self::Disconnected(Reason::Told(failure)) => failure.retry,
            Self::Disconnected(_) | Self::DeadlinePassed { .. } => true,
            Self::WrongState(_) | Self::Address(_) => false,
        }
    }

    /// The reason to report when this happened on the way to a server that nobody asked for.
    pub(crate) fn into_reason(self) -> Reason {
        match self {
            Self::Failed(failure) => Reason::Told(failure),
            Self::Disconnected(reason) => reason,
            other => Reason::Lost(other.to_string()),
        }
    }
}

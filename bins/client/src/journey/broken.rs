//! Why a step did not hold.

use std::fmt;

use client::{ClientError, Reason};
use protocol::Failure;
use serde::Serialize;

/// A step that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Broken {
    /// For programs: the code of the failure, or `disconnected`, `unexpected`.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
}

impl Broken {
    /// The servers did something else than what they should.
    pub(crate) fn unexpected(message: impl Into<String>) -> Self {
        Self { code: "unexpected".to_owned(), message: message.into() }
    }

    /// The connection ended under the step.
    pub(crate) fn disconnected(message: impl Into<String>) -> Self {
        Self { code: "disconnected".to_owned(), message: message.into() }
    }
}

impl From<ClientError> for Broken {
    fn from(error: ClientError) -> Self {
        let code = match (&error, error.code()) {
            (_, Some(code)) => code.to_string(),
            (ClientError::Address(_), None) => "address".to_owned(),
            (_, None) => "disconnected".to_owned(),
        };
        let message = match error {
            ClientError::Failed(failure) => failure.message,
            ClientError::Disconnected(Reason::Told(failure)) => failure.message,
            ClientError::Disconnected(reason) => reason.to_string(),
            other => other.to_string(),
        };
        Self { code, message }
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code.to_string(), message: failure.message }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

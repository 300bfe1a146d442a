//! What can go wrong, by what the caller can do about it.

use protocol::{Code, Failure};

/// Why a call on the sessions failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionsError {
    /// The URL cannot be used; trying again cannot help.
    #[error(
        "REDIS_URL cannot be used: {reason}; write redis://host:port or redis+unix:///path/to.sock"
    )]
    BadUrl {
        /// What is wrong with it, without the URL itself: it may hold a password.
        reason: String,
    },
    /// Redis is away, hangs or refuses; try again. The command may have been carried out.
    #[error("Redis at {place} cannot be used now: {reason}; is it up, and is REDIS_URL right?")]
    Unavailable {
        /// The address, without user and password.
        place: String,
        /// What was seen.
        reason: String,
    },
    /// A key holds what no server of this cluster wrote. A new login writes it afresh.
    #[error("Redis at {place}: {key} does not hold a session: {reason}; delete the key")]
    Corrupt {
        /// The address, without user and password.
        place: String,
        /// Which key.
        key: String,
        /// What was seen.
        reason: String,
    },
}

/// What a client may hear: no addresses and no keys.
impl From<SessionsError> for Failure {
    fn from(error: SessionsError) -> Self {
        match error {
            SessionsError::Unavailable { .. } => Failure::new(
                Code::Unavailable,
                "logins cannot be checked at the moment; try again shortly",
            ),
            SessionsError::BadUrl { .. } | SessionsError::Corrupt { .. } => Failure::new(
                Code::Internal,
                "the login could not be checked; log in again, and tell the operator if it stays",
            ),
        }
    }
}

//! What can go wrong, by what the caller can do about it.

use protocol::{Code, Failure, backbone::Life};

/// Why a call on the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An account or a character has that name.
    #[error("that name is taken; choose another")]
    NameTaken,
    /// The account has as many characters as it may.
    #[error("an account has at most {limit} characters; delete one first")]
    LimitReached {
        /// How many it may have.
        limit: u32,
    },
    /// No such account.
    #[error("there is no such account; log in again")]
    AccountUnknown,
    /// The account has no such character, or there is none of that id at all.
    #[error("there is no such character; list them again")]
    CharacterUnknown,
    /// The character is owned by a Map Server and cannot be deleted.
    #[error("the character is on a map ({owner}); leave it first")]
    InUse {
        /// By whom.
        owner: Life,
    },
    /// The character has another owner, epoch or version than the caller believed: its copy must
    /// be dropped, or loaded anew.
    #[error("the saved character has another owner or is newer; drop this copy")]
    Fenced,
    /// What is meant to run was changed meanwhile.
    #[error("what is meant to run is at revision {revision} by now; read it again, then change it")]
    Outdated {
        /// The present revision.
        revision: u64,
    },
    /// A commit names a character twice, or too many.
    #[error("a commit names each of its characters once, and 64 at most")]
    CommitInvalid,
    /// The position to be saved is no place on any map.
    #[error("a position must be two finite numbers")]
    PositionInvalid,
    /// The URL cannot be used; trying again cannot help.
    #[error(
        "DATABASE_URL cannot be used: {reason}; write sqlite://path/to/file or \
         postgres://user:password@host:port/database"
    )]
    BadUrl {
        /// What is wrong with it, without the URL itself: it may hold a password.
        reason: String,
    },
    /// The database is away, locked or too slow; try again. The change may have been made.
    #[error("{place} cannot be used now: {reason}; {advice}")]
    Unavailable {
        /// The file or server, without the password.
        place: String,
        /// What was seen.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The database is there and cannot be used as it is; somebody must act.
    #[error("{place} cannot be used: {reason}; {advice}")]
    Unusable {
        /// The file or server, without the password.
        place: String,
        /// What was seen.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// A row holds what this crate does not write.
    #[error("{place}: {row} cannot be read: {reason}; restore it from a backup")]
    Corrupt {
        /// The file or server, without the password.
        place: String,
        /// Which row.
        row: String,
        /// What was seen.
        reason: String,
    },
}

/// What a client may hear: no files and no addresses.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NameTaken => Code::NameTaken,
            StoreError::LimitReached { .. } => Code::CharacterLimit,
            StoreError::AccountUnknown => Code::TokenInvalid,
            StoreError::CharacterUnknown => Code::CharacterUnknown,
            StoreError::InUse { .. } => {
                let message = "the character is on a map; leave it, or try again shortly";
                return Failure::new(Code::CharacterInUse, message);
            }
            StoreError::Fenced | StoreError::Outdated { .. } => Code::Fenced,
            StoreError::PositionInvalid | StoreError::CommitInvalid => Code::Malformed,
            StoreError::Unavailable { .. } => {
                let message = "accounts and characters are away at the moment; try again shortly";
                return Failure::new(Code::Unavailable, message);
            }
            StoreError::BadUrl { .. }
            | StoreError::Unusable { .. }
            | StoreError::Corrupt { .. } => {
                let message = "accounts and characters cannot be used; tell the operator";
                return Failure::new(Code::Internal, message);
            }
        };
        Failure::new(code, error.to_string())
    }
}

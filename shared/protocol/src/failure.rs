//! The one error shape of the wire, for clients and servers alike.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $number:literal, $retry:literal;)*) => {
        /// What went wrong, in a word that a program can act on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Code {
            /// Every code, for documents and tests.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The number in `Nats-Service-Error-Code`, in the manner of HTTP:
            /// 4xx is the asker's fault, 5xx the answerer's.
            pub fn number(self) -> usize {
                match self { $(Self::$name => $number),* }
            }

            /// Whether the same call may succeed later without a change by the caller.
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry),* }
            }
        }
    };
}

codes! {
    /// The bytes are no message of this protocol.
    Malformed = "malformed", 400, false;
    /// The frame is longer than this state of the connection allows.
    FrameTooLarge = "frame_too_large", 413, false;
    /// No protocol version in common.
    WrongVersion = "wrong_version", 426, false;
    /// The message exists, but not in this state of the connection.
    WrongState = "wrong_state", 409, false;
    /// The client was silent for too long.
    Silent = "silent", 408, false;
    /// A name breaks the stated rules.
    NameInvalid = "name_invalid", 422, false;
    /// A name is in use by another.
    NameTaken = "name_taken", 409, false;
    /// A password breaks the stated rules.
    PasswordInvalid = "password_invalid", 422, false;
    /// A text (chat) breaks the stated rules.
    TextInvalid = "text_invalid", 422, false;
    /// Unknown account or wrong password; which of the two is not told.
    BadCredentials = "bad_credentials", 401, false;
    /// The access token is wrong, expired or another account's.
    TokenInvalid = "token_invalid", 401, false;
    /// A newer login of the same account ended this session.
    SessionReplaced = "session_replaced", 401, false;
    /// The session ended because its owner logged out.
    LoggedOut = "logged_out", 401, false;
    /// The ticket was used, has expired or was never given.
    TicketInvalid = "ticket_invalid", 401, false;
    /// The connection key is of another Map Server, or of an earlier life of this one.
    KeyInvalid = "key_invalid", 421, false;
    /// The account has no such character.
    CharacterUnknown = "character_unknown", 404, false;
    /// The character is on a map and could not be taken from it.
    CharacterInUse = "character_in_use", 409, true;
    /// The account has as many characters as it may.
    CharacterLimit = "character_limit", 409, false;
    /// The saved copy has another owner or is newer: the sender must drop its own.
    Fenced = "fenced", 409, false;
    /// The game sent the player away.
    Kicked = "kicked", 403, false;
    /// The game does not let this happen.
    NotAllowed = "not_allowed", 409, false;
    /// No map of that name is known to anybody.
    MapUnknown = "map_unknown", 404, false;
    /// No Map Server for that map is up.
    NoServer = "no_server", 503, true;
    /// No Map Server of that id is known.
    ServerUnknown = "server_unknown", 404, false;
    /// Every Map Server for that map is full.
    MapFull = "map_full", 503, true;
    /// Another live server has this id.
    IdInUse = "id_in_use", 409, true;
    /// No spawner can start that map now.
    NoSpawner = "no_spawner", 503, true;
    /// A Map Server was started but did not register in time, or exited.
    SpawnFailed = "spawn_failed", 502, true;
    /// The server is shutting down.
    Draining = "draining", 503, true;
    /// Too much work is waiting; try again shortly.
    Busy = "busy", 503, true;
    /// A service this call needs (NATS, Redis, SQL, Central) is away.
    Unavailable = "unavailable", 503, true;
    /// No answer came before the deadline, or the command came after it.
    DeadlinePassed = "deadline_passed", 504, true;
    /// A fault of the server; its log has the details.
    Internal = "internal", 500, false;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// For programs.
    pub code: Code,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// Whether trying again later may succeed.
    pub retry: bool,
}

impl Failure {
    /// A failure whose `retry` follows from its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry: code.is_retryable() }
    }

    /// Reads what [`fmt::Display`] wrote, as it stands in `Nats-Service-Error`.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, message) = text.split_once(": ")?;
        let code = Code::ALL.iter().find(|code| code.as_str() == word)?;
        Some(Self::new(*code, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_the_same_in_json_and_in_a_header() {
        for &code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            let failure = Failure::new(code, "what: and why");
            assert_eq!(Failure::parse(&failure.to_string()), Some(failure));
        }
    }
}

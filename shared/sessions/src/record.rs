//! What stands in an account's key.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::{AccessToken, SessionId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A session as Redis holds it. Its text never changes; only its time to live does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Which login this is.
    pub(crate) session: SessionId,
    /// SHA-256 of the token's text, in hexadecimal.
    token_sha256: String,
    /// The account's name, for logs and events.
    pub(crate) name: String,
    /// When it was opened, in milliseconds since 1970; for people who look into Redis.
    opened_ms: u64,
}

impl Record {
    /// A new session's record.
    pub(crate) fn new(session: SessionId, token: &AccessToken, name: &str) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            session,
            token_sha256: sha256(token),
            name: name.to_owned(),
            opened_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The text that stands in the record of a token's session, and in no other.
    pub(crate) fn proof_of(token: &AccessToken) -> String {
        sha256(token)
    }

    /// Whether `token` is this session's, in a time that does not tell how much of it was right.
    pub(crate) fn is_proved_by(&self, token: &AccessToken) -> bool {
        self.token_sha256.as_bytes().ct_eq(sha256(token).as_bytes()).into()
    }
}

fn sha256(token: &AccessToken) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let digest = Sha256::digest(token.reveal());
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_no_token_and_knows_its_own() {
        let token = AccessToken::from_bytes([7; 32]);
        let record = Record::new(SessionId::new(), &token, "ada");
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains(token.reveal()), "{text}");
        assert!(record.is_proved_by(&token));
        assert!(!record.is_proved_by(&AccessToken::from_bytes([8; 32])));
    }
}

//! 256-bit values that prove something. Whoever holds one, is; so none of them shows in a log.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::text;

/// Size of a secret, in bytes.
pub const SECRET_BYTES: usize = 32;

/// A text that is not 64 hexadecimal digits. The text itself is kept out of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret is 64 lower-case hexadecimal digits")]
pub struct InvalidSecret;

macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// 64 lower-case hexadecimal digits on the wire; masked by `Debug`.
        #[derive(Clone, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps 32 bytes, which must come from a cryptographic generator.
            pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
                Self(hexadecimal(bytes))
            }

            /// The text itself: to be sent or hashed, never logged.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidSecret;

            fn from_str(text: &str) -> Result<Self, InvalidSecret> {
                let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
                if text.len() == 2 * SECRET_BYTES && text.bytes().all(hex) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidSecret)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::parse(deserializer)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
            }
        }
    )*};
}

secret! {
    /// Who a client is: given at login, shown to Central and to every Map Server it enters.
    AccessToken;
    /// Which seat a client takes: given for one entry to one Map Server, void once shown.
    Ticket;
    /// Whose place a client takes over that lost its connection: given with each entry and each
    /// resumption, for one resumption on the same Map Server, void once it was good for one.
    ResumeTicket;
    /// Which incarnation of which Map Server a client means: a recycled port is refused by it.
    ConnectionKey;
}

fn hexadecimal(bytes: [u8; SECRET_BYTES]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_in_debug_output_or_errors() {
        let token = AccessToken::from_bytes([0xab; SECRET_BYTES]);
        assert_eq!(format!("{token:?}"), "AccessToken(…)");
        let error = serde_json::from_str::<AccessToken>("\"hunter2\"").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_secret_survives_the_wire() {
        let token = AccessToken::from_bytes([0x7f; SECRET_BYTES]);
        let text = serde_json::to_string(&token).unwrap();
        assert_eq!(text, format!("\"{}\"", "7f".repeat(SECRET_BYTES)));
        assert_eq!(serde_json::from_str::<AccessToken>(&text).unwrap(), token);
    }
}

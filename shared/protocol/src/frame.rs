//! The first words on a client's connection, its encodings and its limits.
//!
//! A frame is a 4-byte big-endian length and that many bytes. The first frame each way is JSON:
//! the client's [`Hello`], answered by [`Greeting`]. From then on the chosen [`Encoding`] holds.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Code, Failure};

/// The one protocol version this build speaks.
pub const VERSION: u16 = 1;
/// Largest frame from a client that has not proved who it is, in bytes.
pub const GUEST_FRAME_MAX: usize = 4 * 1024;
/// Largest frame otherwise, in bytes.
pub const FRAME_MAX: usize = 64 * 1024;

/// How messages are written, chosen by the client in its first frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// MessagePack with field names: for play.
    #[default]
    Msgpack,
    /// JSON: for debugging and for languages without MessagePack.
    Json,
}

/// Room for a message at first, in bytes: what most need.
const USUAL: usize = 128;

impl Encoding {
    /// Writes a message.
    ///
    /// # Errors
    /// When the value cannot be written, which no message of this crate causes.
    pub fn encode<T: Serialize>(self, message: &T) -> Result<Vec<u8>, EncodingError> {
        match self {
            Self::Msgpack => {
                let mut bytes = Vec::with_capacity(USUAL);
                rmp_serde::encode::write_named(&mut bytes, message).map_err(EncodingError::new)?;
                Ok(bytes)
            }
            Self::Json => serde_json::to_vec(message).map_err(EncodingError::new),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When the bytes are not a `T`; the text says where.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, EncodingError> {
        match self {
            Self::Msgpack => rmp_serde::from_slice(bytes).map_err(EncodingError::new),
            Self::Json => serde_json::from_slice(bytes).map_err(EncodingError::new),
        }
    }
}

/// Bytes that are no message, or a message that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodingError(String);

impl EncodingError {
    fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl From<EncodingError> for Failure {
    fn from(error: EncodingError) -> Self {
        Failure::new(Code::Malformed, format!("that message cannot be read: {error}"))
    }
}

/// The client's first frame, always JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// Always `waystone`: tells a lost browser from a client.
    pub protocol: String,
    /// The versions it speaks.
    pub versions: Vec<u16>,
    /// The encoding of everything after the greeting.
    #[serde(default)]
    pub encoding: Encoding,
    /// Name and version of the program, for logs.
    #[serde(default)]
    pub program: String,
}

impl Hello {
    /// The word in [`Hello::protocol`].
    pub const PROTOCOL: &str = "waystone";

    /// The hello of this build.
    pub fn new(encoding: Encoding, program: impl Into<String>) -> Self {
        Self {
            protocol: Self::PROTOCOL.to_owned(),
            versions: vec![VERSION],
            encoding,
            program: program.into(),
        }
    }

    /// Whether this build can talk with whoever said this.
    ///
    /// # Errors
    /// [`Code::Malformed`] for another protocol, [`Code::WrongVersion`] naming what is spoken here.
    pub fn check(&self) -> Result<(), Failure> {
        if self.protocol != Self::PROTOCOL {
            return Err(Failure::new(
                Code::Malformed,
                "the first frame must say protocol `waystone`",
            ));
        }
        if !self.versions.contains(&VERSION) {
            let message = format!("this server speaks version {VERSION}; update the client");
            return Err(Failure::new(Code::WrongVersion, message));
        }
        Ok(())
    }
}

/// Which kind of server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Logins and characters.
    Central,
    /// A map to play on.
    Map,
}

/// The server's first frame, always JSON. After [`Greeting::Refused`] it closes the connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Greeting {
    /// Go ahead.
    Welcome {
        /// The version both speak from here on.
        version: u16,
        /// Who answered.
        role: Role,
    },
    /// No way to talk.
    Refused {
        /// Why, and what to do.
        failure: Failure,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused_with_ours_named() {
        let hello = Hello { versions: vec![7], ..Hello::new(Encoding::Json, "t") };
        let failure = hello.check().unwrap_err();
        assert_eq!(failure.code, Code::WrongVersion);
        assert!(failure.message.contains("version 1"), "{failure}");
    }
}

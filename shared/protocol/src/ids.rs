//! A type per identity, so that a map's name cannot be passed where a server's id is meant.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::text;

/// Longest name id, in bytes. Names stand in NATS subjects, where each is one token.
pub const NAME_ID_MAX: usize = 32;

/// Why a text is no valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no valid {kind}: {rule}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        // Untrusted text goes into logs and answers: keep it short and printable.
        let text = text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect();
        Self { kind, text, rule }
    }
}

fn is_name_id(text: &str) -> bool {
    (1..=NAME_ID_MAX).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

macro_rules! name_id {
    ($($(#[$doc:meta])* $name:ident, $kind:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// 1 to 32 of `a-z`, `0-9`, `_` and `-`.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_name_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId::new($kind, text, "use 1 to 32 of a-z, 0-9, _ and -"))
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::parse(deserializer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[a-z0-9_-]{1,32}$" })
            }
        }
    )*};
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $new:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Hyphenated text in every encoding, so that a client in any language reads it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh one.
            #[allow(clippy::new_without_default, reason = "a fresh id is no default value")]
            pub fn new() -> Self {
                Self(Uuid::$new())
            }

            /// The id as a UUID.
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse()
                    .map(Self)
                    .map_err(|_| InvalidId::new($kind, text, "use a UUID such as 0198c0de-0000-7000-8000-000000000001"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::parse(deserializer)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": "uuid" })
            }
        }
    )*};
}

name_id! {
    /// One world: every subject, key and table row belongs to a realm.
    Realm, "realm";
    /// A Central or Map Server, unique in its realm. Stays the same over restarts; see [`Incarnation`].
    ServerId, "server id";
    /// A Map Spawn Server, unique in its realm.
    SpawnerId, "spawner id";
    /// A map, such as `town`.
    MapName, "map name";
    /// A word that says what a spawner's machine is good for, such as `gpu` or `eu-west`.
    Label, "label";
}

uuid_id! {
    /// A player's account.
    AccountId, "account id", now_v7;
    /// A player's character.
    CharacterId, "character id", now_v7;
    /// One login; a new login of the same account makes a new one.
    SessionId, "session id", now_v7;
    /// One command; a receiver answers a repeated one with its first answer.
    RequestId, "request id", new_v4;
    /// One life of a server. Ordered by time: the later start is the greater.
    Incarnation, "incarnation", now_v7;
}

/// A numbered copy of a map, from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Channel(pub u16);

impl Channel {
    /// The channel that every map has.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Channel {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.parse() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(InvalidId::new("channel", text, "use a number from 1 to 65535")),
        }
    }
}

/// Something on a map that can be seen, unique within one life of one Map Server.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct EntityId(pub u32);

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_id_is_one_token_of_a_subject() {
        assert!("town-2_b".parse::<MapName>().is_ok());
        for bad in ["", "Town", "a.b", "a b", "*", ">", "é", &"a".repeat(33)] {
            assert!(bad.parse::<MapName>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_bad_id_is_refused_while_decoding_with_the_rule() {
        let error = serde_json::from_str::<ServerId>("\"a.b\"").unwrap_err().to_string();
        assert!(error.contains("a-z, 0-9"), "{error}");
    }

    #[test]
    fn a_later_incarnation_is_greater() {
        let first = Incarnation::new();
        assert!(Incarnation::new() > first);
    }
}

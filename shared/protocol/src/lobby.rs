//! Client and Central. A connection is first a guest's, then, once logged in, a member's;
//! each state has its own calls, so a call out of place is a type error on this side of the wire
//! and `wrong_state` on the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    AccessToken, AccountId, Channel, CharacterId, Code, ConnectionInfo, Failure, MapName,
    frame::Encoding, world::CharacterSummary,
};

/// A call with the number that its answer repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Numbered<T> {
    /// Chosen by the client.
    pub id: u32,
    /// What is asked.
    pub call: T,
}

/// What a guest may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum GuestCall {
    /// Make an account and log in. Answered by [`Answer::LoggedIn`].
    Register {
        /// See [`crate::names::ACCOUNT_RULE`].
        account: String,
        /// See [`crate::names::PASSWORD_RULE`].
        password: String,
    },
    /// Log in; an older session of the account ends. Answered by [`Answer::LoggedIn`].
    Login {
        /// The account's name.
        account: String,
        /// Its password.
        password: String,
    },
    /// Show that a session still holds and go on with it. Answered by [`Answer::Valid`].
    Validate {
        /// Whose session.
        account: AccountId,
        /// The token given at login.
        access_token: AccessToken,
    },
}

/// What a member may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum MemberCall {
    /// End the session. Answered by [`Answer::LoggedOut`].
    Logout,
    /// Answered by [`Answer::Characters`].
    ListCharacters,
    /// Answered by [`Answer::Created`].
    CreateCharacter {
        /// See [`crate::names::CHARACTER_RULE`].
        name: String,
    },
    /// Answered by [`Answer::Deleted`].
    DeleteCharacter {
        /// Which one.
        character: CharacterId,
    },
    /// Answered by [`Answer::Maps`].
    ListMaps,
    /// Keep a seat on the character's map. Answered by [`Answer::Selected`], or by
    /// [`Answer::Queued`] while all places are taken.
    SelectCharacter {
        /// Which one.
        character: CharacterId,
        /// A channel of the map, or `None` for any with room.
        #[serde(default)]
        channel: Option<Channel>,
        /// The name of a character to be with: if it plays on this map, on its channel while that
        /// has room.
        #[serde(default)]
        beside: Option<String>,
    },
}

/// What Central says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LobbyMessage {
    /// The answer to a call.
    Answer {
        /// The call's number.
        id: u32,
        /// What was asked for.
        answer: Answer,
    },
    /// A call that failed; the connection goes on.
    Failed {
        /// The call's number, where it could be read.
        id: Option<u32>,
        /// Why, and what to do.
        failure: Failure,
    },
    /// The last word before Central closes the connection.
    Goodbye {
        /// Why.
        failure: Failure,
    },
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// The connection is now a member's.
    LoggedIn {
        /// The account.
        account: AccountId,
        /// Proof of this login, for Map Servers too.
        access_token: AccessToken,
        /// How long it holds without being used, in seconds.
        expires_in_s: u64,
    },
    /// The token holds, and the connection is now a member's.
    Valid {
        /// The account.
        account: AccountId,
    },
    /// The session is over; the connection is a guest's again.
    LoggedOut,
    /// The account's characters, oldest first.
    Characters {
        /// All of them.
        characters: Vec<CharacterSummary>,
    },
    /// A new character.
    Created {
        /// It.
        character: CharacterSummary,
    },
    /// The character is gone.
    Deleted {
        /// Which one it was.
        character: CharacterId,
    },
    /// The maps that are up.
    Maps {
        /// By name.
        maps: Vec<MapSummary>,
    },
    /// A seat is kept: leave Central and go there.
    Selected {
        /// Where.
        connection: ConnectionInfo,
    },
    /// Every place on the map is taken: the character waits in line. Select it again after
    /// `again_ms`; one that is not selected again within 5 s loses its place in the line.
    Queued {
        /// From 1.
        position: u32,
        /// How many wait for this map.
        of: u32,
        /// Milliseconds.
        again_ms: u64,
    },
}

/// A map that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapSummary {
    /// Its name.
    pub map: MapName,
    /// Its channels, by number.
    pub channels: Vec<ChannelSummary>,
}

/// One channel of a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelSummary {
    /// Its number.
    pub channel: Channel,
    /// Players on it.
    pub population: u32,
    /// Players it takes.
    pub capacity: u32,
}

/// Reads a call of the state `T`, or says whether it is one of the state `Other`.
///
/// # Errors
/// The call's number, where it could be read, and [`Code::WrongState`] with `hint` or
/// [`Code::Malformed`] with what is wrong.
pub fn read_call<T, Other>(
    encoding: Encoding,
    bytes: &[u8],
    hint: &str,
) -> Result<Numbered<T>, (Option<u32>, Failure)>
where
    T: DeserializeOwned,
    Other: DeserializeOwned,
{
    #[derive(Deserialize)]
    struct Number {
        id: u32,
    }
    encoding.decode::<Numbered<T>>(bytes).map_err(|error| {
        if let Ok(other) = encoding.decode::<Numbered<Other>>(bytes) {
            return (Some(other.id), Failure::new(Code::WrongState, hint));
        }
        let id = encoding.decode::<Number>(bytes).ok().map(|number| number.id);
        (id, error.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Numbered<GuestCall>, (Option<u32>, Failure)> {
        read_call::<GuestCall, MemberCall>(Encoding::Json, text.as_bytes(), "log in first")
    }

    #[test]
    fn a_call_of_the_other_state_is_told_from_nonsense() {
        let (id, failure) = read(r#"{"id":3,"call":{"type":"list_maps"}}"#).unwrap_err();
        assert_eq!((id, failure.code), (Some(3), Code::WrongState));
        let (id, failure) = read(r#"{"id":4,"call":{"type":"fly"}}"#).unwrap_err();
        assert_eq!((id, failure.code), (Some(4), Code::Malformed));
        let (id, failure) = read("[").unwrap_err();
        assert_eq!((id, failure.code), (None, Code::Malformed));
    }

    #[test]
    fn both_encodings_carry_the_same_call() {
        let call = Numbered {
            id: 9,
            call: MemberCall::SelectCharacter {
                character: CharacterId::new(),
                channel: Some(Channel(2)),
                beside: Some("Ada".to_owned()),
            },
        };
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            let bytes = encoding.encode(&call).unwrap();
            assert_eq!(encoding.decode::<Numbered<MemberCall>>(&bytes).unwrap(), call);
        }
    }
}

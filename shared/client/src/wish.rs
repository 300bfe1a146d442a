//! Where a player would like to be among the channels of a map.

use protocol::Channel;

/// Where a player would like to be among the channels of its character's map; `None` converts to
/// no wish, a [`Channel`] to that one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// On this channel and no other.
    pub channel: Option<Channel>,
    /// With the character of this name, if it plays on this map and its channel has room.
    pub beside: Option<String>,
}

impl Wish {
    /// With the character of this name.
    pub fn beside(name: impl Into<String>) -> Self {
        Self { channel: None, beside: Some(name.into()) }
    }
}

impl From<Option<Channel>> for Wish {
    fn from(channel: Option<Channel>) -> Self {
        Self { channel, beside: None }
    }
}

impl From<Channel> for Wish {
    fn from(channel: Channel) -> Self {
        Some(channel).into()
    }
}

//! Map Servers and the Cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Life, View};
use crate::{Channel, ConnectionKey, Incarnation, MapName, ServerId, SpawnerId};

/// A Map Server as every peer knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapServer {
    /// Its id.
    pub server: ServerId,
    /// Its present life.
    pub incarnation: Incarnation,
    /// The map it runs.
    pub map: MapName,
    /// The channel of that map. When it registers, the one it would like.
    pub channel: Channel,
    /// Host name or address of the machine, as clients reach it.
    pub address: String,
    /// The TCP port it has bound.
    pub port: u16,
    /// What a client must show to be let in to this life.
    pub connection_key: ConnectionKey,
    /// Players on it.
    pub population: u32,
    /// Players it takes.
    pub capacity: u32,
    /// The spawner that started it; `None` when started by hand.
    #[serde(default)]
    pub spawner: Option<SpawnerId>,
    /// Its program's version.
    pub version: String,
    /// Whether it is an instance that a party has claimed.
    #[serde(default)]
    pub claimed: bool,
}

impl MapServer {
    /// Which life this describes.
    pub fn life(&self) -> Life {
        Life { server: self.server.clone(), incarnation: self.incarnation }
    }
}

/// A Map Server has bound its port and wants to be known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegisterMap {
    /// Itself.
    pub server: MapServer,
}

/// The Cluster knows a Map Server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapRegistered {
    /// The registry right after.
    pub view: View,
    /// The channel it has from now on: the one it liked, or the next that is free.
    pub channel: Channel,
    /// Every other Map Server, by id; the first [`PAGE`] of them.
    pub peers: Vec<MapServer>,
    /// Whether there are more of them: ask with [`MorePeers`].
    #[serde(default)]
    pub more: bool,
}

/// Map Servers in one message: some 450 bytes each, and NATS takes a mebibyte if not told otherwise.
pub const PAGE: usize = 1000;

/// A Map Server lives, and how it fares. Sent every second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapBeat {
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
    /// Players on it.
    pub population: u32,
    /// Share of the tick's time spent working, 0 to 1 and beyond.
    pub load: f32,
    /// Places that are taken: by players, and by those on their way.
    #[serde(default)]
    pub taken: u32,
    /// Whether it is an instance that a party has claimed.
    #[serde(default)]
    pub claimed: bool,
}

/// The Cluster heard a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BeatHeard {
    /// False asks the sender to register again: this Cluster does not know it.
    pub known: bool,
    /// The registry now; a Map Server that is behind asks for the full list.
    pub view: View,
}

/// A Map Server is gone: said by itself when it stops, or by its spawner when it died.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeaveMap {
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
    /// Why, for people.
    pub reason: String,
}

/// Ask for the full list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListPeers {}

/// Ask for the next page of the list. Events that were sent since the first page apply to all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MorePeers {
    /// The last Map Server of the page before.
    pub after: ServerId,
}

/// The full list, or a page of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peers {
    /// The registry as of now.
    pub view: View,
    /// Every Map Server, by id; [`PAGE`] of them at most.
    pub maps: Vec<MapServer>,
    /// Every Map Spawn Server, on the first page.
    pub spawners: Vec<super::spawners::Spawner>,
    /// Whether there are more Map Servers: ask with [`MorePeers`].
    #[serde(default)]
    pub more: bool,
}

/// Where should a character go that wants to be on this map?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Which map.
    pub map: MapName,
    /// Which channel; `None` for any with room.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// How many go together: they are sent to one Map Server if any has room for all of them.
    #[serde(default = "one")]
    pub party: u32,
    /// The Map Server that their party is on: theirs too while it has room, even beyond the number
    /// of players that maps are filled up to.
    #[serde(default)]
    pub beside: Option<ServerId>,
}

fn one() -> u32 {
    1
}

impl Route {
    /// One character, to any channel.
    pub fn to(map: MapName) -> Self {
        Self { map, channel: None, party: 1, beside: None }
    }
}

/// Here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Routed {
    /// The Map Server chosen.
    pub server: MapServer,
}

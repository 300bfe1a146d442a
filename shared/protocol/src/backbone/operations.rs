//! What operators ask of the Cluster: how it fares, and to empty a part of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Life, spawners::Pending};
use crate::{
    Channel, CharacterId, Incarnation, MapName, ServerId, SpawnerId, backbone::maps::MapServer,
};

/// Ask how desired and living agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetStatus {}

/// How desired and living agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterStatus {
    /// The leading Central's life.
    pub cluster: Incarnation,
    /// Its term as the leader; a later leader has a greater one.
    pub epoch: u64,
    /// False shortly after its start: it listens for who lives before it starts anything.
    pub settled: bool,
    /// The revision of what is desired.
    pub revision: u64,
    /// Every map that is desired or runs.
    pub maps: Vec<MapStatus>,
    /// Map Servers that spawners have and that do not serve: starting, waiting, held, stopping.
    pub pending: Vec<Pending>,
    /// Map Servers that are being emptied.
    pub draining: Vec<ServerId>,
    /// What somebody ordered to be emptied, with what is left of each countdown. It holds until it
    /// is aborted or nothing of that name is left, whoever leads.
    #[serde(default)]
    pub drains: Vec<Drain>,
}

/// One map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapStatus {
    /// Which.
    pub map: MapName,
    /// Map Servers that should run.
    pub wanted: u32,
    /// Map Servers that serve.
    pub ready: u32,
    /// Players on all of them.
    pub players: u32,
    /// Players that wait for a place.
    pub queued: u32,
    /// What keeps the Cluster from starting one more, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What is to be emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One Map Server.
    Server(ServerId),
    /// All channels of a map.
    Map(MapName),
    /// All Map Servers of a spawner, which gets no new ones.
    Spawner(SpawnerId),
    /// Everything; nothing is started until the drain is aborted.
    All,
}

/// Empty a part of the cluster: no new players, a countdown told to those there, then they are
/// moved to another channel or saved and sent off, and the Map Servers end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drain {
    /// What.
    pub target: Target,
    /// Seconds that players are given.
    #[serde(default)]
    pub countdown_s: u32,
    /// Why, for the players.
    #[serde(default)]
    pub reason: String,
}

/// Take a drain back, as far as it has not happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AbortDrain {
    /// Of what: as it was said.
    pub target: Target,
}

/// A drain was begun, or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Draining {
    /// The Map Servers that it is about.
    pub servers: Vec<ServerId>,
}

/// Move empty Map Servers to the spawners that run the fewest, such as new ones: they are stopped
/// where they are, and started there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rebalance {}

/// Tell a Map Server's players of its end, or that it is called off; move them when it comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrainMap {
    /// The life of the Map Server that is meant.
    pub incarnation: Incarnation,
    /// Milliseconds until its players are moved; `None` calls it off.
    pub countdown_ms: Option<u64>,
    /// Why, for the players.
    pub reason: String,
}

/// Whether a life of a Map Server goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskFate {
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
}

/// Whether a life of a Map Server goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LifesFate {
    /// Its fate.
    pub fate: Fate,
}

/// Whether a life of a Map Server goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It beats.
    Alive,
    /// It has ended, or was silent for so long that it is passed over.
    Gone,
    /// It was heard of no more, or not yet, but may come back with what it has not saved.
    Unsure,
}

/// A character that was selected wants a place on a map: asked again every second while it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enqueue {
    /// Who.
    pub character: CharacterId,
    /// Which map.
    pub map: MapName,
    /// Which channel; `None` for any with room.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// The Map Server that its party is on: its own too while it has room.
    #[serde(default)]
    pub beside: Option<ServerId>,
}

/// A place, or a position in the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// Go there.
    Go(Box<MapServer>),
    /// Everything is full: ask again within [`ASK_AGAIN_S`].
    Wait {
        /// From 1.
        position: u32,
        /// How many wait for this map.
        of: u32,
    },
}

/// Seconds after which one that does not ask again is in the queue no more.
pub const ASK_AGAIN_S: u64 = 5;

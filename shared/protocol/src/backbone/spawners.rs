//! Map Spawn Servers and the Cluster, and the commands a spawner takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Life, View};
use crate::{Channel, Incarnation, MapName, ServerId, SpawnerId};

/// A Map Spawn Server as the Cluster knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spawner {
    /// Its id.
    pub spawner: SpawnerId,
    /// Its present life.
    pub incarnation: Incarnation,
    /// The machine address that its Map Servers advertise.
    pub address: String,
    /// The maps it may run.
    pub maps: Vec<MapName>,
    /// Map Servers it runs at most.
    pub slots: u32,
    /// Map Servers it runs, dead ones waiting for their restart included.
    pub used: u32,
}

/// A spawner wants to be known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegisterSpawner {
    /// Itself.
    pub spawner: Spawner,
}

/// The Cluster knows a spawner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpawnerRegistered {
    /// The registry right after.
    pub view: View,
}

/// A spawner lives, and how it fares. Sent every second; answered by
/// [`BeatHeard`](super::maps::BeatHeard).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpawnerBeat {
    /// Which spawner.
    pub spawner: SpawnerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Map Servers it runs.
    pub used: u32,
}

/// A spawner stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeaveSpawner {
    /// Which spawner.
    pub spawner: SpawnerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Why, for people.
    pub reason: String,
}

/// Ask the Cluster to have a Map Server started by a spawner of its choice.
/// Answered when it has registered, or at the deadline with why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpawnMap {
    /// Which map.
    pub map: MapName,
    /// Which channel; `None` for the next one that does not live.
    #[serde(default)]
    pub channel: Option<Channel>,
}

/// Ask one spawner to start a Map Server. Answered when it has registered, or at the deadline
/// with why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartChild {
    /// Which map.
    pub map: MapName,
    /// Which channel; `None` for the next one that does not live.
    #[serde(default)]
    pub channel: Option<Channel>,
}

/// A Map Server was started and has registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapSpawned {
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
    /// By which spawner.
    pub spawner: SpawnerId,
    /// The map.
    pub map: MapName,
    /// Its channel.
    pub channel: Channel,
    /// The TCP port it has bound.
    pub port: u16,
}

/// What a Map Server prints on its standard output, as one line of JSON, once it has registered:
/// how its spawner learns the port that it has bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChildReady {
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
    /// The channel that the Cluster gave it.
    pub channel: Channel,
    /// The TCP port for clients.
    pub port: u16,
    /// Where it answers `/healthz`, `/readyz` and `/metrics`.
    pub admin: std::net::SocketAddr,
}

/// Ask the Cluster to have a Map Server stopped for good by the spawner that runs it.
/// Answered when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StopMap {
    /// Which one.
    pub server: ServerId,
}

/// Ask a spawner to stop one of its Map Servers for good. Answered when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StopChild {
    /// Which one.
    pub server: ServerId,
}

/// Ask a spawner for its Map Servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListChildren {}

/// A spawner's Map Servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Children {
    /// By server id.
    pub children: Vec<Child>,
}

/// One Map Server of a spawner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Child {
    /// Its id.
    pub server: ServerId,
    /// The map it runs.
    pub map: MapName,
    /// Its channel; before it has registered, the one it would like.
    pub channel: Channel,
    /// How it is.
    pub state: ChildState,
    /// Process id, while it runs.
    pub pid: Option<u32>,
    /// TCP port, once it has registered.
    pub port: Option<u16>,
    /// How often it was restarted since the spawner started.
    pub restarts: u32,
}

/// How a spawner's Map Server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChildState {
    /// Started, not registered yet.
    Starting,
    /// Registered.
    Ready,
    /// Dead, waiting for its restart.
    Waiting,
    /// Told to stop.
    Stopping,
}

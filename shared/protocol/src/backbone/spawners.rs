//! Map Spawn Servers and the Cluster, and the commands a spawner takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Life, View, desired::RestartPolicy};
use crate::{Channel, Incarnation, Label, MapName, ServerId, SpawnerId};

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
    /// Slots for Map Servers, of which each takes one or as many as its map costs.
    pub slots: u32,
    /// Slots in use, those of dead Map Servers waiting for their restart included.
    pub used: u32,
    /// What its machine is good for.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Its `spawn_maps`: what it runs from the start and always.
    #[serde(default)]
    pub pinned: Vec<Pinned>,
    /// How busy its machine is.
    #[serde(default)]
    pub machine: Machine,
    /// Its program's version.
    #[serde(default)]
    pub version: String,
    /// Its Map Servers that do not serve now.
    #[serde(default)]
    pub pending: Vec<Pending>,
}

impl Spawner {
    /// One that runs nothing yet and says nothing more about itself.
    pub fn new(
        spawner: SpawnerId,
        incarnation: Incarnation,
        address: String,
        maps: Vec<MapName>,
        slots: u32,
    ) -> Self {
        Self {
            spawner,
            incarnation,
            address,
            maps,
            slots,
            used: 0,
            labels: Vec::new(),
            pinned: Vec::new(),
            machine: Machine::default(),
            version: String::new(),
            pending: Vec::new(),
        }
    }
}

/// A map of a spawner's `spawn_maps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pinned {
    /// Which map.
    pub map: MapName,
    /// On how many channels.
    pub channels: u16,
}

/// How busy a machine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Processor time in use over all cores, in percent.
    pub cpu: u8,
    /// Memory in use, in percent.
    pub memory: u8,
}

/// A spawner's Map Server that does not serve now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    /// Whose.
    pub spawner: SpawnerId,
    /// Its id.
    pub server: ServerId,
    /// The map it runs.
    pub map: MapName,
    /// The channel it had, or would like.
    pub channel: Channel,
    /// How it is.
    pub state: ChildState,
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
    /// The leading Cluster's term.
    #[serde(default)]
    pub epoch: u64,
}

/// A spawner lives, and how it fares. Sent every second; answered by
/// [`BeatHeard`](super::maps::BeatHeard).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpawnerBeat {
    /// Which spawner.
    pub spawner: SpawnerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Slots in use.
    pub used: u32,
    /// How busy its machine is.
    #[serde(default)]
    pub machine: Machine,
    /// Its Map Servers that do not serve now.
    #[serde(default)]
    pub pending: Vec<Pending>,
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
    /// Whether a party wants it for itself: a spare will do.
    #[serde(default)]
    pub instance: bool,
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
    /// Players that it takes; without it, the Map Server's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Slots that it takes; without it, one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// What happens when it crashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// The term of the leading Cluster that asks; a spawner refuses an older one than it has
    /// heard of. Left out by people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

impl StartChild {
    /// A start as people type it: nothing but the map, and perhaps the channel.
    pub fn new(map: MapName, channel: Option<Channel>) -> Self {
        Self { map, channel, capacity: None, cost: None, restart: None, epoch: None }
    }
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
    /// The term of the leading Cluster that asks; as in [`StartChild`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// Tell a spawner that one of its Map Servers hangs: it does not beat any more, and nobody is sent
/// to it. It is ended, and started again as after a crash. Answered at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndHungChild {
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
    /// The term of the leading Cluster that asks; as in [`StartChild`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// Tell a spawner that a held Map Server may be started again. Answered at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClearChild {
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
    /// Dead, and not started again until somebody says so: it crashed too often.
    Held,
    /// Told to stop.
    Stopping,
}

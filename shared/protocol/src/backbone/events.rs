//! What everybody may hear. No event carries a secret but [`MapUp`], whose connection key is for
//! peers; it opens nothing without a token and a ticket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Life, View, maps::MapServer, spawners::Spawner};
use crate::{
    AccountId, Channel, CharacterId, Code, Incarnation, MapName, ServerId, SessionId, SpawnerId,
};

/// A Cluster serves from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterUp {
    /// The Central that carries it.
    pub central: ServerId,
    /// Its life.
    pub incarnation: Incarnation,
    /// Its term as the leader: commands of an older one are refused from now on.
    #[serde(default)]
    pub epoch: u64,
}

/// A Map Server is up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapUp {
    /// The registry right after.
    pub view: View,
    /// The newcomer.
    pub server: MapServer,
}

/// A Map Server's population changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MapChanged {
    /// The registry right after.
    pub view: View,
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
    /// Players on it.
    pub population: u32,
}

/// A Map Server is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MapDown {
    /// The registry right after.
    pub view: View,
    /// Which life.
    #[serde(flatten)]
    pub life: Life,
    /// Its map.
    pub map: MapName,
    /// Its channel.
    pub channel: Channel,
    /// Why.
    pub reason: String,
}

/// A spawner is up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpawnerUp {
    /// It.
    pub spawner: Spawner,
}

/// A spawner is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpawnerDown {
    /// Which.
    pub spawner: SpawnerId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: String,
}

/// A spawner started a Map Server's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChildStarted {
    /// By whom.
    pub spawner: SpawnerId,
    /// Which server.
    pub server: ServerId,
    /// The map it will run.
    pub map: MapName,
    /// Its channel.
    pub channel: Channel,
    /// Process id on the spawner's machine.
    pub pid: u32,
}

/// A spawner's Map Server ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChildEnded {
    /// By whom it was started.
    pub spawner: SpawnerId,
    /// Which server.
    pub server: ServerId,
    /// How: an exit status, a signal, or that it never registered.
    pub how: String,
    /// In how many milliseconds it is started again; `None` when it was told to stop, or when it
    /// is held.
    pub restart_in_ms: Option<u64>,
    /// Whether it crashed so often that it is not started again until somebody says so.
    #[serde(default)]
    pub held: bool,
}

/// Somebody logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionOpened {
    /// The account.
    pub account: AccountId,
    /// Its session.
    pub session: SessionId,
    /// The account's name.
    pub name: String,
}

/// A session is over. Whoever serves its client sends it away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionEnded {
    /// The account.
    pub account: AccountId,
    /// Which of its sessions.
    pub session: SessionId,
    /// `session_replaced` or `logged_out`.
    pub why: Code,
}

/// A character was selected; a seat is kept for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CharacterSelected {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub character: CharacterId,
    /// By name.
    pub name: String,
    /// Where to.
    pub server: ServerId,
}

/// A character entered a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CharacterEntered {
    /// Which.
    pub character: CharacterId,
    /// By name.
    pub name: String,
    /// Where.
    pub server: ServerId,
    /// The map.
    pub map: MapName,
}

/// A character is handed over to another Map Server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CharacterWarped {
    /// Which.
    pub character: CharacterId,
    /// By name.
    pub name: String,
    /// From where.
    pub from: ServerId,
    /// Where to.
    pub to: ServerId,
    /// The map there.
    pub map: MapName,
}

/// A character left a map and was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CharacterLeft {
    /// Which.
    pub character: CharacterId,
    /// By name.
    pub name: String,
    /// Which server.
    pub server: ServerId,
    /// Why.
    pub reason: String,
}

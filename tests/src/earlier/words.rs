//! What an earlier release reads, word for word: a field without a default must be there. Nothing
//! of today's `protocol` stands here, so a change of that cannot change this.

#![expect(dead_code, reason = "a field that nobody looks at must be there all the same")]

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MapServer {
    pub(super) server: String,
    incarnation: String,
    map: String,
    channel: u16,
    address: String,
    port: u16,
    connection_key: String,
    pub(super) population: u32,
    capacity: u32,
    #[serde(default)]
    spawner: Option<String>,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct View {
    pub(super) cluster: String,
    pub(super) sequence: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct MapRegistered {
    pub(super) view: View,
    pub(super) channel: u16,
    pub(super) peers: Vec<MapServer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Peers {
    pub(super) view: View,
    pub(super) maps: Vec<MapServer>,
    pub(super) spawners: Vec<Spawner>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Spawner {
    pub(super) spawner: String,
    incarnation: String,
    address: String,
    maps: Vec<String>,
    slots: u32,
    used: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct SpawnerRegistered {
    view: View,
}

#[derive(Debug, Deserialize)]
pub(super) struct BeatHeard {
    pub(super) known: bool,
    view: View,
}

#[derive(Debug, Deserialize)]
pub(super) struct Done {}

#[derive(Debug, Deserialize)]
pub(super) struct MapUp {
    pub(super) view: View,
    pub(super) server: MapServer,
}

#[derive(Debug, Deserialize)]
pub(super) struct MapChanged {
    pub(super) view: View,
    pub(super) server: String,
    incarnation: String,
    pub(super) population: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct MapDown {
    pub(super) view: View,
    pub(super) server: String,
    incarnation: String,
    map: String,
    channel: u16,
    reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct StartChild {
    pub(super) map: String,
    #[serde(default)]
    pub(super) channel: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StopChild {
    pub(super) server: String,
}

//! What is meant to run: read from a TOML file by Central, asked for and changed over NATS.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Label, MapName};

/// What is meant to run. Map Servers of maps that it does not name are left alone: those of
/// `spawn_maps`, those started by hand or by `cluster.spawn`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// How Map Servers are laid on spawners, where a map says nothing else.
    #[serde(default)]
    pub placement: Placement,
    /// Maps that always run.
    #[serde(default)]
    pub maps: BTreeMap<MapName, DesiredMap>,
    /// Maps of which each party gets a Map Server of its own.
    #[serde(default)]
    pub instances: BTreeMap<MapName, DesiredInstances>,
}

/// How Map Servers are laid on spawners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// On the least loaded spawner.
    #[default]
    Spread,
    /// On the most loaded spawner that has room, so that others stay free.
    Pack,
}

/// A map that always runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DesiredMap {
    /// Channels that always run.
    #[serde(default = "one")]
    pub min_channels: u16,
    /// Channels at most, when players fill them. Not below `min_channels`.
    #[serde(default = "one")]
    pub max_channels: u16,
    /// Players that a channel is filled up to before the next one is; without it, four fifths of
    /// what the channel takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_cap: Option<u32>,
    /// Players that a channel takes; without it, the Map Server's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_cap: Option<u32>,
    /// Seconds that a channel beyond `min_channels` stays empty before it is stopped.
    #[serde(default = "a_minute")]
    pub idle_s: u32,
    /// Where and how its Map Servers are started.
    #[serde(default)]
    pub start: StartRules,
}

/// A map of which each party gets a Map Server of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DesiredInstances {
    /// Map Servers kept ready for the next parties.
    #[serde(default)]
    pub spares: u16,
    /// Map Servers at most, spares included.
    #[serde(default = "plenty")]
    pub max: u16,
    /// Players that one takes; without it, the Map Server's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_cap: Option<u32>,
    /// Seconds that one which no party claimed is kept beyond the spares.
    #[serde(default = "half_a_minute")]
    pub idle_s: u32,
    /// Where and how its Map Servers are started.
    #[serde(default)]
    pub start: StartRules,
}

/// Where and how Map Servers of a map are started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRules {
    /// Labels that a spawner must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Slots of a spawner that one takes.
    #[serde(default = "one_slot")]
    pub cost: u32,
    /// How they are laid on spawners, if not as the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What happens when one crashes.
    #[serde(default)]
    pub restart: RestartPolicy,
}

impl Default for StartRules {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            cost: one_slot(),
            placement: None,
            restart: RestartPolicy::default(),
        }
    }
}

/// What a spawner does about a Map Server that crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartPolicy {
    /// Milliseconds before the first restart; the wait doubles with each crash.
    #[serde(default = "first_wait")]
    pub first_ms: u32,
    /// Milliseconds before a restart at most.
    #[serde(default = "longest_wait")]
    pub longest_ms: u32,
    /// Crashes within a minute after which it is not started again until somebody says so.
    #[serde(default = "crashes")]
    pub crashes_a_minute: u32,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { first_ms: first_wait(), longest_ms: longest_wait(), crashes_a_minute: crashes() }
    }
}

fn one() -> u16 {
    1
}

fn one_slot() -> u32 {
    1
}

fn plenty() -> u16 {
    100
}

fn a_minute() -> u32 {
    60
}

fn half_a_minute() -> u32 {
    30
}

fn first_wait() -> u32 {
    200
}

fn longest_wait() -> u32 {
    30_000
}

fn crashes() -> u32 {
    5
}

/// Ask what is meant to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetDesired {}

/// From now on, this is meant to run, until Central reads a changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetDesired {
    /// All of it.
    pub desired: Desired,
    /// The revision that this was made from; refused when it is another by now. Left out, it
    /// replaces whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// What is meant to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DesiredState {
    /// Grows with each change.
    pub revision: u64,
    /// All of it.
    pub desired: Desired,
}

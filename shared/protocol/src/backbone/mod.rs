//! Servers among themselves, over NATS: JSON, one line a message.
//!
//! # Layout
//! - [`maps`]: Map Servers and the Cluster: registration, beats, routes.
//! - [`spawners`]: Map Spawn Servers and the Cluster, and the commands a spawner takes.
//! - [`desired`]: what is meant to run. [`operations`]: how it fares, and emptying a part of it.
//! - [`seats`]: places kept on a Map Server for a character on its way.
//! - [`characters`]: load, save and hand over, as Central's `characters` service does it.
//! - [`events`]: what everybody may hear.
//!
//! Which subject carries which type stands in one table, in the `nats` crate.

pub mod characters;
pub mod desired;
pub mod events;
pub mod maps;
pub mod operations;
pub mod seats;
pub mod spawners;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Incarnation, RequestId, ServerId};

/// A request on its way, with what makes it safe to repeat and to arrive late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Command<T> {
    /// What is asked: first, because people read these lines.
    #[serde(flatten)]
    pub body: T,
    /// A receiver answers a repeated id with its first answer. Left out by hand-typed requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Milliseconds since 1970-01-01 UTC after which a receiver drops it unanswered.
    /// Left out by hand-typed requests. Machines must keep their clocks within a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// Done, with nothing to say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {}

/// One life of a server: what owns a character and what a peer list speaks of.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Life {
    /// Which server.
    pub server: ServerId,
    /// Which life of it.
    pub incarnation: Incarnation,
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.server, self.incarnation)
    }
}

/// Which state of the Cluster's registry a message speaks of. A receiver that misses a number
/// asks for the full list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// The Cluster's life; numbers of two lives cannot be compared.
    pub cluster: Incarnation,
    /// Grows by one with each up, changed and down.
    pub sequence: u64,
}

//! What is sent over the bus.

use cluster::{Answer, Asked, Caller, Job};
use protocol::{
    Failure, ServerId, SpawnerId,
    backbone::{
        operations::DrainMap,
        spawners::{EndHungChild, MapSpawned, StartChild, StopChild},
    },
};

/// Who sends and who receives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Central,
    Spawner(SpawnerId),
    /// A process, by number: two may go by one id for a while.
    Map(u64),
    /// Players and operators; they are never cut off.
    Outside,
}

/// A message.
#[derive(Debug, Clone)]
pub(crate) enum Letter {
    /// To Central.
    Ask(Caller, Box<Asked>),
    /// From Central, to whoever asked.
    Answer(Caller, Box<Result<Answer, Failure>>),
    /// From Central to a spawner.
    Start(Job, StartChild),
    Stop(Job, StopChild),
    Hung(EndHungChild),
    /// From Central to a Map Server; the number is the Cluster's life.
    Drain(u64, Job, DrainMap),
    /// The answers of both. The number is the Cluster's life: jobs of an earlier one mean nothing.
    Started(u64, Job, Result<MapSpawned, Failure>),
    Stopped(u64, Job, Result<(), Failure>),
    DrainHeard(u64, Job),
    /// News of a Map Server, with the view's number.
    Peer(PeerNews),
    /// A Cluster is up.
    ClusterUp,
}

/// What a peer list is made of.
#[derive(Debug, Clone)]
pub(crate) struct PeerNews {
    /// The Cluster's life.
    pub(crate) cluster: u64,
    pub(crate) sequence: u64,
    pub(crate) server: ServerId,
    pub(crate) is_there: bool,
}

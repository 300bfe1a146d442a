//! What happens to the Cluster, and what it does about it.

use std::time::Duration;

pub use protocol::backbone::operations::Fate;
use protocol::{
    Failure, ServerId, SpawnerId,
    backbone::{
        Life,
        desired::DesiredState,
        events::{MapChanged, MapDown, MapUp, SpawnerDown, SpawnerUp},
        maps::{BeatHeard, LeaveMap, MapBeat, MapRegistered, MapServer, Peers, Route, Routed},
        operations::{AbortDrain, ClusterStatus, Drain, DrainMap, Draining, Enqueue, Placed},
        spawners::{
            EndHungChild, LeaveSpawner, MapSpawned, SpawnMap, Spawner, SpawnerBeat,
            SpawnerRegistered, StartChild, StopChild, StopMap,
        },
    },
};

/// Who waits for an answer, numbered by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(pub u64);

/// A command on its way to another server, numbered by the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody asks and waits.
    Asked(Caller, Asked),
    /// A spawner answered [`Effect::Start`].
    Started(Job, Result<MapSpawned, Failure>),
    /// A spawner answered [`Effect::Stop`].
    Stopped(Job, Result<(), Failure>),
    /// A Map Server answered [`Effect::Drain`].
    DrainHeard(Job, Result<(), Failure>),
    /// What [`Effect::Keep`] gave is written down, or could not be.
    Kept(Job, Result<(), Failure>),
    /// Time has passed; wanted every [`crate::TICK`].
    Tick,
    /// Servers can be heard again: until now their silence meant nothing.
    Resumed,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// A Map Server wants to be known. [`Answer::MapRegistered`].
    RegisterMap(MapServer),
    /// A Map Server lives. [`Answer::BeatHeard`].
    MapBeat(MapBeat),
    /// A Map Server is gone. [`Answer::Done`].
    LeaveMap(LeaveMap),
    /// A spawner wants to be known. [`Answer::SpawnerRegistered`].
    RegisterSpawner(Spawner),
    /// A spawner lives. [`Answer::BeatHeard`].
    SpawnerBeat(SpawnerBeat),
    /// A spawner is gone. [`Answer::Done`].
    LeaveSpawner(LeaveSpawner),
    /// A page of the list: the first, or the one after this Map Server. [`Answer::Peers`].
    Peers(Option<ServerId>),
    /// A Map Server for a character. [`Answer::Routed`].
    Route(Route),
    /// Whether a life of a Map Server goes on. [`Answer::Fate`].
    Fate(Life),
    /// A new Map Server; answered after the given time at the latest. [`Answer::MapSpawned`].
    Spawn(SpawnMap, Duration),
    /// The end of a Map Server. [`Answer::Done`].
    Stop(StopMap),
    /// Another state is desired from now on. [`Answer::Done`].
    Desire(DesiredState),
    /// How desired and living agree. [`Answer::Status`].
    Status,
    /// A part of the cluster emptied. [`Answer::Draining`].
    Drain(Drain),
    /// A drain taken back. [`Answer::Draining`].
    AbortDrain(AbortDrain),
    /// Empty maps on the spawners that have the fewest. [`Answer::Draining`].
    Rebalance,
    /// A place for a character that was selected, or a position in the queue. [`Answer::Placed`].
    Enqueue(Enqueue),
}

/// What to do about it, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer somebody who asked.
    Answer(Caller, Result<Answer, Failure>),
    /// Tell everybody.
    Tell(News),
    /// Have a spawner start a Map Server, and report [`Event::Started`].
    Start(Job, SpawnerId, StartChild),
    /// Have a spawner stop a Map Server, and report [`Event::Stopped`].
    Stop(Job, SpawnerId, StopChild),
    /// Tell a spawner that a life of one of its Map Servers hangs.
    EndHung(SpawnerId, EndHungChild),
    /// Tell a Map Server to send its players on, and report [`Event::DrainHeard`].
    Drain(Job, ServerId, DrainMap),
    /// Write down for the next leader that this is all that is to be emptied, with what is left of
    /// each countdown, and report [`Event::Kept`].
    Keep(Job, Vec<Drain>),
}

/// The answer to what was asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A Map Server is known.
    MapRegistered(MapRegistered),
    /// A beat was heard.
    BeatHeard(BeatHeard),
    /// A spawner is known.
    SpawnerRegistered(SpawnerRegistered),
    /// The full list.
    Peers(Peers),
    /// A Map Server for a character.
    Routed(Routed),
    /// Whether it goes on.
    Fate(Fate),
    /// A Map Server was started.
    MapSpawned(MapSpawned),
    /// How desired and living agree.
    Status(ClusterStatus),
    /// What is being emptied.
    Draining(Draining),
    /// A place, or a position.
    Placed(Placed),
    /// Nothing more to say.
    Done,
}

/// What everybody is told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A Map Server is up.
    MapUp(MapUp),
    /// A Map Server's population changed.
    MapChanged(MapChanged),
    /// A Map Server is gone.
    MapDown(MapDown),
    /// A spawner is up.
    SpawnerUp(SpawnerUp),
    /// A spawner is gone.
    SpawnerDown(SpawnerDown),
}

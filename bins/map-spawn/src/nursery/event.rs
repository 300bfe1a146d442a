//! What comes into the nursery, and what goes out of it.

use std::time::Duration;

use protocol::{
    Channel, Failure, MapName, ServerId,
    backbone::{
        events::{ChildEnded, ChildStarted},
        maps::{LeaveMap, Peers},
        spawners::{ChildReady, EndHungChild, MapSpawned, Pinned, StartChild, StopChild},
    },
};

use super::Upkeep;

/// Somebody who waits for an answer.
pub(crate) type WaiterId = u64;

/// Something happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A Map Server runs that an earlier life of this spawner has left behind.
    Found(Found),
    /// Map Servers of `spawn_maps` are wanted, always.
    Stand(Pinned),
    /// A command wants a Map Server.
    Start { order: StartChild, waiter: WaiterId },
    /// A command wants a Map Server stopped for good.
    Stop { order: StopChild, waiter: WaiterId },
    /// The Cluster says that a life does not beat.
    Hung { order: EndHungChild, waiter: WaiterId },
    /// A command wants a held Map Server started again.
    Clear { server: ServerId, waiter: WaiterId },
    /// A Cluster leads in this term.
    Term(u64),
    /// An [`Effect::Launch`] made a process.
    Launched { server: ServerId, pid: u32 },
    /// A child says that it has registered.
    Ready(ChildReady),
    /// The Cluster says who has registered.
    Peers(Peers),
    /// A child's process ended, or could not be made.
    Ended { server: ServerId, how: String },
    /// An [`Effect::Leave`] is done with, whether or not the Cluster heard it.
    Told { server: ServerId },
    /// The spawner stops, and has this long for it.
    Drain { patience: Duration },
    /// Time has passed.
    Tick,
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Make a process. Answered by [`Event::Launched`] or [`Event::Ended`].
    Launch(Launch),
    /// Send a signal to a process.
    Signal(ServerId, Sign),
    /// Tell the Cluster that a life is over. Answered by [`Event::Told`], soon.
    Leave(LeaveMap),
    /// Tell everybody that a process was made.
    Started(ChildStarted),
    /// Tell everybody that a child ended.
    Ended(ChildEnded),
    /// Answer a start command.
    Spawned(WaiterId, Result<MapSpawned, Failure>),
    /// Answer another command.
    Done(WaiterId, Result<(), Failure>),
    /// A map of `spawn_maps` cannot be started, and nobody waits for the answer.
    Refused(MapName, Failure),
}

/// A process to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) server: ServerId,
    pub(crate) map: MapName,
    pub(crate) channel: Channel,
    /// How often this child was restarted, this time included.
    pub(crate) restarts: u32,
    pub(crate) upkeep: Upkeep,
}

/// A process that was made by an earlier life of this spawner, as the process table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) server: ServerId,
    pub(crate) map: MapName,
    /// The one it would like; the Cluster knows which it has.
    pub(crate) channel: Channel,
    pub(crate) pid: u32,
    pub(crate) upkeep: Upkeep,
}

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// SIGTERM: save and end.
    Term,
    /// SIGKILL: end now.
    Kill,
}

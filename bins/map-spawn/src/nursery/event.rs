//! What comes into the nursery, and what goes out of it.

use std::time::Duration;

use protocol::{
    Channel, Failure, MapName, ServerId,
    backbone::{
        events::{ChildEnded, ChildStarted},
        maps::LeaveMap,
        spawners::{ChildReady, MapSpawned},
    },
};

/// Somebody who waits for an answer.
pub(crate) type WaiterId = u64;

/// Something happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A Map Server is wanted: by a command, which waits for the answer, or by `spawn_maps`.
    Start { map: MapName, channel: Option<Channel>, waiter: Option<WaiterId> },
    /// A command wants a Map Server stopped for good.
    Stop { server: ServerId, waiter: WaiterId },
    /// An [`Effect::Launch`] made a process.
    Launched { server: ServerId, pid: u32 },
    /// A child says that it has registered.
    Ready(ChildReady),
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
    /// Answer a stop command.
    Stopped(WaiterId, Result<(), Failure>),
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
}

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// SIGTERM: save and end.
    Term,
    /// SIGKILL: end now.
    Kill,
}

//! The Cluster's mind: who lives, who is told, what is meant to run, and who starts it. Event in,
//! effects out; no I/O and no clock, so the same machine runs in Central and under a seeded
//! simulation.
//!
//! # Layout
//! - [`event`]: what happens, and what is done about it.
//! - [`machine`]: [`Cluster::handle`], the one way in.
//! - [`registry`]: Map Servers: registration, beats, silence, view numbers.
//! - [`fleet`]: Map Spawn Servers and the starts under way.
//! - [`desired`]: whether what is meant to run makes sense. `census`: what lives. `wishes`: the
//!   difference, map by map. `reconcile`: what is done about it. `rebalance`: empty Map Servers move.
//! - `placement`: which Map Server for a character, which spawner for a map.
//! - [`parties`]: instances that are promised to a party. [`queue`]: who waits for a place.
//! - [`drains`]: emptying a part of the cluster. [`orders`]: what was ordered of that, and its copy
//!   for the next leader. [`errands`]: numbers for commands.
//! - `status`: how it all stands, for people.

pub mod desired;
pub mod drains;
pub mod errands;
pub mod event;
pub mod fleet;
pub mod machine;
pub mod orders;
pub mod parties;
pub mod queue;
pub mod registry;

mod census;
mod placement;
mod rebalance;
mod reconcile;
mod status;
mod wishes;

use std::time::Duration;

pub use event::{Answer, Asked, Caller, Effect, Event, Fate, Job, News};
pub use machine::Cluster;

/// How often servers beat.
pub const BEAT: Duration = Duration::from_secs(1);
/// Silent for this long, a server gets no new work: two beats are missing.
pub const SUSPECT: Duration = Duration::from_millis(2200);
/// Silent for this long, a server is removed: three beats are missing.
pub const REMOVED: Duration = Duration::from_millis(3200);
/// How long the fate of a server that was removed for its silence stays open: it may be cut off,
/// with changes that it has not saved yet, and come back. As long after the Cluster's own start.
pub const LINGER: Duration = Duration::from_secs(3);
/// A Cluster that follows another one listens for so long to who lives before it starts anything.
pub const SETTLING: Duration = REMOVED;
/// How long a spawner has to start a Map Server.
pub const START_WITHIN: Duration = Duration::from_secs(12);
/// How often the machine wants a [`Event::Tick`].
pub const TICK: Duration = Duration::from_millis(200);

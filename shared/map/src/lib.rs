//! The Map Server as a library: everything but the maps themselves.
//!
//! The game is a [`world::World`], its maps are Tiled files; [`main`] makes a server of both.
//!
//! One task, the host, owns the map and all that is on it. It waits for nothing: what needs an
//! answer of another server goes out as a job and comes back as an outcome.
//!
//! # Layout
//! - [`main`] (`program`): from flags to exit status. [`settings`]: what can be set.
//! - [`start`] (`server`): puts the parts together. `listen`: the port. `backends`: NATS and Redis.
//! - `membership`: registration, beats, peers.
//! - `gate`: clients' connections. `admission`: who may enter, or come back.
//! - `host`: the owner of the map. `jobs`: what it asks of others. `courier`: what it tells.
//! - `endpoints`: what other servers ask of it.
//!
//! - `recorder`: what happened, written down. `replay`: run again. `recovery`: what could not be saved.
//!
//! Pure, without I/O or clock, and tested as such: the whole of [`world`], `seats`, `keeper`
//! (saving), `handoff` (a warp), `peers`. `simulation`: two hosts, Central and players together, by
//! every choice and by seed.

mod admission;
mod backends;
mod courier;
mod endpoints;
mod gate;
mod handoff;
mod host;
mod jobs;
mod keeper;
mod listen;
mod membership;
mod peers;
mod program;
mod recorder;
mod recovery;
mod replay;
mod seats;
mod server;
pub mod settings;
#[cfg(test)]
mod simulation;

pub use listen::NoPort;
pub use program::main;
pub use server::{StartError, start};

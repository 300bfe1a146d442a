//! Starts real servers for a story and ends them with it: NATS, Redis, Central, spawners, Map
//! Servers. Everything is on loopback, on ports that the system picks, in a temporary folder, so
//! stories run side by side.
//!
//! # Layout
//! - [`process`]: one program: started, signalled, waited for, its log shown when a story fails.
//! - [`admin`]: a server's admin port. [`micro`]: what servers say of themselves over NATS.
//! - [`nats_server`], [`redis_server`], [`postgres`]: those that are not ours.
//! - [`rig`]: a whole cluster.
//! - [`player`]: a client who is logged in, or on a map.
//! - [`raw`]: a client's socket without the client, for what the client would never say.
//! - [`earlier`]: a spawner and Map Servers of an earlier release, for updates.
//! - [`cable`]: a way to a server that is pulled out, for the connections that there are.
//! - [`recorder`]: what servers said, in order. `typed`: a request as somebody types it.
//! - [`proxy`]: a link to a server that can be cut and mended.
//! - [`chaos`]: everything goes wrong, by a seed, while players play.
//! - [`wait`]: waiting for a condition, with a deadline; nothing here sleeps and hopes.

// A harness that cannot go on ends the story at once, with the reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

pub mod admin;
pub mod cable;
pub mod chaos;
pub mod earlier;
pub mod micro;
pub mod nats_server;
pub mod player;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod recorder;
pub mod redis_server;
pub mod rig;
mod typed;
pub mod wait;

pub use admin::Admin;
pub use cable::Cable;
pub use earlier::Earlier;
pub use nats_server::NatsServer;
pub use player::{Player, other_players};
pub use postgres::Postgres;
pub use process::{Orphans, Process, Program, is_running, program, quiet_port, signal_process};
pub use proxy::Proxy;
pub use raw::Raw;
pub use recorder::Recorder;
pub use redis_server::RedisServer;
pub use rig::Rig;
pub use wait::{SOON, until};

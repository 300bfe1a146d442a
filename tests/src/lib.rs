//! Starts real servers for a story and ends them with it: NATS, Redis, Central, spawners, Map
//! Servers. Everything is on loopback, on ports that the system picks, in a temporary folder, so
//! stories run side by side.
//!
//! # Layout
//! - [`process`]: one program: started, signalled, waited for, its log shown when a story fails.
//! - [`nats_server`], [`redis_server`]: the two that are not ours.
//! - [`rig`]: a whole cluster.
//! - [`player`]: a client who is logged in, or on a map.
//! - [`recorder`]: what servers said, in order.
//! - [`wait`]: waiting for a condition, with a deadline; nothing here sleeps and hopes.

// A harness that cannot go on ends the story at once, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

pub mod nats_server;
pub mod player;
pub mod process;
pub mod recorder;
pub mod redis_server;
pub mod rig;
pub mod wait;

pub use nats_server::NatsServer;
pub use player::Player;
pub use process::{Process, Program, program, signal_process};
pub use recorder::Recorder;
pub use redis_server::RedisServer;
pub use rig::Rig;
pub use wait::{SOON, until};

//! The world engine: everything that happens on a map, without I/O or clock.
//!
//! A game is a type that implements [`World`]. A [`Stage`] runs it: [`Input`]s go in, [`Effect`]s
//! come out, and each player is shown what it sees. The same inputs with the same seed always give
//! the same effects.
//!
//! # Layout
//! - [`World`], [`Context`]: what a game writes, and what it can see and do. [`Quiet`]: the
//!   smallest game.
//! - [`Stage`], [`Input`], [`Effect`], [`Outlets`], [`Pace`]: a game at work.
//! - [`Scenario`]: a game under test.
//! - [`recording`]: inputs written down, to be run again.
//! - [`atlas`]: what a map is, read from Tiled files.
//! - `space`, `entity`, `grid`: what stands where. `sight`: who sees what, and how it is told.

pub mod atlas;
mod context;
mod effect;
mod entity;
mod grid;
mod input;
mod quiet;
pub mod recording;
mod scenario;
mod sight;
mod space;
mod stage;
mod world;

use std::time::Duration;

pub use context::Context;
pub use effect::{Change, CommitId, Effect};
pub use entity::{Entity, PLAYER, SPEED};
pub use input::Input;
pub use quiet::{Nothing, Quiet};
pub use scenario::Scenario;
pub use sight::{InvalidPace, Pace};
pub use stage::{ConfigError, Outlets, Stage, StateError};
pub use world::World;

/// The length of a tick: 20 of them a second.
pub const TICK: Duration = Duration::from_millis(50);

/// The guide's code is run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/GAME.md")]
struct Guide;

//! The world engine: everything that happens on a map, without I/O or clock.
//!
//! # Layout
//! - [`atlas`]: what a map is, read from Tiled files.

pub mod atlas;

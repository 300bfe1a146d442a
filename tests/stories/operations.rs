//! One file a story, named for what a user would see. `cargo test -p waystone-stories NAME` tells
//! one of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a story that goes wrong ends at once"
)]

mod absent_at_start;
mod configuration;
mod documents;
mod late_commands;
mod lost_later;
mod postgres;
mod services;
mod up;

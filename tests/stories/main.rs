//! One file a story, named for what a user would see. `cargo test -p waystone-stories NAME` tells
//! one of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a story that goes wrong ends at once"
)]

mod bad_frames;
mod bad_names;
mod bad_tokens;
mod central_restart;
mod journey;
mod killed_map;
mod login_elsewhere;
mod rooms;
mod saving;
mod spawn_commands;
mod spawners_side_by_side;
mod two_with_one_id;
mod warp;
mod workflow;

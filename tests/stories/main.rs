//! One file a story, named for what a user would see. `cargo test -p waystone-stories NAME` tells
//! one of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a story that goes wrong ends at once"
)]

mod rooms;
mod workflow;

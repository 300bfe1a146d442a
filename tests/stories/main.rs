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
mod adopted;
mod bad_frames;
mod bad_names;
mod bad_tokens;
mod bots;
mod central_restart;
mod chaos;
mod configuration;
mod desired_changed;
mod desired_state;
mod documents;
mod instance;
mod journey;
mod kept_whole;
mod killed_map;
mod late_commands;
mod left_in_an_outage;
mod login_elsewhere;
mod lost_later;
mod operators_commands;
mod postgres;
mod reconnect;
mod recording;
mod recovered;
mod rolling_update;
mod rooms;
mod saving;
mod services;
mod spawn_commands;
mod spawners_side_by_side;
mod stale_owner;
mod together;
mod two_centrals;
mod two_with_one_id;
mod up;
mod warp;
mod workflow;

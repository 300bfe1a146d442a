//! Stories of the backbone on real nats-server processes.
//!
//! Each runs on every nats-server at hand: the one on `PATH`, and the one that
//! `WAYSTONE_NATS_CURRENT` names, so that an old and a current one can both be held to.
//!
//! # Layout
//! - `server`: starts, stops, pauses and restarts a nats-server of a test's own.
//! - `link`: a slow network in between.
//! - `said`: the messages that the stories send.
//! - `calls`, `services`, `events`, `outages`, `roles`: the stories.

#![cfg(test)]

mod calls;
mod events;
mod link;
mod outages;
mod roles;
mod said;
mod server;
mod services;

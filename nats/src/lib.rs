//! The backbone: what servers say to each other over NATS, and how.
//!
//! # Layout
//! - [`table`]: every message's subject, reply and version; no other file writes a subject.
//! - [`backbone`]: the connection: [`Backbone::connect`], its state, publish and subscribe, drain.
//! - `address`: where NATS is and as whom. `notices`: what the connection says about itself.
//! - [`call`]: typed requests with a deadline. `inbox`: where their answers come in.
//! - [`service`]: typed endpoints of a NATS micro service; readiness is a ping to oneself answered.
//! - `endpoint`: one endpoint at work. `answers`: the first answer to a repeated request.
//! - `envelope`: a command as bytes, with its head beside the body.
//! - [`asyncapi`]: the table as a document, committed under `docs/protocol`.
//!
//! Only core NATS is used, so any nats-server from 2.9 up serves. `async-nats` stays inside.

pub mod asyncapi;
pub mod backbone;
pub mod call;
pub mod service;
pub mod table;

mod address;
mod answers;
mod endpoint;
mod envelope;
mod inbox;
mod notices;
mod peers;

pub use backbone::{Backbone, BackboneError, Options, Subscription};
pub use service::{Pulse, Service};
pub use table::{Event, Heard, Request, Target};

/// Milliseconds since 1970-01-01 UTC, as deadlines on the wire count.
pub fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

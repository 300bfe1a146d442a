//! The sessions on a real Redis.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod logins;
mod outages;
mod server;

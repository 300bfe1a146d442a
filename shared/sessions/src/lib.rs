//! Who is logged in: accounts' sessions and access tokens in Redis.
//!
//! An account has one session at most, in the key `mmo:<realm>:session:<account>`; a new login
//! replaces it. Redis holds the token's SHA-256, never the token, and forgets a session that was
//! not used for its time to live.
//!
//! Every call ends within [`CALL_DEADLINE`], also when Redis hangs or is gone, and works again by
//! itself once Redis is back. What Redis did wrong is in the log by then.
//!
//! # Layout
//! - [`Sessions`] (`sessions.rs`): open, validate, close, sweep.
//! - `record.rs`: what stands in a key.
//! - `redis_link.rs`: the connection, with its deadlines.
//! - [`SessionsError`] (`error.rs`): what can go wrong, by what the caller can do.

mod error;
mod record;
mod redis_link;
mod sessions;

pub use error::SessionsError;
pub use redis_link::{CALL_DEADLINE, CONNECT_DEADLINE};
pub use sessions::{Note, Opened, Session, Sessions};

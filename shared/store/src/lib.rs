//! Accounts and characters in SQL: an SQLite file by default, PostgreSQL for many machines.
//! And which Central leads, and what is meant to run.
//!
//! This is the authority on who owns a character. Every change of one names the owner, its epoch
//! and the version it was made from; a change that does not match is [`StoreError::Fenced`] and
//! must be dropped. Every call ends within [`CALL_DEADLINE`]; what the database did wrong is in
//! the log by then.
//!
//! # Layout
//! - [`Store`] (`store.rs`): open, ping, close.
//! - `accounts.rs`, `characters.rs`, `ownership.rs`, `ledger.rs`: what it can do, a noun each.
//! - `lease.rs`: which Central leads. `desired.rs`: what is meant to run.
//!   `drains.rs`: what is to be emptied.
//! - `row.rs`: a character as it stands in its table.
//! - `writer.rs`: changes that wait at the same time share a transaction.
//! - `engine.rs`: one statement text for both databases. `sqlite.rs`, `postgres.rs`: opening each.
//! - [`StoreError`] (`error.rs`): what can go wrong; `fault.rs`: what a database's error means.
//! - `limits.rs`: how long anything may take. `migrations/`: the tables, one text for both.

mod accounts;
mod characters;
mod desired;
mod drains;
mod engine;
mod error;
mod fault;
mod lease;
mod ledger;
mod limits;
mod ownership;
mod postgres;
mod row;
mod sqlite;
mod store;
mod writer;

pub use accounts::Account;
pub use characters::Character;
pub use desired::StoredDesired;
pub use drains::KeptDrain;
pub use error::StoreError;
pub use lease::{Kept, Lease};
pub use limits::{CALL_DEADLINE, CONNECT_DEADLINE};
pub use store::Store;

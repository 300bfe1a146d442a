//! The store on real databases: each test runs on SQLite, and on PostgreSQL where
//! `WAYSTONE_TEST_POSTGRES` holds the URL of a server on which databases may be created.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod accounts;
mod characters;
mod database;
mod desired;
mod drains;
mod lease;
mod ledger;
mod model;
mod outages;
mod ownership;
mod postgres_outages;
mod proxy;
mod retries;

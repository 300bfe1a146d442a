//! Chaos: players walk, buy and warp without rest while every kind of server is killed, hung,
//! restarted and cut off, by a seed. Then all is mended, and what they were promised is compared
//! with what is stored.
//!
//! # Layout
//! - [`plan`]: what goes wrong and when; pure. [`layout`]: the cluster and its two maps.
//! - [`theatre`]: does what the plan says to real processes. `keep`: one that is started again.
//! - [`bot`]: a player; `bot/errands`: what it does on a map. [`stay`]: one client of it, listened
//!   to. [`notes`]: what is known of it.
//! - [`promises`]: what a player was promised; pure.
//! - [`audit`]: every change of the store, and what must hold of them.
//! - [`echo`]: what servers asked of the store, said once more.
//! - [`watch`]: who is where, by what the servers tell.
//! - [`run`]: the order of it all. [`report`]: what came of it.

pub mod audit;
pub mod bot;
pub mod echo;
mod keep;
pub mod layout;
pub mod notes;
pub mod plan;
pub mod promises;
pub mod report;
pub mod run;
pub mod stay;
pub mod theatre;
pub mod watch;

pub use report::Report;
pub use run::{Settings, run};

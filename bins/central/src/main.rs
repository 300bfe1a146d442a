//! Central Server: logins and characters, and the Cluster Server with it.
//!
//! # Layout
//! - [`settings`]: what can be set. [`server`]: puts the parts together and keeps them running.
//! - [`backends`]: SQL, Redis and NATS, found at start and watched from then on.
//! - [`lobby`]: clients: logging in, characters, selecting one.
//! - [`passwords`]: argon2id, off the async threads and bounded.
//! - [`characters`]: load, save and hand over characters for Map Servers, over NATS.
//! - [`cluster_driver`]: carries messages to and from the Cluster's mind, `shared/cluster`.

mod backends;
mod characters;
mod cluster_driver;
mod lobby;
mod passwords;
mod server;
mod settings;

use std::process::ExitCode;

use instance::{Program, Role};

const ABOUT: &str = "Waystone Central Server, and the Cluster Server with it";

fn main() -> ExitCode {
    Program::new(Role::Central, ABOUT, env!("CARGO_PKG_VERSION")).run(server::start)
}

//! Central Server: logins and characters, and the Cluster Server with it.
//!
//! # Layout
//! - [`settings`]: what can be set. [`server`]: puts the parts together and keeps them running.
//! - [`backends`]: SQL, Redis and NATS, found at start and watched from then on.
//! - [`lobby`]: clients: logging in, characters, selecting one.
//! - [`passwords`]: argon2id, off the async threads and bounded.
//! - [`characters`]: load, save and hand over characters for Map Servers, over NATS.
//! - [`lease`]: who leads, as one Central sees it, pure. [`leadership`]: does what it says.
//! - [`reign`]: a Cluster for one [`term`] as the leader. [`leader`]: whoever leads, to be asked.
//! - [`cluster_driver`]: carries messages to and from the Cluster's mind, `shared/cluster`.
//! - [`desired`]: what is meant to run. [`desired_file`]: the file that says so.
//!   [`drains`]: what is to be emptied, written down.

mod backends;
mod characters;
mod cluster_driver;
mod desired;
mod desired_file;
mod drains;
mod leader;
mod leadership;
mod lease;
mod lobby;
mod passwords;
mod reign;
mod server;
mod settings;
mod term;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use instance::{Instance, Program, Role};

use crate::{desired_file::DesiredFileError, settings::Settings};

const ABOUT: &str = "Waystone Central Server, and the Cluster Server with it";
/// Status for a file that cannot be used, as for any other bad setting.
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    let bad_file = Arc::new(AtomicBool::new(false));
    let found = Arc::clone(&bad_file);
    let start = |settings: Settings, instance: Instance| async move {
        let outcome = server::start(settings, instance).await;
        let is_bad = outcome.as_ref().is_err_and(|error| error.is::<DesiredFileError>());
        found.store(is_bad, Ordering::Relaxed);
        outcome
    };
    let status = Program::new(Role::Central, ABOUT, env!("CARGO_PKG_VERSION")).run(start);
    if bad_file.load(Ordering::Relaxed) { ExitCode::from(EXIT_CONFIG) } else { status }
}

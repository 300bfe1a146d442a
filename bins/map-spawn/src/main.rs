//! The Map Spawn Server: starts, watches and stops Map Servers, on order of its settings, the
//! Cluster, or anybody allowed who types a request.
//!
//! # Layout
//! - [`settings`]: what can be set.
//! - [`spawner`]: one spawner from its start to its end.
//! - [`catalogue`]: which maps it may run. [`map_program`]: how they are started.
//! - [`nursery`]: what is to be done, as a pure state machine. [`keeper`]: the shell that does it.
//! - [`watch`]: a running Map Server: what it says, what it is told, how it ends.
//! - [`adoption`]: Map Servers that an earlier life of this spawner has left behind.
//! - [`membership`]: being known to the Cluster. [`commands`]: what it is asked to do.
//! - [`announcer`]: what it tells everybody. [`machine`]: how busy its machine is.

mod adoption;
mod announcer;
mod catalogue;
mod commands;
mod keeper;
mod machine;
mod map_program;
mod membership;
mod nursery;
mod settings;
mod spawner;
mod watch;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use instance::{Instance, Program, Role};

use crate::{catalogue::CatalogueError, settings::Settings};

/// Status for settings that do not fit the map program, as for any other bad setting.
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    let misfit = Arc::new(AtomicBool::new(false));
    let found = Arc::clone(&misfit);
    let start = |settings: Settings, instance: Instance| async move {
        let outcome = spawner::run(settings, instance).await;
        let is_misfit = outcome.as_ref().is_err_and(|error| error.is::<CatalogueError>());
        found.store(is_misfit, Ordering::Relaxed);
        outcome
    };
    let about = "Map Spawn Server: starts, watches and stops Map Servers";
    let status =
        Program::new(Role::MapSpawn, about, env!("CARGO_PKG_VERSION")).current_thread().run(start);
    if misfit.load(Ordering::Relaxed) { ExitCode::from(EXIT_CONFIG) } else { status }
}

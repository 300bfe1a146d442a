//! Map Servers that an earlier life of this spawner has left behind: a spawner that is killed takes
//! none of them with it, and the next one of its id on the same machine looks after them.
//!
//! # Layout
//! - [`table`]: the machine's processes. [`recognise`]: which of them are its own.
//! - [`handle`]: a process that is not this one's child: its end, and signals to it.

#[cfg(target_os = "linux")]
mod handle;
#[cfg(not(target_os = "linux"))]
#[path = "no_handle.rs"]
mod handle;
mod recognise;
mod table;

use std::time::Duration;

use protocol::ServerId;
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};
use tracing::warn;

use self::handle::Handle;
use crate::{
    map_program::MapProgram,
    nursery::{Event, Found, Sign},
};

/// How long reading the process table may take.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// How an adopted child ended, as far as can be known: only a parent hears more.
const ENDED: &str = "ended; how is not known, since an earlier life of this spawner started it";

/// A Map Server without a spawner.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) found: Found,
    pub(crate) handle: Handle,
}

/// The Map Servers of this machine that a spawner with these settings has started, oldest first.
pub(crate) async fn find(program: &MapProgram) -> Vec<Orphan> {
    let program = program.clone();
    let looking = spawn_blocking(move || look(&program));
    match timeout(LOOK_WITHIN, looking).await {
        Ok(Ok(orphans)) => orphans,
        Ok(Err(error)) => {
            warn!("Map Servers that run already are not adopted: {error}");
            Vec::new()
        }
        Err(_) => {
            let within = LOOK_WITHIN.as_secs();
            warn!("Map Servers that run already are not adopted: no process table in {within} s");
            Vec::new()
        }
    }
}

fn look(program: &MapProgram) -> Vec<Orphan> {
    if !handle::SUPPORTED {
        warn!("Map Servers that run already are not adopted: this system has no process handles");
        return Vec::new();
    }
    let seen = table::processes();
    if seen.is_empty() {
        warn!("Map Servers that run already are not adopted: the process table cannot be read");
    }
    let ours = seen.iter().filter(|seen| recognise::recognise(seen, program).is_some());
    ours.filter_map(|seen| take(seen.pid, program)).collect()
}

/// Gets hold of a process that looked like one of ours.
fn take(pid: u32, program: &MapProgram) -> Option<Orphan> {
    let handle = match Handle::open(pid) {
        Ok(handle) => handle,
        Err(error) => {
            warn!(pid, "a Map Server that runs already is not adopted: {error}");
            return None;
        }
    };
    // The id may have passed to another process before the handle was there. What is read now, with
    // the process of the handle still alive after it, is about that process.
    let found = recognise::recognise(&table::process(pid)?, program)?;
    (!handle.is_over()).then_some(Orphan { found, handle })
}

/// Watches an orphan until it has ended: reports its end, and hands signals on.
pub(crate) async fn watch_orphan(
    server: ServerId,
    handle: Handle,
    mut signs: mpsc::Receiver<Sign>,
    reports: mpsc::Sender<Event>,
) {
    let how = loop {
        tokio::select! {
            Some(sign) = signs.recv() => {
                if let Err(error) = handle.send(sign) {
                    warn!(%server, %error, "a signal could not be sent");
                }
            }
            ended = handle.ended() => break match ended {
                Ok(()) => ENDED.to_owned(),
                Err(error) => format!("was lost: {error}"),
            },
        }
    };
    // Nobody listens any more when the spawner was cut short.
    let _ = reports.send(Event::Ended { server, how }).await;
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

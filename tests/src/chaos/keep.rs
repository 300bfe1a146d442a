//! A program that is started again when it ends, as systemd or Docker would.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{Process, Program};

/// Between two starts.
const AGAIN: Duration = Duration::from_secs(1);

/// A program that is started again when it ends.
pub(super) struct Keep {
    name: String,
    pub(super) process: Option<Process>,
    /// A fault keeps it down.
    pub(super) is_down: bool,
    starts: u32,
    started: Instant,
}

impl Keep {
    pub(super) fn new(name: &str) -> Self {
        let started = Instant::now();
        Self { name: name.to_owned(), process: None, is_down: false, starts: 0, started }
    }

    pub(super) fn start(&mut self, program: Program) {
        self.starts += 1;
        (self.is_down, self.started) = (false, Instant::now());
        // A log of its own for each life.
        let name = format!("{}.{}", self.name, self.starts);
        self.process = Some(program.named(&name).start());
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process {
            process.signal(signal);
        }
    }

    /// Takes it down until somebody starts it.
    pub(super) fn down(&mut self, signal: Signal) {
        self.is_down = true;
        self.signal(signal);
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Its last words, if it ended and no fault was to blame, and may be started again.
    pub(super) fn has_ended_by_itself(&mut self) -> Option<String> {
        if self.is_down || self.started.elapsed() < AGAIN {
            return None;
        }
        let process = self.process.as_mut()?;
        let status = process.status()?;
        let log = process.log();
        let last = log.lines().last().unwrap_or("no word");
        Some(format!("{}: {status}: {last}", self.name))
    }
}

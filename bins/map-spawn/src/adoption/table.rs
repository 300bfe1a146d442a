//! The machine's processes.

use std::{ffi::OsString, path::PathBuf};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// What the machine says of a process.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) pid: u32,
    /// Its file, if that may be known.
    pub(super) program: Option<PathBuf>,
    pub(super) args: Vec<OsString>,
    /// As `NAME=value`; empty where it is another user's.
    pub(super) environment: Vec<OsString>,
}

/// All of them, oldest first; none where they cannot be read.
pub(super) fn processes() -> Vec<Seen> {
    let system = read(ProcessesToUpdate::All);
    let mut processes: Vec<&Process> = system.processes().values().collect();
    processes.sort_by_key(|process| (process.start_time(), process.pid()));
    processes.into_iter().map(Seen::of).collect()
}

/// The one that has this id now.
pub(super) fn process(pid: u32) -> Option<Seen> {
    let pid = Pid::from_u32(pid);
    read(ProcessesToUpdate::Some(&[pid])).process(pid).map(Seen::of)
}

fn read(which: ProcessesToUpdate<'_>) -> System {
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_exe(UpdateKind::Always)
        .with_environ(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(which, true, what);
    system
}

impl Seen {
    fn of(process: &Process) -> Self {
        Self {
            pid: process.pid().as_u32(),
            program: process.exe().map(PathBuf::from),
            args: process.cmd().to_vec(),
            environment: process.environ().to_vec(),
        }
    }
}

//! What a process takes of the machine, from `/proc` (`man 5 proc`).

use std::{fs, time::Duration};

use anyhow::Context;
use rustix::param::{clock_ticks_per_second, page_size};

/// A process on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// This one.
    pub(crate) fn this() -> Self {
        Self(std::process::id())
    }

    /// Time on a core so far, of all its threads, in the program and in the kernel for it.
    pub(crate) fn cpu(self) -> anyhow::Result<Duration> {
        let text = self.read("stat")?;
        let ticks = cpu_ticks(&text).with_context(|| format!("`{text}` has no CPU time"))?;
        Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
    }

    /// Memory in RAM, in bytes.
    pub(crate) fn memory(self) -> anyhow::Result<Memory> {
        let text = self.read("statm")?;
        memory(&text, page_size() as u64).with_context(|| format!("`{text}` has no size"))
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}; does it run?"))
    }
}

/// Memory in RAM, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All of it.
    pub(crate) resident: u64,
    /// What is of no file. The program's code is of one: it comes in where it runs for the first time,
    /// and no more of it for more clients.
    pub(crate) own: u64,
}

/// The fields 2 and 3, `resident` and `shared`, in pages.
fn memory(statm: &str, page: u64) -> Option<Memory> {
    let mut fields = statm.split(' ').skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Memory { resident: resident * page, own: resident.saturating_sub(shared) * page })
}

/// The fields 14 and 15, `utime` and `stime`. The second field is a name in brackets that may
/// itself hold brackets and spaces, so fields are counted from its end.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 3 4 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn what_is_of_a_file_is_not_its_own() {
        let memory = memory("900 300 200 40 0 100 0", 4096);
        assert_eq!(memory, Some(Memory { resident: 300 * 4096, own: 100 * 4096 }));
    }

    #[test]
    fn this_process_has_memory() {
        let Memory { resident, own } = Process::this().memory().unwrap();
        assert!(own > 100_000 && own < resident, "{own} of {resident}");
        Process::this().cpu().unwrap();
    }
}

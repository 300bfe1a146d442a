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
    pub(crate) fn resident(self) -> anyhow::Result<u64> {
        let text = self.read("statm")?;
        let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        Ok(pages.with_context(|| format!("`{text}` has no size"))? * page_size() as u64)
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}; does it run?"))
    }
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
    fn this_process_has_memory() {
        assert!(Process::this().resident().unwrap() > 100_000);
        Process::this().cpu().unwrap();
    }
}

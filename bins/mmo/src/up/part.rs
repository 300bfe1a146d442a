//! One process of the cluster: started, waited for, ended.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How much of a log is shown when a part fails, in bytes.
const TAIL: u64 = 2000;

/// A process that ends when this one does, however this one ends.
pub(super) struct Part {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Part {
    /// Starts a program with its output in a log file. Its stdout is kept for
    /// [`Part::first_line`] if asked for.
    pub(super) fn start(
        name: impl Into<String>,
        log: PathBuf,
        program: &std::ffi::OsStr,
        with: impl FnOnce(&mut Command),
        keeps_stdout: bool,
    ) -> anyhow::Result<Self> {
        let name = name.into();
        let written =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // setpriv (of util-linux, on every Debian) has the kernel end the program when this process
        // is gone, even by SIGKILL, when nobody could tell it to.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        with(&mut command);
        let stdout = if keeps_stdout { Stdio::piped() } else { written.try_clone()?.into() };
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(written)
            // A group of its own: Ctrl-C is for this program, which ends the others in order.
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The first line that it prints, within `limit`.
    pub(super) async fn first_line(&mut self, limit: Duration) -> anyhow::Result<String> {
        let stdout = self.child.stdout.take().context("its output is not kept")?;
        let mut lines = BufReader::new(stdout).lines();
        match timeout(limit, lines.next_line()).await {
            Ok(Ok(Some(line))) => Ok(line),
            Ok(_) => bail!("{} ended before it was ready:\n{}", self.name, self.log_tail()),
            Err(_) => bail!("{} was not ready within {limit:?}:\n{}", self.name, self.log_tail()),
        }
    }

    /// Asks `is_ready` until it gives something, within `limit`.
    pub(super) async fn until<T>(
        &mut self,
        limit: Duration,
        mut is_ready: impl AsyncFnMut() -> Option<T>,
    ) -> anyhow::Result<T> {
        let asked = async {
            loop {
                if let Some(ready) = is_ready().await {
                    return Ok(ready);
                }
                if self.has_ended() {
                    bail!("{} ended before it was ready:\n{}", self.name, self.log_tail());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(limit, asked).await {
            Ok(done) => done,
            Err(_) => bail!("{} was not ready within {limit:?}:\n{}", self.name, self.log_tail()),
        }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, and kills it when it has not within `grace`.
    pub(super) async fn end(&mut self, grace: Duration) {
        let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) else { return };
        if let Some(id) = rustix::process::Pid::from_raw(id) {
            // It may have ended by itself meanwhile; its id is not reused before it is waited for.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        if timeout(grace, self.child.wait()).await.is_err() {
            crate::talk(&format!("{} did not end within {grace:?} and is killed", self.name));
            self.kill().await;
        }
    }

    pub(super) async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    fn log_tail(&self) -> String {
        let mut tail = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let length = file.metadata().map_or(0, |data| data.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(TAIL)));
            let _ = file.read_to_end(&mut tail);
        }
        format!("{}(in {})", String::from_utf8_lossy(&tail), self.log.display())
    }
}

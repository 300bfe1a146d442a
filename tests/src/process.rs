//! One program: started, signalled, waited for, its log shown when a story fails.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{SOON, until};

/// How long a program has to end after SIGTERM before it is killed, when a story is over.
const GRACE: Duration = Duration::from_secs(15);

/// A program to be started.
pub struct Program {
    name: String,
    command: Command,
    folder: PathBuf,
}

/// A program of this workspace, by name.
///
/// # Panics
/// When it was not built.
pub fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a test knows where it is");
    // target/debug/deps/stories-… stands one folder below the programs.
    let path = this.parent().and_then(Path::parent).expect("a target folder").join(name);
    assert!(path.is_file(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}

impl Program {
    /// A program whose output goes to files in `folder`. Its environment is empty but for PATH, so
    /// that nothing of the machine's settings plays a part.
    pub fn new(name: impl Into<String>, program: impl AsRef<OsStr>, folder: &Path) -> Self {
        // The kernel ends it when this thread does, even when the story is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(folder).stdin(Stdio::null());
        Self { name: name.into(), command, folder: folder.to_owned() }
    }

    /// Gives its files another name, for a second one with the same id.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the system cannot.
    pub fn start(mut self) -> Process {
        let path = |kind: &str| self.folder.join(format!("{}.{kind}", self.name));
        let (out, err) = (path("out"), path("err"));
        self.command.stdout(File::create(&out).expect("an output file"));
        self.command.stderr(File::create(&err).expect("a log file"));
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Process { name: self.name, child, out, err, status: None }
    }

    /// Starts it and waits until it has ended: its status, stdout and stderr.
    ///
    /// # Panics
    /// When it has not ended within `limit`.
    pub async fn run(self, limit: Duration) -> (ExitStatus, String, String) {
        let mut process = self.start();
        let status = process.ended(limit).await;
        (status, process.stdout(), process.log())
    }
}

/// A program that was started. Dropped, it is ended: gently first, so that it ends its children.
pub struct Process {
    name: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// The first line that it prints.
    ///
    /// # Panics
    /// When there is none within `limit`, or it ended without one.
    pub async fn first_line(&mut self, limit: Duration) -> String {
        let what = format!("the first line of {}", self.name);
        until(limit, &what, async || {
            if let Some((line, _)) = self.stdout().split_once('\n') {
                return Some(line.to_owned());
            }
            let ended = self.status();
            assert!(ended.is_none(), "{} ended early: {ended:?}\n{}", self.name, self.log());
            None
        })
        .await
    }

    /// Waits until its log has `text`.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub async fn logged(&self, text: &str, limit: Duration) {
        let what = format!("`{text}` in the log of {}", self.name);
        until(limit, &what, async || self.log().contains(text).then_some(())).await;
    }

    /// Its exit status, if it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child of this process");
        }
        self.status
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        until(limit, &what, async || self.status()).await
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        if self.status().is_none() {
            signal_process(self.id(), signal);
        }
    }

    /// Makes it hang, and waits until it does: a signal's sender does not wait for its effect.
    pub async fn hang(&mut self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.id());
        let what = format!("{} hanging", self.name);
        until(SOON, &what, async || {
            let mut threads = fs::read_dir(&tasks).ok()?;
            threads
                .all(|thread| thread.is_ok_and(|thread| is_stopped(&thread.path())))
                .then_some(())
        })
        .await;
    }

    /// Kills it as a crash would, and waits for its end.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.status = self.child.wait().ok();
    }
}

/// A free port below those that the system gives to whoever asks for any, so that nobody takes it
/// between its owner's death and its owner's return.
///
/// # Panics
/// When there is none.
pub fn quiet_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Stories of several programs run side by side.
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut ports = std::iter::repeat_with(|| first + GIVEN.fetch_add(1, Relaxed)).take(1000);
    ports.find(is_free).expect("a free port")
}

/// Sends a signal to a process that a spawner of this story started.
pub fn signal_process(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = kill_process(id, signal);
}

/// Whether a process runs. One that has ended and was not waited for yet does not.
pub fn is_running(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The state follows the name, which stands in brackets and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The processes that a process has started and that have not ended. Those of a process that has
/// ended are nobody's children any more.
pub fn children_of(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| is_running(*id) && parent_of(*id) == Some(parent)).collect()
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// What a process was started with; nothing of one that has ended.
pub fn arguments(id: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn is_stopped(thread: &Path) -> bool {
    let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Processes whose parent was killed: nobody else ends them. Dropped, they are ended.
pub struct Orphans(pub Vec<u32>);

impl Drop for Orphans {
    fn drop(&mut self) {
        let start = Instant::now();
        for &id in self.0.iter().filter(|id| is_running(**id)) {
            signal_process(id, Signal::TERM);
        }
        while self.0.iter().any(|id| is_running(*id)) && start.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(10));
        }
        for &id in self.0.iter().filter(|id| is_running(**id)) {
            eprintln!("the orphan {id} did not end by itself");
            signal_process(id, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        let start = Instant::now();
        while self.status().is_none() && start.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(10));
        }
        if self.status().is_none() {
            eprintln!("{} did not end by itself", self.name);
            self.kill();
        }
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- the log of {}", self.name);
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

//! Real processes to test with: a nats-server and a spawner with fake maps.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nats::{Backbone, Options, Subscription, table::Heard};
use protocol::backbone::spawners::{self, ListChildren};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longest wait for anything that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until `look` finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The next of these events, which must come.
pub(crate) async fn next<H: Heard>(events: &mut Subscription<H>) -> H {
    let next = tokio::time::timeout(PATIENCE, events.next()).await;
    next.expect("an event in time").expect("a connection")
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

pub(crate) fn is_running(pid: u32) -> bool {
    // A process that ended and waits to be reaped runs no more.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// A nats-server of its own, and a folder.
pub(crate) struct Ground {
    nats: Child,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let nats = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is installed");
        let ports = folder.path().join(format!("nats-server_{}.ports", nats.id()));
        let url = eventually("the port of nats-server", async || {
            let ports: serde_json::Value = serde_json::from_slice(&fs::read(&ports).ok()?).ok()?;
            Some(ports["nats"][0].as_str()?.to_owned())
        })
        .await;
        Self { nats, url, folder }
    }

    pub(crate) async fn backbone(&self, role: &str) -> Backbone {
        let (realm, id) = ("main".parse().unwrap(), "test".to_owned());
        let options =
            Options { url: self.url.clone(), credentials: None, realm, role: role.into(), id };
        Backbone::connect(options).await.unwrap()
    }

    /// Starts a spawner with short deadlines and these flags.
    pub(crate) fn spawner(&self, flags: &[&str]) -> Spawner {
        let log = self.folder.path().join("spawner.log");
        let process = Command::new(env!("CARGO_BIN_EXE_map-spawn"))
            .args(flags)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("NATS_URL", &self.url)
            .env("MMO_ID", "s")
            .env(
                "MMO_MAP_COMMAND",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/spawner/fake_map.sh"),
            )
            .envs([("MMO_START_DEADLINE_S", "1"), ("MMO_STOP_GRACE_S", "2"), ("MMO_DRAIN_S", "6")])
            .env("FAKE_MAP_DIR", self.folder.path())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Spawner { process, log }
    }

    /// What a fake map noted.
    pub(crate) fn note(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.nats.kill();
        let _ = self.nats.wait();
    }
}

pub(crate) struct Spawner {
    process: Child,
    log: PathBuf,
}

impl Spawner {
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.process.id(), signal);
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let process = &mut self.process;
        eventually("the spawner's end", async || process.try_wait().unwrap()).await
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Spawner {
    /// It stops its children, so that a failed test leaves none behind.
    fn drop(&mut self) {
        let is_running = |process: &mut Child| process.try_wait().is_ok_and(|end| end.is_none());
        if is_running(&mut self.process) {
            self.signal(Signal::TERM);
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && is_running(&mut self.process) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        if std::thread::panicking() {
            eprintln!("--- the spawner's log\n{}", self.log());
        }
    }
}

/// The children of the spawner `s`.
pub(crate) async fn children(backbone: &Backbone) -> Vec<spawners::Child> {
    let to = "s".parse().unwrap();
    backbone.call(&to, ListChildren {}).await.map(|list| list.children).unwrap_or_default()
}

/// The children of the spawner `s` once they are as wanted.
pub(crate) async fn children_when(
    backbone: &Backbone,
    wanted: impl Fn(&[spawners::Child]) -> bool,
) -> Vec<spawners::Child> {
    eventually("children as wanted", async || {
        let children = children(backbone).await;
        wanted(&children).then_some(children)
    })
    .await
}

pub(crate) fn missing_program(folder: &Path) -> String {
    folder.join("no-such-program").display().to_string()
}

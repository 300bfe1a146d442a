//! A nats-server of a test's own: on an ephemeral port of loopback, in a temporary folder, ended
//! with its test.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use nats::{Backbone, BackboneError, Options};
use tempfile::TempDir;

/// How long anything may take that is no story's point.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Every role of nats/conf/users.conf. In tests its password is `pw-` and its name.
pub(crate) const ROLES: [&str; 5] = ["central", "spawner", "map", "operator", "observer"];

/// A nats-server program.
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

static BINARIES: LazyLock<Vec<Binary>> = LazyLock::new(|| {
    let current = std::env::var_os("WAYSTONE_NATS_CURRENT").map(PathBuf::from);
    let found: Vec<Binary> =
        [Some(PathBuf::from("nats-server")), current].into_iter().flatten().map(version).collect();
    for binary in &found {
        // Past the test runner's capture: it should be seen which servers were held to.
        let _ = writeln!(std::io::stderr(), "on {} ({})", binary.version, binary.path.display());
    }
    found
});

fn version(path: PathBuf) -> Binary {
    let output = Command::new(&path).arg("--version").output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; install nats-server (Debian: apt-get install nats-server)",
            path.display()
        )
    });
    Binary { path, version: String::from_utf8_lossy(&output.stdout).trim().to_owned() }
}

/// Which users a server knows.
#[derive(Clone, Copy)]
pub(crate) enum Users {
    /// Anybody may do anything.
    Anybody,
    /// Those of nats/conf/waystone.conf.
    Roles,
}

/// Plays a story on every nats-server at hand, side by side.
pub(crate) async fn on_each(users: Users, story: impl AsyncFn(Server)) {
    let plays = BINARIES.iter().map(async |binary| {
        story(Server::start(binary, users).await).await;
        eprintln!("held on {}", binary.version);
    });
    futures_util::future::join_all(plays).await;
}

/// A running nats-server, killed when dropped.
pub(crate) struct Server {
    binary: &'static Binary,
    users: Users,
    folder: TempDir,
    pub(crate) port: u16,
    child: Child,
}

impl Server {
    async fn start(binary: &'static Binary, users: Users) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(binary, users);
        command.args(["-p", "-1", "--ports_file_dir"]).arg(folder.path());
        let child = command.spawn().unwrap();
        let file = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let mut server = Self { binary, users, folder, port: 0, child };
        until("the server says its port", async || {
            server.port = said_port(&file).unwrap_or_default();
            server.port != 0
        })
        .await;
        server
    }

    /// `nats://127.0.0.1:port`, as somebody.
    pub(crate) fn url(&self, user: &str, password: &str) -> String {
        format!("nats://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// How a role reaches this server.
    pub(crate) fn options(&self, role: &str, id: &str) -> Options {
        let url = match self.users {
            Users::Anybody => format!("nats://127.0.0.1:{}", self.port),
            Users::Roles => self.url(role, &format!("pw-{role}")),
        };
        let (role, id) = (role.to_owned(), id.to_owned());
        Options { url, credentials: None, realm: "main".parse().unwrap(), role, id }
    }

    pub(crate) async fn join(&self, role: &str, id: &str) -> Backbone {
        self.try_join(self.options(role, id)).await.unwrap()
    }

    pub(crate) async fn try_join(&self, options: Options) -> Result<Backbone, BackboneError> {
        tokio::time::timeout(SOON, Backbone::connect(options)).await.expect("no connection")
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on its old port, which somebody else may hold for a moment.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        let port = self.port;
        until("the server is back on its port", async || {
            if let Ok(Some(_)) | Err(_) = self.child.try_wait() {
                self.child = command(self.binary, self.users)
                    .args(["-p", &port.to_string()])
                    .spawn()
                    .unwrap();
            }
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
    }

    /// Stops it in mid-sentence until [`Server::resume`]; its sockets stay open.
    pub(crate) async fn pause(&self) {
        self.signal("-STOP");
        let threads = format!("/proc/{}/task", self.child.id());
        until("every thread of the server stands", async || {
            let mut threads = std::fs::read_dir(&threads).unwrap().flatten();
            threads.all(|thread| is_stopped(&thread.path()))
        })
        .await;
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Where a test may keep files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill {signal}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A nats-server that only checks its configuration: whether it is content, and what it says.
pub(crate) fn checks(passwords: &[(&str, &str)]) -> Vec<(bool, String)> {
    let check = |binary: &Binary| {
        let mut command = Command::new(&binary.path);
        let output =
            command.args(["-t", "-c", CONF]).envs(passwords.iter().copied()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    BINARIES.iter().map(check).collect()
}

const CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/waystone.conf");

fn command(binary: &Binary, users: Users) -> Command {
    let mut command = Command::new(&binary.path);
    command.args(["-a", "127.0.0.1"]).stdout(Stdio::null()).stderr(Stdio::null());
    if let Users::Roles = users {
        command.args(["-c", CONF]);
        for role in ROLES {
            let variable = format!("NATS_{}_PASSWORD", role.to_uppercase());
            command.env(variable, format!("pw-{role}"));
        }
    }
    command
}

fn is_stopped(thread: &Path) -> bool {
    let stat = std::fs::read_to_string(thread.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
}

fn said_port(file: &Path) -> Option<u16> {
    let said: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    said["nats"][0].as_str()?.rsplit_once(':')?.1.parse().ok()
}

/// Waits for a condition, [`SOON`] at most.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < SOON, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

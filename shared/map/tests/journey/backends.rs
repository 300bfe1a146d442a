//! A NATS server and a Redis of one test, on free ports, ended with it.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{sleep, timeout};

pub(crate) struct Backends {
    pub(crate) nats_url: String,
    pub(crate) redis_url: String,
    nats: Child,
    redis: Child,
    folder: TempDir,
}

impl Backends {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (nats, redis) = (run_nats(folder.path(), "-1"), run_redis(folder.path()));
        let nats_url = until(|| nats_url(folder.path())).await;
        let socket = folder.path().join("redis.sock");
        until(|| socket.exists().then_some(())).await;
        let redis_url = format!("redis+unix://{}", socket.display());
        Self { nats_url, redis_url, nats, redis, folder }
    }

    /// Kills both.
    pub(crate) fn kill(&mut self) {
        for child in [&mut self.nats, &mut self.redis] {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(self.folder.path().join("redis.sock"));
    }

    /// Starts both again where they were; Redis has forgotten everything.
    pub(crate) fn restart(&mut self) {
        let port = self.nats_url.rsplit(':').next().unwrap().to_owned();
        self.nats = run_nats(self.folder.path(), &port);
        self.redis = run_redis(self.folder.path());
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run_nats(folder: &Path, port: &str) -> Child {
    let mut command = Command::new("nats-server");
    run(command.args(["-a", "127.0.0.1", "-p", port, "--ports_file_dir"]).arg(folder))
}

fn run_redis(folder: &Path) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(folder.join("redis.sock"));
    run(command.current_dir(folder))
}

fn run(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// From the file in which nats-server says which port it has bound.
fn nats_url(folder: &Path) -> Option<String> {
    let files = std::fs::read_dir(folder).ok()?;
    let is_it = |file: &std::fs::DirEntry| file.file_name().to_string_lossy().ends_with(".ports");
    let file = files.flatten().find(is_it)?;
    let ports: serde_json::Value =
        serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
    Some(ports["nats"][0].as_str()?.to_owned())
}

/// Looks until it is there, for ten seconds.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), looking).await.expect("it did not come within 10 s")
}

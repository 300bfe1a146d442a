//! A real redis-server.

use std::path::{Path, PathBuf};

use protocol::AccountId;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{
    process::{Process, Program},
    wait::{SOON, until},
};

/// A redis-server on a Unix socket, with every write in a log (AOF), so that it forgets nothing
/// over restarts.
pub struct RedisServer {
    process: Process,
    folder: PathBuf,
}

impl RedisServer {
    /// Starts one.
    pub async fn start(folder: &Path) -> Self {
        let server = Self { process: launch(folder), folder: folder.to_owned() };
        server.is_up().await;
        server
    }

    /// `redis+unix://…`, for servers.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.join("redis.sock").display())
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, with what it had.
    pub async fn restart(&mut self) {
        self.process = launch(&self.folder);
        self.is_up().await;
    }

    /// Whether it has a session of this account. Asking does not prolong it.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn has_session(&self, account: AccountId) -> bool {
        let mut stream = UnixStream::connect(self.folder.join("redis.sock")).await.expect("Redis");
        let ask = format!("EXISTS mmo:main:session:{account}\r\n");
        stream.write_all(ask.as_bytes()).await.expect("Redis");
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.expect("Redis");
        answer.starts_with(b":1")
    }

    /// Makes it hang, or go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    async fn is_up(&self) {
        let socket = self.folder.join("redis.sock");
        until(SOON, "redis-server", async || UnixStream::connect(&socket).await.ok()).await;
    }
}

fn launch(folder: &Path) -> Process {
    let _ = std::fs::remove_file(folder.join("redis.sock"));
    Program::new("redis", "redis-server", folder)
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always"])
        .start()
}

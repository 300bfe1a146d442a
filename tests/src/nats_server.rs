//! A real nats-server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde::Deserialize;

use crate::{
    process::{Process, Program},
    wait::{SOON, until},
};

/// A nats-server on a port that it picked itself. It keeps that port over restarts.
pub struct NatsServer {
    process: Process,
    folder: PathBuf,
    address: String,
    users: Users,
}

/// Whom a nats-server lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Users {
    /// Whoever connects may do everything.
    Anybody,
    /// Those of `nats/conf`, each with `pw-` and its name for a password.
    Roles,
}

#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

impl NatsServer {
    /// Starts one, with no users: whoever connects may do everything.
    pub async fn start(folder: &Path) -> Self {
        Self::start_for(Users::Anybody, folder, "-1").await
    }

    /// Starts one with the users of `nats/conf`.
    pub async fn start_with_users(folder: &Path) -> Self {
        Self::start_for(Users::Roles, folder, "-1").await
    }

    /// Starts one with no users on this port, such as one that nobody else gets while it is away.
    pub async fn start_at(folder: &Path, port: u16) -> Self {
        Self::start_for(Users::Anybody, folder, &port.to_string()).await
    }

    async fn start_for(users: Users, folder: &Path, port: &str) -> Self {
        let process = launch(users, folder, port);
        let ports = folder.join("nats-ports");
        let address = until(SOON, "nats-server's port", async || {
            let file = fs::read_dir(&ports).ok()?.next()?.ok()?;
            let ports: Ports = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
            Some(ports.nats.first()?.strip_prefix("nats://")?.to_owned())
        })
        .await;
        Self { process, folder: folder.to_owned(), address, users }
    }

    /// `nats://…`, for servers.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, on the same port.
    ///
    /// # Panics
    /// When the port is gone.
    pub fn restart(&mut self) {
        let (_, port) = self.address.rsplit_once(':').expect("host:port");
        self.process = launch(self.users, &self.folder, port);
    }

    /// Makes it hang; from then on it says and hears nothing.
    pub async fn hang(&mut self) {
        self.process.hang().await;
    }

    /// Makes it hang, or go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }
}

fn launch(users: Users, folder: &Path, port: &str) -> Process {
    let ports = folder.join("nats-ports");
    let _ = fs::remove_dir_all(&ports);
    fs::create_dir_all(&ports).expect("a folder for ports");
    let program = Program::new("nats", "nats-server", folder)
        .args(["-a", "127.0.0.1", "-p", port, "--ports_file_dir"])
        .arg(&ports);
    match users {
        Users::Anybody => program.start(),
        Users::Roles => with_users(program).start(),
    }
}

fn with_users(program: Program) -> Program {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nats/conf/waystone.conf");
    let passwords = ["central", "spawner", "map", "operator", "observer"]
        .map(|role| (format!("NATS_{}_PASSWORD", role.to_uppercase()), format!("pw-{role}")));
    let program = program.arg("-c").arg(conf);
    passwords.into_iter().fold(program, |program, (name, value)| program.env(&name, value))
}

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
}

#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

impl NatsServer {
    /// Starts one, with no users: whoever connects may do everything.
    pub async fn start(folder: &Path) -> Self {
        let process = launch(folder, "-1");
        let ports = folder.join("nats-ports");
        let address = until(SOON, "nats-server's port", async || {
            let file = fs::read_dir(&ports).ok()?.next()?.ok()?;
            let ports: Ports = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
            Some(ports.nats.first()?.strip_prefix("nats://")?.to_owned())
        })
        .await;
        Self { process, folder: folder.to_owned(), address }
    }

    /// `nats://…`, for servers.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
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
        self.process = launch(&self.folder, port);
    }

    /// Makes it hang, or go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }
}

fn launch(folder: &Path, port: &str) -> Process {
    let ports = folder.join("nats-ports");
    let _ = fs::remove_dir_all(&ports);
    fs::create_dir_all(&ports).expect("a folder for ports");
    Program::new("nats", "nats-server", folder)
        .args(["-a", "127.0.0.1", "-p", port, "--ports_file_dir"])
        .arg(&ports)
        .start()
}

//! The Map Server's program: what it can run, and how it is started.
//!
//! A map gets what it must know by flags, and addresses that may hold a password by environment:
//! flags show in every process list.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use instance::chain;
use protocol::{MapName, Realm, SpawnerId};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::timeout,
};

use crate::{nursery::Launch, settings::Settings};

/// Longest that `--list-maps` may take.
const LIST_WITHIN: Duration = Duration::from_secs(5);
/// Longest list of maps, in bytes.
const LIST_BYTES: u64 = 64 * 1024;
/// What a map keeps of its grace to close, after its drain.
const TO_CLOSE: u64 = 2;
/// Where a map's NATS is.
pub(crate) const NATS_URL: &str = "NATS_URL";
/// A note for whoever looks after the map when this spawner is gone; the map itself reads it not.
pub(crate) const UPKEEP: &str = "WAYSTONE_UPKEEP";

/// Why the map program cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MapProgramError {
    #[error("cannot find the map program beside this one: {0}; give `map_command`")]
    NotBeside(#[source] io::Error),
    #[error("cannot run the map program {}; give another `map_command`", path.display())]
    NotRunnable { path: PathBuf, source: io::Error },
    #[error("`{} --list-maps` did not end within {} s", path.display(), LIST_WITHIN.as_secs())]
    Slow { path: PathBuf },
    #[error("`{} --list-maps` {how}", path.display())]
    Failed { path: PathBuf, how: String },
    #[error("`{} --list-maps` did not print a JSON array of map names", path.display())]
    Unreadable { path: PathBuf, source: serde_json::Error },
}

/// How Map Servers are started.
#[derive(Debug, Clone)]
pub(crate) struct MapProgram {
    path: PathBuf,
    settings: Settings,
}

impl MapProgram {
    /// The program that the settings name, or `map` beside this one.
    pub(crate) fn new(settings: &Settings) -> Result<Self, MapProgramError> {
        let path = match &settings.map_command {
            Some(path) => path.clone(),
            None => std::env::current_exe()
                .map_err(MapProgramError::NotBeside)?
                .with_file_name(format!("map{}", std::env::consts::EXE_SUFFIX)),
        };
        Ok(Self { path, settings: settings.clone() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whose Map Servers it starts.
    pub(crate) fn spawner(&self) -> &SpawnerId {
        &self.settings.id
    }

    /// The world that they belong to.
    pub(crate) fn realm(&self) -> &Realm {
        &self.settings.basics.realm
    }

    /// What they talk over.
    pub(crate) fn nats_url(&self) -> &str {
        self.settings.map_nats_url.as_ref().unwrap_or(&self.settings.nats_url)
    }

    /// Asks the program for the maps that it can run.
    pub(crate) async fn list_maps(&self) -> Result<Vec<MapName>, MapProgramError> {
        let path = || self.path.clone();
        let not_runnable = |source| MapProgramError::NotRunnable { path: path(), source };
        let mut child =
            self.command().arg("--list-maps").kill_on_drop(true).spawn().map_err(not_runnable)?;
        let mut printed = Vec::new();
        let work = async {
            if let Some(stdout) = child.stdout.take() {
                stdout.take(LIST_BYTES).read_to_end(&mut printed).await?;
            }
            child.wait().await
        };
        let status = timeout(LIST_WITHIN, work)
            .await
            .map_err(|_| MapProgramError::Slow { path: path() })?
            .map_err(not_runnable)?;
        if !status.success() {
            return Err(MapProgramError::Failed { path: path(), how: how_it_ended(status) });
        }
        serde_json::from_slice(&printed)
            .map_err(|source| MapProgramError::Unreadable { path: path(), source })
    }

    /// Starts a Map Server. It goes on running when this process is gone.
    pub(crate) fn launch(&self, launch: &Launch) -> Result<Child, String> {
        let Settings { basics, .. } = &self.settings;
        let mut command = self.command();
        let flags = [
            ("--id", launch.server.to_string()),
            ("--map", launch.map.to_string()),
            ("--channel", launch.channel.to_string()),
            ("--advertise-address", self.settings.advertise_address.clone()),
            ("--listen-address", self.settings.listen_address.to_string()),
            ("--ports", self.settings.ports.to_string()),
            ("--spawner", self.settings.id.to_string()),
            ("--realm", basics.realm.to_string()),
            ("--admin-address", "127.0.0.1:0".to_owned()),
        ];
        for (flag, value) in flags {
            command.args([flag, &value]);
        }
        if let Some(capacity) = launch.upkeep.capacity {
            command.args(["--capacity", &capacity.to_string()]);
        }
        let upkeep = serde_json::to_string(&launch.upkeep).map_err(|error| error.to_string())?;
        command.env(UPKEEP, upkeep);
        command.spawn().map_err(|error| {
            format!("cannot be started by {}: {}", self.path.display(), chain(&error))
        })
    }

    fn command(&self) -> Command {
        let settings = &self.settings;
        let mut command = Command::new(&self.path);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A Ctrl-C is for this process, which stops the maps in their order.
            .process_group(0)
            .env(NATS_URL, self.nats_url())
            .env("MMO_DRAIN_S", settings.stop_grace_s.saturating_sub(TO_CLOSE).max(1).to_string());
        let creds = settings.map_nats_creds.as_ref().or(settings.nats_creds.as_ref());
        match creds {
            Some(file) => command.env("NATS_CREDS", file),
            None => command.env_remove("NATS_CREDS"),
        };
        if let Some(url) = &settings.redis_url {
            command.env("REDIS_URL", url);
        }
        if let Some(file) = &settings.basics.config {
            command.env("MMO_CONFIG", file);
        }
        command
    }
}

/// A process's end in words, such as `was ended by signal 9`.
pub(crate) fn how_it_ended(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => format!("ended: {status}"),
    }
}

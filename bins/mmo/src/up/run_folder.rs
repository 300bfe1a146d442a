//! Where state lives: one `up` at a time, secrets, logs. It survives a restart.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// The longest path of a Unix socket is 107 bytes on Linux; see `man 7 unix`.
const SOCKET_PATH_MAX: usize = 107;

/// The folder, locked for as long as this lives.
pub(super) struct RunFolder {
    path: PathBuf,
    pub(super) secrets: Secrets,
    _lock: File,
}

/// Made at the first start and kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Secrets {
    pub(super) central: String,
    pub(super) spawner: String,
    pub(super) map: String,
    pub(super) operator: String,
    pub(super) observer: String,
    /// Of the two accounts that play the journey.
    pub(super) players: String,
}

impl RunFolder {
    /// Opens the folder, makes what is missing, and locks it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path.join("logs"))
            .with_context(|| format!("cannot make {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot use {}", path.display()))?;
        let lock = File::create(path.join("lock")).context("cannot lock the run folder")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "a cluster runs in {} already; stop it, or give --dir another folder",
                    path.display()
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock the run folder");
            }
        }
        let secrets = Secrets::load_or_make(&path.join("secrets.json"))?;
        Ok(Self { path, secrets, _lock: lock })
    }

    /// A place in the folder.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A place for a Unix socket.
    pub(super) fn socket(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.at(name);
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            bail!("{} is too long for a socket; give --dir a shorter path", path.display());
        }
        Ok(path)
    }
}

impl Secrets {
    fn load_or_make(path: &Path) -> anyhow::Result<Self> {
        if let Ok(text) = fs::read_to_string(path) {
            return serde_json::from_str(&text).with_context(|| {
                format!("{} is damaged; delete it to have a new one made", path.display())
            });
        }
        // A letter first: nats-server would read a number as one.
        let secret = || format!("s{:032x}", rand::random::<u128>());
        let secrets = Self {
            central: secret(),
            spawner: secret(),
            map: secret(),
            operator: secret(),
            observer: secret(),
            players: secret(),
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(serde_json::to_string_pretty(&secrets)?.as_bytes())?;
        Ok(secrets)
    }
}

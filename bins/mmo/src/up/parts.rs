//! How each kind of process is started, and how one sees that it is ready.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use protocol::{
    Realm,
    backbone::maps::{ListPeers, Peers},
};
use serde::Deserialize;
use tokio::{net::UnixStream, process::Command};

use super::{part::Part, run_folder::RunFolder};
use crate::{link::Link, talk};

/// How long a part has to get ready. A machine that builds at the same time is slow.
const READY: Duration = Duration::from_secs(30);
/// Where NATS and Central listen unless the port is taken.
const PREFERRED: [u16; 2] = [4222, 7700];
/// What each spawner runs. The dungeon is started for whoever enters it.
const SPAWN_MAPS: [&str; 2] = ["town", "forest"];

/// The cluster as far as it has been started.
pub(super) struct Cluster<'a> {
    folder: &'a RunFolder,
    programs: PathBuf,
    nats_conf: PathBuf,
    nats: String,
    redis_url: String,
    pub(super) central: String,
}

/// What Central prints when it is ready.
#[derive(Deserialize)]
struct CentralReady {
    listen: SocketAddr,
}

/// What nats-server writes into its ports file.
#[derive(Deserialize)]
struct NatsPorts {
    nats: Vec<String>,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(folder: &'a RunFolder, programs: PathBuf, nats_conf: PathBuf) -> Self {
        let (nats, redis_url, central) = (String::new(), String::new(), String::new());
        Self { folder, programs, nats_conf, nats, redis_url, central }
    }

    /// NATS with a user for each role. Whoever connects from this machine without a name is an
    /// operator, so that the nats command works as it is.
    pub(super) async fn nats(&mut self) -> anyhow::Result<Part> {
        let conf = self.nats_conf_in_folder()?;
        let ports = self.folder.at("nats-ports");
        let [preferred, _] = PREFERRED;
        let mut last = None;
        for port in [preferred.to_string(), "-1".to_owned()] {
            let _ = fs::remove_dir_all(&ports);
            fs::create_dir_all(&ports)?;
            let mut part = self.start("nats", OsStr::new("nats-server"), false, |command| {
                command
                    .arg("-c")
                    .arg(&conf)
                    .args(["-p", &port])
                    .arg("--ports_file_dir")
                    .arg(&ports);
                self.nats_passwords(command);
            })?;
            match part.until(READY, async || first_nats_address(&ports)).await {
                Ok(address) => {
                    self.nats = address;
                    talk(&format!("nats       {}", self.nats_url("")));
                    return Ok(part);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("NATS was not tried")?)
    }

    /// nats-server takes an include's path from the folder of the file that includes it, so the
    /// cluster's own files are copied beside the one that adds to them.
    fn nats_conf_in_folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.at("nats");
        let write = || {
            fs::create_dir_all(&folder)?;
            for file in ["waystone.conf", "users.conf"] {
                fs::copy(self.nats_conf.join(file), folder.join(file))?;
            }
            fs::write(folder.join("local.conf"), "include waystone.conf\nno_auth_user: operator\n")
        };
        write().with_context(|| {
            format!(
                "cannot copy {} to {}; see --nats-conf",
                self.nats_conf.display(),
                folder.display()
            )
        })?;
        Ok(folder.join("local.conf"))
    }

    /// Redis on a Unix socket, so that no port can clash, with every write in a log (AOF).
    pub(super) async fn redis(&mut self) -> anyhow::Result<Part> {
        let (socket, data) = (self.folder.socket("redis.sock")?, self.folder.at("redis"));
        fs::create_dir_all(&data)?;
        let _ = fs::remove_file(&socket);
        let mut part = self.start("redis", OsStr::new("redis-server"), false, |command| {
            command.args(["--port", "0", "--unixsocketperm", "600", "--unixsocket"]).arg(&socket);
            command.args(["--save", "", "--appendonly", "yes", "--dir"]).arg(&data);
        })?;
        part.until(READY, async || UnixStream::connect(&socket).await.ok()).await?;
        self.redis_url = format!("redis+unix://{}", socket.display());
        talk(&format!("redis      {}", socket.display()));
        Ok(part)
    }

    pub(super) async fn central(&mut self) -> anyhow::Result<Part> {
        let program = self.program("central")?;
        let database = format!("sqlite://{}", self.folder.at("waystone.db").display());
        let [_, preferred] = PREFERRED;
        let mut last = None;
        for port in [preferred, 0] {
            let mut part = self.start("central", program.as_os_str(), true, |command| {
                command.env(
                    "NATS_URL",
                    self.nats_url(&format!("central:{}@", self.folder.secrets.central)),
                );
                command.env("REDIS_URL", &self.redis_url).env("DATABASE_URL", &database);
                command.arg("--listen").arg(format!("127.0.0.1:{port}"));
            })?;
            match part.first_line(READY).await {
                Ok(line) => {
                    let ready: CentralReady =
                        serde_json::from_str(&line).context("central is not ours")?;
                    self.central = ready.listen.to_string();
                    talk(&format!("central    {}", self.central));
                    return Ok(part);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("central was not tried")?)
    }

    pub(super) async fn spawner(&mut self, number: u16) -> anyhow::Result<Part> {
        let program = self.program("map-spawn")?;
        let id = format!("spawn-{number}");
        self.start(&id, program.as_os_str(), false, |command| {
            let secrets = &self.folder.secrets;
            command.env("NATS_URL", self.nats_url(&format!("spawner:{}@", secrets.spawner)));
            command.env("MMO_MAP_NATS_URL", self.nats_url(&format!("map:{}@", secrets.map)));
            command.env("REDIS_URL", &self.redis_url);
            command.args(["--id", &id, "--spawn-maps", &SPAWN_MAPS.join(",")]);
        })
    }

    /// Waits until all maps of so many spawners are known to the Cluster.
    pub(super) async fn maps_are_up(&self, spawners: usize) -> anyhow::Result<()> {
        let link = Link {
            nats_url: self.nats_url(&format!("operator:{}@", self.folder.secrets.operator)),
            nats_creds: None,
            realm: "main".parse::<Realm>()?,
        };
        let backbone = link.connect().await?;
        let wanted = spawners * SPAWN_MAPS.len();
        let asked = async {
            loop {
                match backbone.call(&(), ListPeers {}).await {
                    Ok(peers) if peers.maps.len() >= wanted => return peers,
                    _ => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        let Ok(peers) = tokio::time::timeout(READY, asked).await else {
            bail!(
                "not all of {wanted} maps are up after {READY:?}; see {}",
                self.folder.at("logs").display()
            );
        };
        tell_maps(&peers);
        backbone.close().await;
        Ok(())
    }

    /// What to type next.
    pub(super) fn how_to_join(&self) -> String {
        let client = self.programs.join("client");
        let mmo = self.programs.join("mmo");
        let nats = self.nats_url("");
        format!(
            "\nThe cluster is up. Join by hand:\n    {} --central {}\n\
             Watch the servers talk:\n    nats --server {nats} sub 'mmo.>'\n    {} watch --nats-url {nats}\n\
             Logs are in {}. Ctrl-C stops everything.",
            client.display(),
            self.central,
            mmo.display(),
            self.folder.at("logs").display()
        )
    }

    fn start(
        &self,
        name: &str,
        program: &OsStr,
        keeps_stdout: bool,
        with: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Part> {
        let log = self.folder.at("logs").join(format!("{name}.log"));
        Part::start(name, log, program, with, keeps_stdout)
    }

    fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        let program = self.programs.join(name);
        if !program.is_file() {
            bail!("{} is not there; build it first, or see --programs", program.display());
        }
        Ok(program)
    }

    fn nats_url(&self, user: &str) -> String {
        format!("nats://{user}{}", self.nats)
    }

    fn nats_passwords(&self, command: &mut Command) {
        let secrets = &self.folder.secrets;
        command
            .env("NATS_CENTRAL_PASSWORD", &secrets.central)
            .env("NATS_SPAWNER_PASSWORD", &secrets.spawner)
            .env("NATS_MAP_PASSWORD", &secrets.map)
            .env("NATS_OPERATOR_PASSWORD", &secrets.operator)
            .env("NATS_OBSERVER_PASSWORD", &secrets.observer);
    }
}

fn first_nats_address(ports: &Path) -> Option<String> {
    let file = fs::read_dir(ports).ok()?.next()?.ok()?;
    let ports: NatsPorts = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
    Some(ports.nats.first()?.strip_prefix("nats://")?.to_owned())
}

fn tell_maps(peers: &Peers) {
    for map in &peers.maps {
        talk(&format!(
            "map        {}:{}  {} channel {} ({})",
            map.address, map.port, map.map, map.channel, map.server
        ));
    }
}

//! A whole cluster.

use std::{net::SocketAddr, path::Path, time::Duration};

use client::{Client, ClientConfig, Events};
use nats::{Backbone, Options};
use protocol::backbone::{
    maps::{ListPeers, MapServer, Peers},
    spawners::{Children, ListChildren},
};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    NatsServer, Player, Process, Program, RedisServer, program, typed,
    wait::{SOON, until},
};

/// A cluster of real processes in a temporary folder. Everything ends when it is dropped, in the
/// order of the fields: those who save go before those they save with.
pub struct Rig {
    /// By id.
    pub spawners: Vec<(String, Process)>,
    /// Map Servers that were started by hand.
    pub maps: Vec<Process>,
    /// Central, once it was started.
    pub central: Option<Process>,
    /// Centrals beside it.
    pub other_centrals: Vec<Process>,
    /// What servers talk over.
    pub nats: NatsServer,
    /// Where sessions are.
    pub redis: RedisServer,
    /// Where Central listens for clients.
    pub central_address: String,
    /// Where Central answers /readyz.
    pub central_admin: String,
    folder: TempDir,
}

#[derive(Deserialize)]
struct CentralReady {
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Rig {
    /// NATS and Redis, and nothing of ours yet.
    ///
    /// # Panics
    /// When they cannot be started.
    pub async fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("waystone-story").tempdir().expect("a folder");
        Self {
            nats: NatsServer::start(folder.path()).await,
            redis: RedisServer::start(folder.path()).await,
            spawners: Vec::new(),
            maps: Vec::new(),
            central: None,
            other_centrals: Vec::new(),
            central_address: "127.0.0.1:0".to_owned(),
            central_admin: String::new(),
            folder,
        }
    }

    /// NATS, Redis and Central.
    pub async fn with_central() -> Self {
        let mut rig = Self::empty().await;
        rig.start_central().await;
        rig
    }

    /// A whole cluster: Central and one spawner, `spawn-1`, with these maps (`town,forest:2`), all
    /// of them up.
    pub async fn with_maps(maps: &str) -> Self {
        let mut rig = Self::with_central().await;
        rig.start_spawner("spawn-1", maps);
        let channels =
            |map: &str| map.split_once(':').map_or(1, |(_, count)| count.parse().unwrap());
        rig.maps_up(maps.split(',').map(channels).sum()).await;
        rig
    }

    /// The folder that everything lives in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder, with everybody's logs, for whoever looks into what went wrong.
    pub fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
        println!("kept: {}", self.folder().display());
    }

    /// Central as a program, with this rig's NATS, Redis and database, to be changed and started.
    pub fn central_program(&self) -> Program {
        let database = format!("sqlite://{}", self.folder().join("waystone.db").display());
        Program::new("central", program("central"), self.folder())
            .env("NATS_URL", self.nats.url())
            .env("REDIS_URL", self.redis.url())
            .env("DATABASE_URL", database)
            .env("MMO_LISTEN", &self.central_address)
    }

    /// A spawner as a program.
    pub fn spawner_program(&self, id: &str, maps: &str) -> Program {
        self.idle_spawner_program(id).args(["--spawn-maps", maps])
    }

    /// A spawner that starts nothing unless it is told to, as a program.
    pub fn idle_spawner_program(&self, id: &str) -> Program {
        Program::new(id, program("map-spawn"), self.folder())
            .env("NATS_URL", self.nats.url())
            .env("REDIS_URL", self.redis.url())
            .args(["--id", id])
    }

    /// A Map Server as a program, started by hand.
    pub fn map_program(&self, id: &str, map: &str) -> Program {
        Program::new(id, program("map"), self.folder())
            .env("NATS_URL", self.nats.url())
            .env("REDIS_URL", self.redis.url())
            .args(["--id", id, "--map", map])
    }

    /// Starts Central, or starts it again on the port that it had, and waits until it serves.
    pub async fn start_central(&mut self) {
        self.start_central_as(self.central_program()).await;
    }

    /// Starts a changed [`Rig::central_program`].
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn start_central_as(&mut self, program: Program) {
        let mut central = program.start();
        let line = central.first_line(SOON).await;
        let ready: CentralReady = serde_json::from_str(&line).expect("Central's ready line");
        self.central_address = ready.listen.to_string();
        self.central_admin = ready.admin.to_string();
        self.central = Some(central);
    }

    /// Starts one more Central, with an id and a port of its own, and waits until it serves. Returns
    /// where it listens for clients.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn start_another_central(&mut self, id: &str) -> String {
        self.start_another_central_as(self.central_program().env("MMO_ID", id).named(id)).await
    }

    /// Starts a changed [`Rig::central_program`] with an id and a name of its own.
    ///
    /// # Panics
    /// When it does not get ready.
    pub async fn start_another_central_as(&mut self, program: Program) -> String {
        let mut process = program.env("MMO_LISTEN", "127.0.0.1:0").start();
        let line = process.first_line(SOON).await;
        let ready: CentralReady = serde_json::from_str(&line).expect("Central's ready line");
        self.other_centrals.push(process);
        ready.listen.to_string()
    }

    /// Kills Central as a crash would.
    pub fn kill_central(&mut self) {
        if let Some(mut central) = self.central.take() {
            central.kill();
        }
    }

    /// Starts a spawner; [`Rig::maps_up`] waits for its maps.
    pub fn start_spawner(&mut self, id: &str, maps: &str) {
        let process = self.spawner_program(id, maps).start();
        self.spawners.push((id.to_owned(), process));
    }

    /// Starts a changed [`Rig::spawner_program`].
    pub fn start_spawner_as(&mut self, id: &str, program: Program) {
        self.spawners.push((id.to_owned(), program.start()));
    }

    /// A spawner that was started.
    ///
    /// # Panics
    /// When there is none of that id.
    pub fn spawner(&mut self, id: &str) -> &mut Process {
        let found = self.spawners.iter_mut().find(|(known, _)| known == id);
        &mut found.unwrap_or_else(|| panic!("no spawner {id} was started")).1
    }

    /// Starts a Map Server by hand and waits until it has registered. Returns its place in
    /// [`Rig::maps`].
    pub async fn start_map(&mut self, id: &str, map: &str) -> usize {
        self.start_map_as(self.map_program(id, map)).await
    }

    /// Starts a changed [`Rig::map_program`].
    pub async fn start_map_as(&mut self, program: Program) -> usize {
        let mut process = program.start();
        process.first_line(SOON).await;
        self.maps.push(process);
        self.maps.len() - 1
    }

    /// The operator's command as a program.
    pub fn mmo(&self, args: &[&str]) -> Program {
        let program = Program::new("mmo", program("mmo"), self.folder()).args(args);
        program.env("NATS_URL", self.nats.url())
    }

    /// Asks as somebody with `nats req` would: a subject of realm `main`, and exactly this
    /// payload. Returns the answer, or the error's text, such as `map_unknown: …`.
    ///
    /// # Errors
    /// What the server says in `Nats-Service-Error`.
    pub async fn typed(&self, words: &str, payload: &str) -> Result<Value, String> {
        typed::ask(self.nats.address(), words, payload, SOON).await
    }

    /// Talks to the servers, as an operator would.
    ///
    /// # Panics
    /// When NATS is not there.
    pub async fn backbone(&self) -> Backbone {
        let options = Options {
            url: self.nats.url(),
            credentials: None,
            realm: "main".parse().unwrap(),
            role: "operator".to_owned(),
            id: "story".to_owned(),
        };
        Backbone::connect(options).await.expect("NATS")
    }

    /// What the Cluster knows.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn peers(&self) -> Peers {
        self.backbone().await.call(&(), ListPeers {}).await.expect("the Cluster")
    }

    /// Waits until the Cluster knows exactly so many Map Servers, and returns them.
    pub async fn maps_up(&self, count: usize) -> Vec<MapServer> {
        self.maps_up_within(count, SOON).await
    }

    /// As [`Rig::maps_up`], with a limit.
    pub async fn maps_up_within(&self, count: usize, limit: Duration) -> Vec<MapServer> {
        let backbone = self.backbone().await;
        let what = format!("{count} Map Servers");
        until(limit, &what, async || {
            let peers = backbone.call(&(), ListPeers {}).await.ok()?;
            (peers.maps.len() == count).then_some(peers.maps)
        })
        .await
    }

    /// The process id of a spawner's Map Server.
    ///
    /// # Panics
    /// When the spawner does not know it, or it does not run.
    pub async fn map_process(&self, spawner: &str, server: &str) -> u32 {
        self.children(spawner)
            .await
            .children
            .into_iter()
            .find(|child| child.server.as_str() == server)
            .and_then(|child| child.pid)
            .unwrap_or_else(|| panic!("{server} does not run"))
    }

    /// A spawner's Map Servers.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn children(&self, spawner: &str) -> Children {
        let backbone = self.backbone().await;
        backbone.call(&spawner.parse().unwrap(), ListChildren {}).await.expect("the spawner")
    }

    /// A client of this cluster, not connected yet.
    pub fn client(&self) -> (Client, Events) {
        Client::new(ClientConfig::new(&self.central_address))
    }

    /// Somebody with an account and a character of this name, logged in to Central.
    pub async fn player(&self, name: &str) -> Player {
        Player::new(self, name).await
    }

    /// Somebody with a character of this name who has entered its map.
    pub async fn player_on_map(&self, name: &str) -> Player {
        let player = self.player(name).await;
        player.enter().await;
        player
    }
}

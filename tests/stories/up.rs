//! `mmo up`, which `./up` runs: a whole cluster from one command, and nothing left of it after.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use client::{Client, ClientConfig};
use harness::{Orphans, Process, Program, program, until};
use protocol::{MapName, world::CharacterSummary};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// How long a cluster may take to start and be travelled through.
const UP: Duration = Duration::from_secs(120);
/// How long it may take to end, also after the command was killed.
const GONE: Duration = Duration::from_secs(15);

/// A folder to run in, and a name for each run's files.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("waystone-up").tempdir().unwrap();
        Self { folder }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn up(&self, name: &str, args: &[&str]) -> Program {
        let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nats/conf");
        let up = Program::new(name, program("mmo"), self.folder.path()).arg("up").args(args);
        up.arg("--dir").arg(self.dir()).arg("--nats-conf").arg(conf)
    }

    /// Starts it and waits until the cluster is up.
    async fn start(&self, name: &str, args: &[&str]) -> Process {
        let process = self.up(name, args).start();
        process.logged("Ctrl-C stops everything", UP).await;
        process
    }

    /// The processes that have to do with this folder: by their arguments, their environment or
    /// where they are.
    fn processes(&self) -> Vec<u32> {
        let dir = self.dir().display().to_string();
        let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some(id)
        });
        let belongs = |id: &u32| {
            let says = |file: &str| {
                let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(&dir)
            };
            let is_in =
                fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|at| at.starts_with(&dir));
            says("cmdline") || says("environ") || is_in
        };
        ids.filter(belongs).collect()
    }

    async fn everything_is_gone(&self) {
        let start = Instant::now();
        until(GONE, "the end of every process", async || self.processes().is_empty().then_some(()))
            .await;
        println!("everything was gone after {:?}", start.elapsed());
    }
}

/// What `mmo up` says after this word at a line's start.
fn said(process: &Process, word: &str) -> String {
    let log = process.log();
    let line = log.lines().find_map(|line| line.strip_prefix(word)).expect(word);
    line.trim().to_owned()
}

async fn log_in(central: &str, account: &str, name: &str) -> (Client, CharacterSummary) {
    let (client, _) = Client::new(ClientConfig::new(central));
    client.connect().await.unwrap();
    if client.register(account, "correct horse").await.is_err() {
        client.login(account, "correct horse").await.unwrap();
    }
    let known = client.list_characters().await.unwrap().into_iter().next();
    let character = match known {
        Some(character) => character,
        None => client.create_character(name).await.unwrap(),
    };
    (client, character)
}

#[tokio::test]
async fn once_plays_the_journey_and_again_at_once_with_the_accounts_it_made() {
    let place = Place::new();
    for (name, created) in [("first", "created=true"), ("second", "created=false")] {
        let (status, out, talk) = place.up(name, &["--once"]).run(UP).await;
        assert!(status.success(), "{talk}");
        for words in ["Ada's journey", "Grace's journey", "the journey held"] {
            assert!(talk.contains(words), "{talk}");
        }
        for step in ["register", "character"] {
            let told: Vec<&str> =
                talk.lines().filter(|line| line.contains(&format!("ok  {step} "))).collect();
            assert!(told.len() == 2 && told.iter().all(|t| t.contains(created)), "{talk}");
        }
        assert!(!talk.contains("FAIL"), "{talk}");
        assert!(place.processes().is_empty(), "{talk}");

        let secrets = fs::read_to_string(place.dir().join("secrets.json")).unwrap();
        let secrets: Value = serde_json::from_str(&secrets).unwrap();
        for (whose, secret) in secrets.as_object().unwrap() {
            let secret = secret.as_str().unwrap();
            assert!(!talk.contains(secret) && !out.contains(secret), "{whose}'s is shown");
        }
    }
}

#[tokio::test]
async fn three_spawners_run_six_maps_and_a_folder_takes_one_cluster_at_a_time() {
    let place = Place::new();
    let mut up = place.start("up", &["--spawners", "3"]).await;
    let nats = said(&up, "nats ");
    let (status, out, log) = Program::new("status", program("mmo"), place.folder.path())
        .args(["status", "--json", "--nats-url", &nats])
        .run(UP)
        .await;
    assert!(status.success(), "{log}");
    let peers: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(peers["maps"].as_array().map(Vec::len), Some(6), "{out}");
    assert_eq!(peers["spawners"].as_array().map(Vec::len), Some(3), "{out}");

    let (status, _, talk) = place.up("second", &["--once"]).run(UP).await;
    assert_eq!(status.code(), Some(1), "{talk}");
    assert!(talk.contains("a cluster runs in") && talk.contains("--dir"), "{talk}");

    assert!(up.status().is_none(), "it stays until it is told");
    up.signal(Signal::TERM);
    let start = Instant::now();
    assert!(up.ended(GONE).await.success(), "{}", up.log());
    println!("12 processes ended after {:?}", start.elapsed());
    place.everything_is_gone().await;
}

#[tokio::test]
async fn a_character_is_where_it_was_when_the_cluster_comes_back() {
    let place = Place::new();
    let forest: MapName = "forest".parse().unwrap();
    let mut up = place.start("before", &[]).await;
    let (client, cleo) = log_in(&said(&up, "central "), "cleo", "Cleo").await;
    let town = client.play(cleo.character, None).await.unwrap();
    let gate = town.portals.iter().find(|portal| portal.to == forest).unwrap();
    client.walk(gate.at).await.unwrap();
    until(UP, "arriving in the forest", async || {
        client.surroundings().filter(|around| around.map == forest)
    })
    .await;

    // As Ctrl-C does, with the player on the map.
    up.signal(Signal::INT);
    assert!(up.ended(GONE).await.success(), "{}", up.log());
    place.everything_is_gone().await;

    let up = place.start("after", &[]).await;
    let (_, cleo) = log_in(&said(&up, "central "), "cleo", "Cleo").await;
    assert_eq!(cleo.map, forest);
}

#[tokio::test]
async fn killed_it_leaves_nothing_running() {
    let place = Place::new();
    let mut up = place.start("up", &[]).await;
    // mmo, NATS, Redis, Central, a spawner and its two maps.
    let all = Orphans(place.processes());
    assert_eq!(all.0.len(), 7, "{:?}", all.0);
    up.kill();
    place.everything_is_gone().await;
}

//! Map Servers more and fewer, by commands typed by hand and by the operator's program.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use harness::{Program, Recorder, Rig, is_running, program, until};
use serde_json::Value;

/// The operator's program's limit.
const MMO: Duration = Duration::from_secs(20);

/// A map program that lists `town` and never registers; `extra` are lines of its shell script.
/// Its process ids are written to `pids`.
fn silent_map(rig: &Rig, extra: &str) -> PathBuf {
    let path = rig.folder().join("silent-map");
    let pids = rig.folder().join("pids");
    let script = format!(
        "#!/bin/sh\n\
         case \"$*\" in *--list-maps*) echo '[\"town\"]'; exit 0;; esac\n\
         echo $$ >> {}\n{extra}\nexec sleep 600\n",
        pids.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn pids(rig: &Rig) -> Vec<u32> {
    let text = fs::read_to_string(rig.folder().join("pids")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_typed_spawn_goes_to_the_least_loaded_spawner_and_takes_the_next_channel() {
    let mut rig = Rig::with_central().await;
    rig.start_spawner("spawn-1", "town,forest,dungeon");
    rig.start_spawner("spawn-2", "dungeon");
    rig.maps_up(4).await;

    // One right after the other: no beat has told of the first one yet.
    let mut by = Vec::new();
    for channel in 2..=5 {
        let spawned = rig.typed("cluster.spawn", r#"{"map":"town"}"#).await.unwrap();
        assert_eq!((&spawned["map"], &spawned["channel"]), (&"town".into(), &channel.into()));
        by.push(spawned["spawner"].as_str().unwrap().to_owned());
    }
    assert_eq!(by, ["spawn-2", "spawn-2", "spawn-1", "spawn-2"], "3:1, 3:2, 3:3, 4:3");
    let maps = rig.maps_up(8).await;
    assert_eq!(maps.iter().filter(|map| map.map.as_str() == "town").count(), 5);

    let unknown = rig.typed("cluster.spawn", r#"{"map":"moon"}"#).await.unwrap_err();
    assert!(unknown.starts_with("map_unknown: "), "{unknown}");
    assert!(unknown.contains("moon") && unknown.contains("dungeon, forest, town"), "{unknown}");
    let taken = rig.typed("cluster.spawn", r#"{"map":"town","channel":2}"#).await.unwrap_err();
    assert!(taken.starts_with("id_in_use: ") && taken.contains("channel 2"), "{taken}");
    let nonsense = rig.typed("cluster.spawn", r#"{"mop":"town"}"#).await.unwrap_err();
    assert!(nonsense.starts_with("malformed: ") && nonsense.contains("map"), "{nonsense}");
}

#[tokio::test]
async fn a_typed_stop_ends_a_map_for_good() {
    let rig = Rig::with_maps("town,forest").await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let stopped = rig.typed("cluster.stop", r#"{"server":"spawn-1-town-1"}"#).await.unwrap();
    assert_eq!(stopped, serde_json::json!({}));
    let is_it = |body: &Value| body["server"] == "spawn-1-town-1";
    let (_, ended) = heard.next(0, "event.child.ended", is_it).await;
    assert_eq!(ended["restart_in_ms"], Value::Null, "{ended}");
    heard.next(0, "event.map.down", is_it).await;
    let maps = rig.maps_up(1).await;
    assert_eq!(maps[0].server.as_str(), "spawn-1-forest-1");
    assert_eq!(rig.children("spawn-1").await.children.len(), 1, "it does not wait for a restart");

    let gone = rig.typed("cluster.stop", r#"{"server":"spawn-1-town-1"}"#).await.unwrap_err();
    assert!(gone.starts_with("server_unknown: ") && gone.contains("spawn-1-town-1"), "{gone}");
}

#[tokio::test]
async fn one_spawner_takes_commands_of_its_own() {
    let mut rig = Rig::with_maps("town").await;
    rig.start_map("by-hand", "dungeon").await;
    let started = rig.typed("spawner.spawn-1.start", r#"{"map":"forest"}"#).await.unwrap();
    assert_eq!(started["server"], "spawn-1-forest-1");
    let listed = rig.typed("spawner.spawn-1.list", "{}").await.unwrap();
    let states: Vec<_> = listed["children"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 2);
    assert!(states.iter().all(|child| child["state"] == "ready"), "{listed}");
    assert_eq!(states[0]["port"], started["port"], "{listed}");

    let unknown = rig.typed("spawner.spawn-1.start", r#"{"map":"moon"}"#).await.unwrap_err();
    assert!(unknown.starts_with("map_unknown: "), "{unknown}");
    assert!(unknown.contains("dungeon, forest, town"), "{unknown}");

    rig.typed("spawner.spawn-1.stop", r#"{"server":"spawn-1-forest-1"}"#).await.unwrap();
    rig.maps_up(2).await;
    let foreign = rig.typed("cluster.stop", r#"{"server":"by-hand"}"#).await.unwrap_err();
    assert!(foreign.contains("started by hand"), "{foreign}");
}

#[tokio::test]
async fn a_map_that_never_registers_fails_the_spawn_and_leaves_no_process() {
    for extra in ["", "trap '' TERM"] {
        let mut rig = Rig::with_central().await;
        let silent = silent_map(&rig, extra);
        let spawner = Program::new("spawn-1", program("map-spawn"), rig.folder())
            .env("NATS_URL", rig.nats.url())
            .arg("--map-command")
            .arg(silent)
            .args(["--start-deadline-s", "1", "--stop-grace-s", "1"]);
        rig.start_spawner_as("spawn-1", spawner);
        until(MMO, "the spawner", async || (rig.peers().await.spawners.len() == 1).then_some(()))
            .await;

        let asked = Instant::now();
        let failed = rig.typed("cluster.spawn", r#"{"map":"town"}"#).await.unwrap_err();
        println!("failed after {} ms: {failed}", asked.elapsed().as_millis());
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        assert!(failed.starts_with("spawn_failed: ") && failed.contains("within 1 s"), "{failed}");
        until(MMO, "the end of its process", async || {
            let listed = rig.children("spawn-1").await.children;
            (listed.is_empty() && pids(&rig).iter().all(|pid| !is_running(*pid))).then_some(())
        })
        .await;
        assert_eq!(pids(&rig).len(), 1, "a command is not tried again behind its caller's back");
    }
}

#[tokio::test]
async fn with_every_slot_taken_a_spawn_says_to_add_a_spawner() {
    let mut rig = Rig::with_central().await;
    let none = rig.typed("cluster.spawn", r#"{"map":"town"}"#).await.unwrap_err();
    assert!(none.starts_with("no_spawner: ") && none.contains("map-spawn"), "{none}");

    let full = rig.spawner_program("spawn-1", "town").args(["--slots", "1"]);
    rig.start_spawner_as("spawn-1", full);
    rig.maps_up(1).await;
    let full = rig.typed("cluster.spawn", r#"{"map":"town"}"#).await.unwrap_err();
    assert!(full.starts_with("no_spawner: ") && full.contains("add a spawner"), "{full}");
    let full = rig.typed("spawner.spawn-1.start", r#"{"map":"town"}"#).await.unwrap_err();
    assert!(full.starts_with("no_spawner: ") && full.contains("slot"), "{full}");
}

#[tokio::test]
async fn the_operators_program_spawns_stops_and_lists() {
    let rig = Rig::with_maps("town").await;
    let (status, out, err) = rig.mmo(&["spawn", "town"]).run(MMO).await;
    assert!(status.success(), "{err}");
    let spawned: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&spawned["server"], &spawned["channel"]), (&"spawn-1-town-2".into(), &2.into()));

    let (status, out, err) = rig.mmo(&["status", "--json"]).run(MMO).await;
    assert!(status.success(), "{err}");
    let peers: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(peers["maps"].as_array().unwrap().len(), 2);
    let (status, out, _) = rig.mmo(&["status"]).run(MMO).await;
    assert!(status.success() && out.contains("spawn-1-town-2"), "{out}");

    let (status, out, err) = rig.mmo(&["stop", "spawn-1-town-2"]).run(MMO).await;
    assert!(status.success() && err.contains("spawn-1-town-2 has ended"), "{err}");
    assert!(out.is_empty(), "talk is not data: {out}");
    rig.maps_up(1).await;

    let (status, out, err) = rig.mmo(&["spawn", "moon"]).run(MMO).await;
    assert!(!status.success() && out.is_empty());
    assert!(err.contains("map_unknown") && err.contains("dungeon, forest, town"), "{err}");
    let (status, _, err) = rig.mmo(&["stop", "nobody"]).run(MMO).await;
    assert!(!status.success() && err.contains("server_unknown"), "{err}");
    let nowhere = rig.mmo(&["status", "--nats-url", "nats://127.0.0.1:1"]).run(MMO).await;
    assert!(!nowhere.0.success() && nowhere.2.contains("--nats-url"), "{}", nowhere.2);
}

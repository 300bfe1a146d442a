//! The workflow, in its order, watched from a NATS subscriber: registration, peers sent back,
//! broadcast to the others, removal when a map is killed.

use harness::{Recorder, Rig, signal_process};
use rustix::process::Signal;
use serde_json::Value;

#[tokio::test]
async fn servers_register_hear_of_each_other_and_of_a_death() {
    let mut rig = Rig::empty().await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>", "_INBOX_map.>"]).await;

    // Central starts, and the Cluster with it.
    rig.start_central().await;
    let (at, up) = heard.next(0, "event.cluster.up", |_| true).await;
    assert_eq!(up["central"], "central-1");

    // A spawner registers, and only then starts its maps.
    rig.start_spawner("spawn-1", "town,forest");
    let (at, asked) = heard.next(at, "cluster.spawner.register", |_| true).await;
    assert_eq!(asked["spawner"]["spawner"], "spawn-1");
    let (at, _) = heard.next(at, "event.spawner.up", |_| true).await;
    let (started, _) = heard.next(at, "event.child.started", |_| true).await;
    assert!(started > at);

    // Each map sends address, port and connection key; all are told of each.
    for map in ["town", "forest"] {
        let named = |body: &Value| body["server"]["map"] == map;
        let (at, asked) = heard.next(started, "cluster.map.register", named).await;
        let server = &asked["server"];
        assert_eq!(server["address"], "127.0.0.1");
        assert!(server["port"].as_u64().is_some_and(|port| port > 0), "{server}");
        assert_eq!(server["connection_key"].as_str().map(str::len), Some(64));
        assert!(asked["request_id"].is_string() && asked["deadline_ms"].is_u64(), "{asked}");
        let (_, up) = heard.next(at, "event.map.up", named).await;
        assert_eq!(up["server"]["connection_key"], server["connection_key"]);
    }
    rig.maps_up(2).await;

    // The later one was sent the earlier one's connection information.
    let peers_of_later = heard
        .all()
        .into_iter()
        .filter_map(|heard| heard.body["peers"].as_array().cloned())
        .max_by_key(Vec::len)
        .expect("an answer with peers");
    assert_eq!(peers_of_later.len(), 1);
    assert!(peers_of_later[0]["port"].is_u64() && peers_of_later[0]["connection_key"].is_string());

    // A killed map is reported by its spawner, and all are told.
    let place = heard.all().len();
    let victim = "spawn-1-forest-1";
    signal_process(rig.map_process("spawn-1", victim).await, Signal::KILL);
    let (at, left) = heard.next(place, "cluster.map.leave", |body| body["server"] == victim).await;
    assert!(left["reason"].is_string());
    let (at, down) = heard.next(at, "event.map.down", |body| body["server"] == victim).await;
    assert_eq!(down["map"], "forest");

    // And of its return, as another incarnation.
    let (_, up) = heard.next(at, "event.map.up", |body| body["server"]["server"] == victim).await;
    assert_ne!(up["server"]["incarnation"], down["incarnation"]);
}

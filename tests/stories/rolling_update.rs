//! A cluster is updated while it runs: a spawner of the new release takes all new work, the one of
//! the earlier release is emptied beside it, and both are understood all along.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use harness::{Admin, Earlier, Recorder, Rig, SOON, earlier::VERSION, until};
use protocol::{
    Position,
    backbone::{maps::MapServer, operations::GetStatus},
};
use serde_json::Value;

const DESIRED: &str = r#"{"desired":{"maps":{"town":{"min_channels":2,"max_channels":2}}}}"#;
const MAPS: [&str; 3] = ["dungeon", "forest", "town"];
/// The earlier release is told in vain, and stopped once its countdown is over: nobody is there.
const EMPTIED: Duration = Duration::from_secs(30);

/// The two towns once they are as desired: both on this spawner, each on a channel of its own, and
/// the Cluster wants nothing more.
async fn towns_on(rig: &Rig, spawner: &str, limit: Duration) -> Vec<MapServer> {
    let backbone = rig.backbone().await;
    until(limit, &format!("two towns on {spawner}"), async || {
        let status = backbone.call(&(), GetStatus {}).await.ok()?;
        let of_town = status.maps.iter().find(|map| map.map.as_str() == "town")?;
        let as_desired = (of_town.wanted, of_town.ready) == (2, 2) && status.draining.is_empty();
        let mut maps = rig.peers().await.maps;
        maps.retain(|map| map.map.as_str() == "town");
        let there = |map: &MapServer| map.spawner.as_ref().is_some_and(|id| id.as_str() == spawner);
        let channels: BTreeSet<_> = maps.iter().map(|map| map.channel).collect();
        let each_once = maps.len() == 2 && channels.len() == 2 && maps.iter().all(there);
        (as_desired && each_once).then_some(maps)
    })
    .await
}

/// What `mmo status` tells programs.
async fn status(rig: &Rig) -> Value {
    let (status, told, said) = rig.mmo(&["status", "--json"]).run(SOON).await;
    assert!(status.success(), "{said}");
    serde_json::from_str(&told).unwrap()
}

/// The versions in a list of `mmo status`, by the id of who has them.
fn versions<'a>(status: &'a Value, list: &str, id: &str) -> Vec<(&'a str, &'a str)> {
    let servers = status[list].as_array().unwrap().iter();
    servers.map(|it| (it[id].as_str().unwrap(), it["version"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_new_release_takes_all_new_work_while_the_earlier_one_is_emptied_beside_it() {
    let mut rig = Rig::with_central().await;
    let old = Earlier::start(rig.nats.address(), "old", &MAPS).await;
    let began = Instant::now();
    rig.typed("cluster.desire", DESIRED).await.unwrap();
    let before = towns_on(&rig, "old", SOON).await;
    println!("the earlier release runs both towns after {} ms", began.elapsed().as_millis());
    assert_eq!(old.runs(), ["old-town-1", "old-town-2"]);
    assert_eq!(old.neighbours("old-town-2"), ["old-town-1"]);
    assert_eq!(old.neighbours("old-town-1"), ["old-town-2"]);

    // The new release comes in beside it: they know each other, and nothing is moved for that.
    let now = env!("CARGO_PKG_VERSION");
    let began = Instant::now();
    let program = rig.idle_spawner_program("new");
    rig.start_spawner_as("new", program);
    let forest = rig.start_map("by-hand", "forest").await;
    until(SOON, "both spawners", async || (rig.peers().await.spawners.len() == 2).then_some(()))
        .await;
    let both = status(&rig).await;
    println!("both releases are up after {} ms", began.elapsed().as_millis());
    assert_eq!(versions(&both, "spawners", "spawner"), [("new", now), ("old", "")]);
    let of_maps = [("by-hand", now), ("old-town-1", VERSION), ("old-town-2", VERSION)];
    assert_eq!(versions(&both, "maps", "server"), of_maps);
    until(SOON, "the new neighbour", async || {
        (old.neighbours("old-town-1") == ["by-hand", "old-town-2"]).then_some(())
    })
    .await;
    let page = Admin::of(&rig.maps[forest]).await.get("/metrics").await.1;
    assert!(page.contains("mmo_map_peers 2"), "{page}");
    assert_eq!(towns_on(&rig, "old", SOON).await, before);
    assert_eq!(old.commands().len(), 2, "two starts: {:?}", old.commands());

    // It is emptied: what takes its place starts on the new one, and only then its own end.
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let began = Instant::now();
    let (drained, servers, said) =
        rig.mmo(&["drain", "--spawner", "old", "--countdown-s", "5"]).run(SOON).await;
    assert!(drained.success(), "{said}");
    assert_eq!(servers.lines().collect::<Vec<_>>(), ["old-town-1", "old-town-2"]);
    let mut ups = Vec::new();
    for server in ["new-town-1", "new-town-2"] {
        ups.push(heard.next(0, "event.map.up", |up| up["server"]["server"] == server).await.0);
    }
    println!("the new release runs both towns after {} ms", began.elapsed().as_millis());
    let after = towns_on(&rig, "new", EMPTIED).await;
    println!("the earlier release is empty after {} ms", began.elapsed().as_millis());
    assert!(after.iter().all(|map| map.version == now), "{after:?}");
    let (end, _) =
        heard.next(0, "event.map.down", |down| down["server"].as_str() != Some("by-hand")).await;
    assert!(ups.iter().all(|up| *up < end), "{ups:?} before {end}");
    let told: Vec<_> = old.commands().into_iter().map(|(command, _)| command).collect();
    assert_eq!(told, ["start", "start", "stop", "stop"], "nothing was started on it any more");
    let down = |down: &Value| down["server"] == "old-town-1";
    assert_eq!(heard.next(0, "event.map.down", down).await.1["reason"], "it was told to stop");
    old.stop().await;
    let left = status(&rig).await;
    assert_eq!(versions(&left, "spawners", "spawner"), [("new", now)]);

    // And players play.
    let began = Instant::now();
    let (mut bob, ada) = (rig.player_on_map("Bob").await, rig.player_on_map("Ada").await);
    ada.walk_to(Position { x: 18.0, y: 13.0 }).await;
    ada.is_heard_by(&mut bob, "everything is new").await;
    assert_eq!(ada.warp_to("forest").await.map.as_str(), "forest");
    println!("players have played on it after {} ms", began.elapsed().as_millis());
    assert_eq!(rig.children("new").await.children.len(), 2, "each once");
}

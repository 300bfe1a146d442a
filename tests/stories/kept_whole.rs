//! Three spawners and ten maps that are meant to run: whatever is killed, hung or cut off, they run
//! again, each once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use harness::{Orphans, Rig, SOON, signal_process, until};
use nats::call::DEADLINE;
use protocol::{
    Incarnation, Position,
    backbone::{maps::MapServer, operations::GetStatus},
};
use rustix::process::Signal;

const MAPS: usize = 10;
const DESIRED: &str = r#"{"desired":{"maps":{
    "town":{"min_channels":5,"max_channels":5},
    "forest":{"min_channels":5,"max_channels":5}}}}"#;
const THERE: Position = Position { x: 18.0, y: 13.0 };
/// How long whatever was lost may take to be there again, silence included.
const AGAIN: Duration = Duration::from_secs(20);

/// The ten maps, once exactly they are registered, each on a channel of its own, and the Cluster
/// wants nothing more.
async fn all_as_desired(rig: &Rig, limit: Duration, what: &str) -> Vec<MapServer> {
    let start = Instant::now();
    let maps = until(limit, what, async || {
        let backbone = rig.backbone().await;
        let status = backbone.call(&(), GetStatus {}).await.ok()?;
        let settled = status.settled && status.maps.iter().all(|map| map.wanted == map.ready);
        let maps = backbone.all_peers(DEADLINE).await.ok()?.maps;
        let channels: BTreeSet<_> = maps.iter().map(|map| (&map.map, map.channel)).collect();
        (settled && maps.len() == MAPS && channels.len() == MAPS).then_some(maps)
    })
    .await;
    println!("{what}: as desired after {} ms", start.elapsed().as_millis());
    maps
}

/// All processes of Map Servers, as their spawners know them.
async fn processes(rig: &Rig) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for spawner in ["s-1", "s-2", "s-3"] {
        let children = rig.children(spawner).await.children;
        found.extend(children.into_iter().filter_map(|child| child.pid));
    }
    found
}

fn lives(maps: &[MapServer]) -> BTreeSet<String> {
    maps.iter().map(|map| map.life().to_string()).collect()
}

async fn incarnation(rig: &Rig, id: &str) -> Option<Incarnation> {
    let spawners = rig.peers().await.spawners;
    let found = spawners.iter().find(|spawner| spawner.spawner.as_str() == id);
    found.map(|spawner| spawner.incarnation)
}

#[tokio::test]
async fn ten_maps_on_three_spawners_survive_every_kind_of_death() {
    let mut rig = Rig::with_central().await;
    for id in ["s-1", "s-2", "s-3"] {
        let program = rig.idle_spawner_program(id);
        rig.start_spawner_as(id, program);
    }
    until(SOON, "three spawners", async || (rig.peers().await.spawners.len() == 3).then_some(()))
        .await;
    rig.typed("cluster.desire", DESIRED).await.unwrap();
    let maps = all_as_desired(&rig, AGAIN, "ten maps, cold").await;
    let _orphans = Orphans(processes(&rig).await.into_iter().collect());
    let mut on: Vec<usize> = ["s-1", "s-2", "s-3"]
        .iter()
        .map(|id| maps.iter().filter(|map| map.spawner.as_ref().unwrap().as_str() == *id).count())
        .collect();
    on.sort_unstable();
    assert_eq!(on, [3, 3, 4], "spread over the spawners");
    let ada = rig.player_on_map("Ada").await;
    let here = ada.client.surroundings().unwrap();
    let is_ada = |map: &&MapServer| map.map == here.map && map.channel == here.channel;
    let of_ada = maps.iter().find(is_ada).unwrap().clone();

    // A map that is killed.
    let other = maps.iter().find(|map| map.server != of_ada.server).unwrap();
    let pid =
        rig.map_process(other.spawner.as_ref().unwrap().as_str(), other.server.as_str()).await;
    signal_process(pid, Signal::KILL);
    until(SOON, "its end is seen", async || {
        let maps = rig.peers().await.maps;
        (!maps.iter().any(|map| map.life() == other.life())).then_some(())
    })
    .await;
    let maps = all_as_desired(&rig, AGAIN, "a map killed").await;

    // A map that hangs.
    let other = maps.iter().rfind(|map| map.server != of_ada.server).unwrap();
    let pid =
        rig.map_process(other.spawner.as_ref().unwrap().as_str(), other.server.as_str()).await;
    signal_process(pid, Signal::STOP);
    let start = Instant::now();
    until(SOON, "its silence is noticed", async || {
        let maps = rig.peers().await.maps;
        (!maps.iter().any(|map| map.life() == other.life())).then_some(())
    })
    .await;
    println!("a hung map was noticed after {} ms", start.elapsed().as_millis());
    let maps = all_as_desired(&rig, AGAIN, "a map hung").await;
    assert_eq!(processes(&rig).await.len(), MAPS);

    // A spawner that is killed and comes back: its maps live on, and are its own again.
    let before = lives(&maps);
    let killed = incarnation(&rig, "s-2").await;
    rig.spawner("s-2").kill();
    rig.spawners.retain(|(id, _)| id != "s-2");
    let program = rig.idle_spawner_program("s-2");
    rig.start_spawner_as("s-2", program);
    until(AGAIN, "the spawner is back", async || {
        incarnation(&rig, "s-2").await.filter(|life| Some(*life) != killed)
    })
    .await;
    let maps = all_as_desired(&rig, AGAIN, "a spawner killed").await;
    assert_eq!(lives(&maps), before, "nobody was disturbed");
    assert_eq!(processes(&rig).await.len(), MAPS, "and nobody is there twice");

    // Central.
    rig.kill_central();
    ada.walk_to(THERE).await;
    rig.start_central().await;
    let maps = all_as_desired(&rig, AGAIN, "Central killed").await;
    assert_eq!(lives(&maps), before);

    // NATS, killed and started again; then hung for a while.
    rig.nats.kill();
    rig.nats.restart();
    until(SOON, "NATS listens", async || {
        tokio::net::TcpStream::connect(rig.nats.address()).await.ok()
    })
    .await;
    let maps = all_as_desired(&rig, AGAIN, "NATS restarted").await;
    assert_eq!(lives(&maps), before);
    rig.nats.hang().await;
    tokio::time::sleep(Duration::from_secs(30)).await; // as long as the story tells
    rig.nats.signal(Signal::CONT);
    let maps = all_as_desired(&rig, AGAIN, "NATS hung for 30 s").await;
    assert_eq!(lives(&maps), before);
    assert_eq!(processes(&rig).await.len(), MAPS);
    ada.client.ping().await.unwrap();
}

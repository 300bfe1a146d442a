//! Several spawners with the same maps, as `--scale map-spawn=3` makes them.

use std::{collections::BTreeSet, time::Duration};

use client::Reason;
use harness::{Orphans, Player, Recorder, Rig, SOON};
use protocol::{Channel, Code, Position, ServerId, backbone::maps::MapServer};
use rustix::process::Signal;
use serde_json::Value;

const SPAWNERS: [&str; 3] = ["spawn-1", "spawn-2", "spawn-3"];
const THERE: Position = Position { x: 18.0, y: 13.0 };
/// A dead spawner is missed after this long at the latest.
const MISSED: Duration = Duration::from_secs(4);

async fn three_spawners(maps: &str, count: usize) -> (Rig, Vec<MapServer>) {
    let mut rig = Rig::with_central().await;
    for id in SPAWNERS {
        rig.start_spawner(id, maps);
    }
    let up = rig.maps_up(count).await;
    (rig, up)
}

/// Six players, two on each channel of the town, and the town that each of them is on.
async fn six_players(rig: &Rig, maps: &[MapServer]) -> Vec<(Player, ServerId)> {
    let mut players = Vec::new();
    for (name, channel) in [("Ada", 1), ("Bob", 2), ("Cyd", 3), ("Dan", 1), ("Eve", 2), ("Fay", 3)]
    {
        let player = rig.player(name).await;
        let channel = Some(Channel(channel));
        let seat = player.client.select(player.character.character, channel).await.unwrap();
        let here = player.client.enter(&seat).await.unwrap();
        let on = |map: &&MapServer| map.map == here.map && map.channel == here.channel;
        let server = maps.iter().find(on).unwrap().server.clone();
        players.push((player, server));
    }
    players
}

fn spawner_of(maps: &[MapServer], server: &ServerId) -> String {
    let map = maps.iter().find(|map| map.server == *server).unwrap();
    map.spawner.clone().unwrap().to_string()
}

#[tokio::test]
async fn all_maps_are_up_on_channels_of_their_own_and_players_meet_on_one_of_them() {
    let (rig, maps) = three_spawners("town,forest", 6).await;
    let channels: BTreeSet<_> = maps.iter().map(|map| (map.map.as_str(), map.channel.0)).collect();
    let wanted = ["forest", "town"].into_iter().flat_map(|map| (1..=3).map(move |n| (map, n)));
    assert_eq!(channels, wanted.collect());
    let by: BTreeSet<_> = maps.iter().filter_map(|map| map.spawner.clone()).collect();
    assert_eq!(by.len(), 3);

    let (ada, bob) = (rig.player_on_map("Ada").await, rig.player_on_map("Bob").await);
    ada.sees("Bob").await;
    bob.sees("Ada").await;
}

#[tokio::test]
async fn one_that_is_told_to_stop_ends_its_maps_in_order_and_the_others_live_on() {
    let (mut rig, maps) = three_spawners("forest,town", 6).await;
    let players = six_players(&rig, &maps).await;
    for (player, _) in &players {
        player.walk_to(THERE).await;
    }
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    rig.spawner("spawn-2").signal(Signal::TERM);
    assert!(rig.spawner("spawn-2").ended(SOON).await.success());

    // The last one started ends first.
    let mine = |body: &Value| body["server"].as_str().is_some_and(|id| id.starts_with("spawn-2-"));
    let (at, first) = heard.next(0, "cluster.map.leave", mine).await;
    assert_eq!(first["server"], "spawn-2-town-1");
    let is_last = |body: &Value| body["server"] == "spawn-2-forest-1";
    let (at, _) = heard.next(at, "cluster.map.leave", is_last).await;
    let (_, left) = heard.next(at, "event.spawner.down", |_| true).await;
    assert_eq!(left["spawner"], "spawn-2");
    assert_eq!(rig.maps_up(4).await.len(), 4);

    let (mut told, mut stayed) = (0, 0);
    for (mut player, server) in players {
        if spawner_of(&maps, &server) == "spawn-2" {
            let reason = player.sent_away(SOON).await;
            let draining = matches!(&reason, Reason::Told(why) if why.code == Code::Draining);
            assert!(draining, "{reason}");
            let here = player.enter().await;
            assert!(here.position.distance(THERE) < 0.1, "{:?}", here.position);
            told += 1;
        } else {
            player.client.ping().await.unwrap();
            stayed += 1;
        }
    }
    assert!(told > 0 && stayed > 0, "{told} were told, {stayed} stayed");
}

#[tokio::test]
async fn maps_of_a_killed_spawner_live_on_with_their_players() {
    let (mut rig, maps) = three_spawners("town", 3).await;
    let players = six_players(&rig, &maps).await;
    let children = rig.children("spawn-3").await.children;
    let orphans = Orphans(children.iter().filter_map(|child| child.pid).collect());
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    rig.spawner("spawn-3").kill();
    let start = std::time::Instant::now();
    heard.next(0, "event.spawner.down", |body| body["spawner"] == "spawn-3").await;
    println!("the spawner was missed after {} ms", start.elapsed().as_millis());
    assert!(start.elapsed() < MISSED, "{:?}", start.elapsed());

    rig.maps_up(3).await;
    for (player, _) in &players {
        player.walk_to(THERE).await;
    }
    let alone: Vec<_> =
        players.iter().filter(|(_, server)| spawner_of(&maps, server) == "spawn-3").collect();
    alone[0].0.client.leave().await.unwrap();
    let here = alone[0].0.enter().await;
    assert!(here.position.distance(THERE) < 0.1, "{:?}", here.position);
    drop(orphans);
    rig.maps_up(2).await;
}

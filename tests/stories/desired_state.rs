//! What is meant to run runs: channels come and go with the players, who wait in line when all is
//! full, and are moved when a part of the cluster is emptied.

use std::time::{Duration, Instant};

use client::{Client, ClientEvent, Events};
use harness::{Player, Rig, SOON, until};
use protocol::{Position, backbone::maps::MapServer};
use tokio::task::JoinHandle;

const THERE: Position = Position { x: 18.0, y: 13.0 };

async fn desire(rig: &Rig, desired: &str) {
    let payload = format!(r#"{{"desired":{desired}}}"#);
    until(SOON, "what is desired is taken", async || {
        rig.typed("cluster.desire", &payload).await.ok()
    })
    .await;
}

/// A cluster with one spawner that runs nothing by itself, and what is desired of it.
async fn cluster(desired: &str) -> Rig {
    let mut rig = Rig::with_central().await;
    let program = rig.idle_spawner_program("s");
    rig.start_spawner_as("s", program);
    desire(&rig, desired).await;
    rig
}

async fn of_map(rig: &Rig, map: &str) -> Vec<MapServer> {
    let maps = rig.peers().await.maps.into_iter();
    maps.filter(|server| server.map.as_str() == map).collect()
}

async fn channels_of(rig: &Rig, map: &str, channels: &[u16]) -> Vec<MapServer> {
    until(Duration::from_secs(15), &format!("{map} on {channels:?}"), async || {
        let mut maps = of_map(rig, map).await;
        maps.sort_by_key(|server| server.channel);
        let found: Vec<u16> = maps.iter().map(|server| server.channel.0).collect();
        (found == channels).then_some(maps)
    })
    .await
}

#[tokio::test]
async fn a_channel_is_added_before_all_are_full_and_goes_when_it_is_needed_no_more() {
    let rig =
        cluster(r#"{"maps":{"town":{"max_channels":2,"soft_cap":2,"hard_cap":3,"idle_s":2}}}"#)
            .await;
    let town = channels_of(&rig, "town", &[1]).await.remove(0);
    assert_eq!(town.capacity, 3, "the hard cap is handed on");
    let ada = rig.player_on_map("Ada").await;
    let bob = rig.player_on_map("Bob").await;
    let start = Instant::now();
    channels_of(&rig, "town", &[1, 2]).await;
    println!("another channel was up {} ms after the second player", start.elapsed().as_millis());

    let cyd = rig.player("Cyd").await;
    assert_eq!(cyd.enter().await.channel.0, 2, "the first one is at its soft cap");
    cyd.client.leave().await.unwrap();
    bob.client.leave().await.unwrap();
    channels_of(&rig, "town", &[1]).await;
    ada.client.ping().await.unwrap();
}

#[tokio::test]
async fn who_finds_all_places_taken_waits_in_line_and_is_told_where() {
    let rig = cluster(r#"{"maps":{"town":{"soft_cap":1,"hard_cap":1}}}"#).await;
    channels_of(&rig, "town", &[1]).await;
    let ada = rig.player_on_map("Ada").await;
    let (bob, mut bob_events) = enters(rig.player("Bob").await);
    assert_eq!(queued(&mut bob_events).await, (1, 1));
    let (cyd, mut cyd_events) = enters(rig.player("Cyd").await);
    assert_eq!(queued(&mut cyd_events).await, (2, 2));

    ada.client.leave().await.unwrap();
    let start = Instant::now();
    let bob = tokio::time::timeout(SOON, bob).await.unwrap().unwrap();
    println!("the first in line was on the map {} ms later", start.elapsed().as_millis());
    assert!(!cyd.is_finished());
    bob.leave().await.unwrap();
    tokio::time::timeout(SOON, cyd).await.unwrap().unwrap().ping().await.unwrap();
}

/// Somebody who waits for a place, and what happens to it meanwhile.
fn enters(player: Player) -> (JoinHandle<Client>, Events) {
    let Player { client, events, character, .. } = player;
    let entering = tokio::spawn(async move {
        let seat = client.select(character.character, None).await.unwrap();
        client.enter(&seat).await.unwrap();
        client
    });
    (entering, events)
}

async fn queued(events: &mut Events) -> (u32, u32) {
    let told = async {
        loop {
            if let ClientEvent::Queued { position, of } = events.next().await.unwrap() {
                return (position, of);
            }
        }
    };
    tokio::time::timeout(SOON, told).await.expect("being told the position")
}

#[tokio::test]
async fn players_of_a_drained_channel_are_told_and_moved_to_another_one() {
    let rig = cluster(r#"{"maps":{"town":{}}}"#).await;
    let old = channels_of(&rig, "town", &[1]).await.remove(0);
    let mut ada = rig.player_on_map("Ada").await;
    ada.walk_to(THERE).await;

    let args = ["drain", "--server", old.server.as_str(), "--countdown-s", "3", "--reason", "new"];
    let (status, printed, said) = rig.mmo(&args).run(SOON).await;
    assert!(status.success(), "{said}");
    assert_eq!(printed.trim(), old.server.as_str());
    let reason = ada
        .event(SOON, "being told of the drain", |event| match event {
            ClientEvent::Emptying { countdown_ms: Some(1_000..=3_000), reason } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, "new");
    let here = until(SOON, "arriving on the other channel", async || {
        ada.client.surroundings().filter(|here| here.channel.0 == 2)
    })
    .await;
    assert!(here.position.distance(THERE) < 0.1, "{:?}", here.position);
    let left = channels_of(&rig, "town", &[2]).await;
    assert_ne!(left[0].server, old.server);
}

#[tokio::test]
async fn a_drain_that_is_taken_back_leaves_everybody_where_they_are() {
    let rig = cluster(r#"{"maps":{"town":{}}}"#).await;
    channels_of(&rig, "town", &[1]).await;
    let mut ada = rig.player_on_map("Ada").await;
    let drain = ["drain", "--all", "--countdown-s", "60"];
    assert!(rig.mmo(&drain).run(SOON).await.0.success());
    let told = async |ada: &mut Player, on: bool| {
        ada.event(SOON, "hearing of the drain", |event| match event {
            ClientEvent::Emptying { countdown_ms, .. } if countdown_ms.is_some() == on => Some(()),
            _ => None,
        })
        .await;
    };
    told(&mut ada, true).await;
    let refused = rig.typed("cluster.route", r#"{"map":"town"}"#).await.unwrap_err();
    assert!(refused.starts_with("draining"), "{refused}");
    assert!(rig.mmo(&["drain", "--all", "--abort"]).run(SOON).await.0.success());
    told(&mut ada, false).await;
    rig.player_on_map("Bob").await.sees("Ada").await;
}

#[tokio::test]
async fn a_party_gets_the_spare_instance_and_another_one_is_made_ready() {
    let rig = cluster(r#"{"maps":{"town":{}},"instances":{"dungeon":{"spares":1}}}"#).await;
    channels_of(&rig, "town", &[1]).await;
    let spare = channels_of(&rig, "dungeon", &[1]).await.remove(0);
    let start = Instant::now();
    let given = rig.typed("cluster.spawn", r#"{"map":"dungeon","instance":true}"#).await.unwrap();
    println!("a spare was given after {} ms", start.elapsed().as_millis());
    assert_eq!(given["server"], spare.server.as_str());
    channels_of(&rig, "dungeon", &[1, 2]).await;
}

#[tokio::test]
async fn what_cannot_be_desired_is_refused_with_what_to_do() {
    let rig = Rig::with_central().await;
    let wrong = r#"{"desired":{"maps":{"town":{"min_channels":3,"max_channels":2}}}}"#;
    let refused = rig.typed("cluster.desire", wrong).await.unwrap_err();
    assert!(refused.contains("maps.town: max_channels is 2"), "{refused}");
    let unknown = r#"{"desired":{"maps":{"town":{"channels":2}}}}"#;
    let refused = rig.typed("cluster.desire", unknown).await.unwrap_err();
    assert!(refused.contains("unknown field `channels`"), "{refused}");

    desire(&rig, r#"{"maps":{"town":{"start":{"labels":["gpu"]}}}}"#).await;
    let trouble = until(SOON, "the reason why nothing runs", async || {
        let status = rig.typed("cluster.status", "{}").await.ok()?;
        status["maps"][0]["trouble"].as_str().map(str::to_owned)
    })
    .await;
    assert!(trouble.contains("no spawner is up"), "{trouble}");
}

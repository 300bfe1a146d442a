//! Central dies and comes back: whoever is on a map plays on.

use std::time::{Duration, Instant};

use client::ClientEvent;
use harness::{Rig, SOON, until};
use protocol::{Code, Position};

/// How long the registry may take to be whole again.
const WHOLE: Duration = Duration::from_secs(2);
/// How long a player may wait to hear that a warp failed.
const REFUSED: Duration = Duration::from_secs(2);
/// Beside the town's portal, a step away from it.
const AT_THE_GATE: Position = Position { x: 24.8, y: 15.0 };
const IN_THE_GATE: Position = Position { x: 26.0, y: 15.0 };

#[tokio::test]
async fn players_play_on_while_central_is_away_and_the_registry_is_whole_again() {
    let mut rig = Rig::with_maps("town,forest:2").await;
    let before = rig.peers().await;
    let mut ada = rig.player_on_map("Ada").await;
    let mut bob = rig.player_on_map("Bob").await;
    ada.sees("Bob").await;

    rig.kill_central();
    bob.is_heard_by(&mut ada, "is anybody there?").await;
    ada.is_heard_by(&mut bob, "I am here").await;
    ada.walk_to(Position { x: 18.0, y: 14.0 }).await;
    until(SOON, "Bob sees where Ada went", async || {
        let seen = bob.sees("Ada").await.position;
        (seen.distance(ada.position()) < 0.1).then_some(())
    })
    .await;

    rig.start_central().await;
    let ready = Instant::now();
    let after = rig.maps_up_within(3, WHOLE).await;
    until(WHOLE, "the spawner is known", async || {
        (rig.peers().await.spawners.len() == 1).then_some(())
    })
    .await;
    println!("the registry was whole {} ms after the ready line", ready.elapsed().as_millis());
    assert!(ready.elapsed() < WHOLE);
    let lives = |maps: &[protocol::backbone::maps::MapServer]| {
        maps.iter().map(|map| (map.life(), map.channel, map.port)).collect::<Vec<_>>()
    };
    assert_eq!(lives(&after), lives(&before.maps), "the same lives, on the same channels");

    // A newcomer logs in and meets those who stayed; a character that stayed is not lost.
    let cyd = rig.player_on_map("Cyd").await;
    cyd.sees("Ada").await;
    cyd.sees("Bob").await;
    let there = ada.position();
    ada.client.leave().await.unwrap();
    let here = ada.enter().await;
    assert!(here.position.distance(there) < 0.1, "{:?}", here.position);
}

#[tokio::test]
async fn a_warp_while_central_is_away_is_refused_in_time_and_works_after() {
    let mut rig = Rig::with_maps("town,forest").await;
    let mut ada = rig.player_on_map("Ada").await;
    ada.walk_to(AT_THE_GATE).await;

    rig.kill_central();
    ada.client.walk(IN_THE_GATE).await.unwrap();
    let asked = Instant::now();
    let failure = ada
        .event(SOON, "a refusal", |event| match event {
            ClientEvent::WarpRefused { failure, .. } => Some(failure),
            _ => None,
        })
        .await;
    println!("refused after {} ms: {failure}", asked.elapsed().as_millis());
    assert!(asked.elapsed() < REFUSED, "{:?}", asked.elapsed());
    assert!(failure.retry, "{failure}");
    ada.walk_to(AT_THE_GATE).await;

    rig.start_central().await;
    rig.maps_up_within(2, WHOLE).await;
    let there = ada.warp_to("forest").await;
    assert_eq!(there.map.as_str(), "forest");
}

#[tokio::test]
async fn who_leaves_while_central_is_away_is_saved_when_it_is_back() {
    let mut rig = Rig::with_maps("town").await;
    let mut ada = rig.player_on_map("Ada").await;
    let there = Position { x: 18.0, y: 14.0 };
    ada.walk_to(there).await;

    rig.kill_central();
    let left = ada.client.leave().await;
    let reason = ada.sent_away(SOON).await;
    println!("leaving said {left:?}, the server said: {reason}");
    let client::Reason::Told(failure) = reason else { panic!("{reason}") };
    assert_eq!(failure.code, Code::Unavailable);

    rig.start_central().await;
    let here = ada.enter().await;
    assert!(here.position.distance(there) < 0.1, "{:?}", here.position);
}

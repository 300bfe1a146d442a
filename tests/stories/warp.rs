//! From map to map, and seeing each other.

use std::time::Duration;

use client::ClientEvent;
use harness::{Player, Rig, SOON, until};
use protocol::{Code, Failure, Position};

/// Beside the town's portal to the forest, a step away from it.
const AT_THE_GATE: Position = Position { x: 24.8, y: 15.0 };
const IN_THE_GATE: Position = Position { x: 26.0, y: 15.0 };

/// Walks into the town's portal and waits for the refusal.
async fn refused_at_the_gate(player: &mut Player) -> Failure {
    player.walk_to(AT_THE_GATE).await;
    player.client.walk(IN_THE_GATE).await.unwrap();
    player
        .event(SOON, "a refusal", |event| match event {
            ClientEvent::WarpRefused { map, failure } => {
                assert_eq!(map.as_str(), "forest");
                Some(failure)
            }
            _ => None,
        })
        .await
}

fn near(player: &Player, x: f32, y: f32) {
    let here = player.position();
    assert!(here.distance(Position { x, y }) < 0.1, "{here:?}");
}

#[tokio::test]
async fn through_a_portal_and_back_with_position() {
    let rig = Rig::with_maps("town,forest").await;
    let mut ada = rig.player_on_map("Ada").await;
    near(&ada, 20.0, 15.0);
    ada.warp_to("forest").await;
    near(&ada, 8.0, 20.0);
    let told = |event| match event {
        ClientEvent::Warping { to } => Some(to),
        _ => None,
    };
    assert_eq!(ada.event(SOON, "the warp", told).await.as_str(), "forest");

    ada.walk_to(Position { x: 9.0, y: 22.0 }).await;
    ada.client.leave().await.unwrap();
    let here = ada.enter().await;
    assert_eq!(here.map.as_str(), "forest");
    near(&ada, 9.0, 22.0);

    ada.warp_to("town").await;
    near(&ada, 23.0, 15.0);
}

#[tokio::test]
async fn a_map_that_is_not_up_refuses_and_once_it_is_up_the_portal_works() {
    let rig = Rig::with_maps("town").await;
    let mut ada = rig.player_on_map("Ada").await;
    let mut bob = rig.player_on_map("Bob").await;
    let failure = refused_at_the_gate(&mut ada).await;
    assert_eq!(failure.code, Code::NoServer, "{failure}");
    assert!(failure.retry && failure.message.contains("forest"), "{failure}");

    // She plays on: walks, and is heard and seen.
    ada.client.say("closed today").await.unwrap();
    let heard =
        |event| matches!(event, ClientEvent::Said { name, .. } if name == "Ada").then_some(());
    bob.event(SOON, "hearing Ada", heard).await;
    ada.walk_to(AT_THE_GATE).await;

    rig.typed("cluster.spawn", r#"{"map":"forest"}"#).await.unwrap();
    ada.warp_to("forest").await;
    until(SOON, "Bob sees her go", async || {
        bob.client.surroundings()?.other("Ada").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_full_map_refuses_at_the_portal_and_has_selections_wait_in_line() {
    let mut rig = Rig::with_central().await;
    rig.start_map("town-1", "town").await;
    rig.start_map_as(rig.map_program("forest-1", "forest").env("MMO_CAPACITY", "1")).await;
    let mut bob = rig.player_on_map("Bob").await;
    bob.warp_to("forest").await;
    bob.client.leave().await.unwrap();

    let mut cyd = rig.player_on_map("Cyd").await;
    cyd.warp_to("forest").await;
    let mut ada = rig.player_on_map("Ada").await;
    let failure = refused_at_the_gate(&mut ada).await;
    assert_eq!(failure.code, Code::MapFull, "{failure}");
    ada.client.ping().await.unwrap();

    bob.back_to_central().await;
    waits_in_line(&mut bob).await;

    // The place that is free again is taken by a seat, from before anybody sits on it.
    cyd.client.leave().await.unwrap();
    let seat = bob.seat().await;
    cyd.back_to_central().await;
    waits_in_line(&mut cyd).await;
    bob.client.enter(&seat).await.unwrap();
}

/// Selects, is told to wait, and gives the place in the line up.
async fn waits_in_line(player: &mut Player) {
    let selecting = player.client.select(player.character.character, None);
    let waited = tokio::time::timeout(Duration::from_millis(1500), selecting).await;
    assert!(waited.is_err(), "there was a place: {waited:?}");
    let position = player.event(SOON, "being told the position", |event| match event {
        ClientEvent::Queued { position, .. } => Some(position),
        _ => None,
    });
    assert_eq!(position.await, 1);
}

#[tokio::test]
async fn two_on_a_map_see_each_other_appear_move_speak_and_vanish() {
    let rig = Rig::with_maps("town").await;
    let mut ada = rig.player_on_map("Ada").await;
    let bob = rig.player("Bob").await;
    let here = bob.enter().await;
    assert!(here.other("Ada").is_some(), "who was there is seen at once");

    let appeared = |event| match event {
        ClientEvent::Appeared { sight } => Some(sight),
        _ => None,
    };
    let sight = ada.event(SOON, "Bob's appearance", appeared).await;
    assert_eq!((sight.name.as_str(), sight.entity), ("Bob", here.you));

    let there = Position { x: 22.0, y: 13.0 };
    bob.client.walk(there).await.unwrap();
    ada.event(SOON, "Bob's arrival", |event| match event {
        ClientEvent::Moved { moves } => moves
            .iter()
            .any(|step| step.entity == here.you && step.position.distance(there) < 0.1)
            .then_some(()),
        _ => None,
    })
    .await;

    bob.client.say("hello, world").await.unwrap();
    let said = |event| match event {
        ClientEvent::Said { entity, name, text } => Some((entity, name, text)),
        _ => None,
    };
    let (entity, name, text) = ada.event(SOON, "Bob's words", said).await;
    assert_eq!((entity, name.as_str(), text.as_str()), (here.you, "Bob", "hello, world"));

    bob.client.leave().await.unwrap();
    let vanished = |event| match event {
        ClientEvent::Vanished { sight } => Some(sight.name),
        _ => None,
    };
    assert_eq!(ada.event(SOON, "Bob's leave", vanished).await, "Bob");
}

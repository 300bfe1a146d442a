//! A Map Server dies or hangs: all are told, it comes back, and nobody loses more than what was
//! not saved.

use std::time::{Duration, Instant};

use client::Reason;
use harness::{Recorder, Rig, SOON, is_running, other_players, signal_process, until};
use protocol::{Code, Position};
use rustix::process::Signal;
use serde_json::Value;

/// How long peers may take to hear of a death.
const DOWN: Duration = Duration::from_secs(4);

async fn recorder(rig: &Rig) -> Recorder {
    Recorder::start(rig.backbone().await, &["mmo.>"]).await
}

/// Waits until a save names this position.
async fn saved_at(heard: &Recorder, at: Position) {
    let fits = |body: &Value| {
        let part = |name: &str| body["state"]["position"][name].as_f64().unwrap_or_default();
        (part("x") - f64::from(at.x)).abs() < 0.1 && (part("y") - f64::from(at.y)).abs() < 0.1
    };
    heard.next(0, "characters.save", fits).await;
}

async fn down_after(heard: &Recorder, since: Instant, place: usize, server: &str) -> usize {
    let (at, _) = heard.next(place, "event.map.down", |body| body["server"] == server).await;
    let took = since.elapsed();
    println!("peers heard of the end of {server} after {} ms", took.as_millis());
    assert!(took < DOWN, "{took:?}");
    at
}

#[tokio::test]
async fn a_killed_map_comes_back_and_its_player_goes_on_from_the_last_save() {
    let mut rig = Rig::with_central().await;
    let spawner = rig.spawner_program("spawn-1", "town,forest").env("MMO_SAVE_EVERY_S", "1");
    rig.start_spawner_as("spawn-1", spawner);
    rig.maps_up(2).await;
    let heard = recorder(&rig).await;
    let mut ada = rig.player_on_map("Ada").await;
    let there = Position { x: 17.0, y: 12.0 };
    ada.walk_to(there).await;
    saved_at(&heard, there).await;

    let place = heard.all().len();
    let victim = "spawn-1-town-1";
    let pid = rig.map_process("spawn-1", victim).await;
    let killed = Instant::now();
    signal_process(pid, Signal::KILL);

    // Its player is told, all servers are told, and a peer has taken it in.
    let reason = ada.sent_away(DOWN).await;
    assert!(matches!(reason, Reason::Lost(_)), "{reason}");
    let at = down_after(&heard, killed, place, victim).await;
    rig.spawner("spawn-1").logged("peer down: spawn-1-town-1", DOWN).await;

    // The spawner has it back, as another life that has registered.
    let (_, up) = heard.next(at, "event.map.up", |body| body["server"]["server"] == victim).await;
    println!("it is back after {} ms", killed.elapsed().as_millis());
    let down = &heard.all()[at].body;
    assert_ne!(up["server"]["incarnation"], down["incarnation"]);
    assert_ne!(up["server"]["connection_key"], Value::Null);
    let children = rig.children("spawn-1").await.children;
    let back = children.iter().find(|child| child.server.as_str() == victim).unwrap();
    assert_eq!(back.restarts, 1);

    let here = ada.enter().await;
    assert!(here.position.distance(there) < 0.1, "{:?}", here.position);
    assert!(other_players(&here).is_empty(), "nobody is doubled: {:?}", here.others);
}

#[tokio::test]
async fn a_killed_map_that_nobody_watches_is_missed_by_its_beats() {
    let mut rig = Rig::with_central().await;
    rig.start_map("peer", "forest").await;
    let town = rig.start_map("lone-town", "town").await;
    let heard = recorder(&rig).await;
    let mut ada = rig.player_on_map("Ada").await;

    let (place, killed) = (heard.all().len(), Instant::now());
    rig.maps[town].kill();
    let reason = ada.sent_away(DOWN).await;
    assert!(matches!(reason, Reason::Lost(_)), "{reason}");
    let at = down_after(&heard, killed, place, "lone-town").await;
    let reason = heard.all()[at].body["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("silent"), "{reason}");
    rig.maps[0].logged("peer down: lone-town", DOWN).await;

    // With its map gone, selecting says what to do: first that the map may come back with what it
    // has not saved, then that there is none. With one up again, the character is there.
    ada.back_to_central().await;
    until(SOON, "the map being passed over", async || {
        let refused = ada.client.select(ada.character.character, None).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        if refused.code() != Some(Code::CharacterInUse) {
            assert_eq!(refused.code(), Some(Code::NoServer), "{refused}");
            return Some(());
        }
        None
    })
    .await;
    rig.start_map("next-town", "town").await;
    ada.enter().await;
}

#[tokio::test]
async fn a_hung_map_is_removed_and_registers_again_when_it_goes_on() {
    let mut rig = Rig::with_central().await;
    let town = rig.start_map("town-1", "town").await;
    let heard = recorder(&rig).await;
    let ada = rig.player_on_map("Ada").await;
    let before = rig.maps_up(1).await;

    let (place, stopped) = (heard.all().len(), Instant::now());
    rig.maps[town].signal(Signal::STOP);
    let at = down_after(&heard, stopped, place, "town-1").await;
    assert!(rig.peers().await.maps.is_empty());

    rig.maps[town].signal(Signal::CONT);
    heard.next(at, "event.map.up", |body| body["server"]["server"] == "town-1").await;
    let after = rig.maps_up(1).await;
    assert_eq!(after[0].incarnation, before[0].incarnation, "the same life is back");

    // Its player has missed a moment, and plays on.
    ada.walk_to(Position { x: 18.0, y: 14.0 }).await;
    ada.client.leave().await.unwrap();
    let here = ada.enter().await;
    assert!(here.position.distance(Position { x: 18.0, y: 14.0 }) < 0.1, "{:?}", here.position);
    assert!(other_players(&here).is_empty(), "nobody is doubled: {:?}", here.others);
}

#[tokio::test]
async fn a_hung_map_gives_way_to_its_successor() {
    let mut rig = Rig::with_central().await;
    let old = rig.start_map("town-1", "town").await;
    let heard = recorder(&rig).await;
    let mut ada = rig.player_on_map("Ada").await;
    let bob = rig.player("Bob").await;

    let (place, stopped) = (heard.all().len(), Instant::now());
    rig.maps[old].signal(Signal::STOP);
    down_after(&heard, stopped, place, "town-1").await;
    // Hung, it cannot end its connection to NATS, so a player may have to try more than once.
    let new = rig.start_map_as(rig.map_program("town-1", "town").named("successor")).await;
    let successor = rig.maps_up(1).await;
    bob.enter().await;

    let pid = rig.maps[old].id();
    rig.maps[old].signal(Signal::CONT);
    until(Duration::from_secs(15), "the end of the old life", async || {
        (!is_running(pid)).then_some(())
    })
    .await;
    println!("the old life ended after {} ms", stopped.elapsed().as_millis());
    let log = rig.maps[old].log();
    assert!(log.contains("town-1"), "it does not say why:\n{log}");

    // Whoever was on it is told, and finds the world once, with everybody in it once.
    let reason = ada.sent_away(DOWN).await;
    println!("its player was told: {reason}");
    assert_eq!(rig.maps_up(1).await[0].incarnation, successor[0].incarnation);
    ada.enter().await;
    ada.sees("Bob").await;
    bob.sees("Ada").await;
    let around = bob.client.surroundings().unwrap();
    assert_eq!(other_players(&around).len(), 1, "{:?}", around.others);
    bob.walk_to(Position { x: 18.0, y: 14.0 }).await;
    assert!(rig.maps[new].status().is_none());
}

//! A spawner is killed and comes back: its maps and their players do not notice. A map that crashes
//! over and over does not take the machine with it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use client::ClientEvent;
use harness::{Orphans, Player, Rig, SOON, is_running, program, signal_process, until};
use protocol::{
    Position,
    backbone::{
        events::ChildEnded,
        maps::MapServer,
        spawners::{Child, ChildState, ListChildren},
    },
};
use rustix::process::Signal;
use serde_json::Value;

/// How long an end may go unseen. It is seen in milliseconds; a busy machine takes its time.
const SEEN: Duration = Duration::from_secs(1);
/// A killed spawner's id is free when the Cluster has missed it; then the next one comes in.
const BACK: Duration = Duration::from_secs(15);

/// The spawner's Map Servers once there are `count` and all are ready.
async fn ready(rig: &Rig, count: usize) -> Vec<Child> {
    let backbone = rig.backbone().await;
    let id = "spawn-1".parse().unwrap();
    until(BACK, &format!("{count} ready children"), async || {
        let children = backbone.call(&id, ListChildren {}).await.ok()?.children;
        let is_ready = |child: &Child| child.state == ChildState::Ready;
        (children.len() == count && children.iter().all(is_ready)).then_some(children)
    })
    .await
}

/// Kills the spawner as a crash would; its maps are ended with what is returned.
async fn kill_spawner(rig: &mut Rig) -> Orphans {
    let children = rig.children("spawn-1").await.children;
    rig.spawner("spawn-1").kill();
    rig.spawners.clear();
    Orphans(children.iter().filter_map(|child| child.pid).collect())
}

fn start_again(rig: &mut Rig, maps: &str) {
    let again = rig.spawner_program("spawn-1", maps).named("spawn-1-again");
    rig.start_spawner_as("spawn-1", again);
}

/// Fails if the player was sent away, or lost its link, or entered anew, since the last look.
fn was_not_disturbed(player: &mut Player) {
    while let Some(event) = player.events.try_next() {
        let calm = matches!(
            event,
            ClientEvent::Appeared { .. }
                | ClientEvent::Moved { .. }
                | ClientEvent::Vanished { .. }
                | ClientEvent::Game { .. }
                | ClientEvent::Said { .. }
        );
        assert!(calm, "{event:?}");
    }
}

#[tokio::test]
async fn a_killed_spawner_comes_back_to_its_maps_and_nobody_notices() {
    let mut rig = Rig::with_maps("town,forest").await;
    let mut ada = rig.player_on_map("Ada").await;
    while ada.events.try_next().is_some() {}
    let (before, lives) = (ready(&rig, 2).await, rig.maps_up(2).await);
    let orphans = kill_spawner(&mut rig).await;
    let killed = Instant::now();
    ada.walk_to(Position { x: 18.0, y: 13.0 }).await;

    start_again(&mut rig, "town,forest");
    let after = ready(&rig, 2).await;
    println!("they have a spawner again after {} ms", killed.elapsed().as_millis());
    assert_eq!(after, before, "the same processes, ports and channels, and none more");
    let now = rig.maps_up(2).await;
    assert!(now.iter().map(MapServer::life).eq(lives.iter().map(MapServer::life)));
    ada.walk_to(Position { x: 17.0, y: 12.0 }).await;
    was_not_disturbed(&mut ada);

    // Its end is seen, and it returns.
    let mut ends = rig.backbone().await.subscribe::<ChildEnded>().await.unwrap();
    rig.peers().await; // so the line before is live
    let forest = before.iter().find(|child| child.map.as_str() == "forest").unwrap();
    let killed = Instant::now();
    signal_process(forest.pid.unwrap(), Signal::KILL);
    let end = tokio::time::timeout(SOON, ends.next()).await.unwrap().unwrap();
    let took = killed.elapsed();
    println!("the end of an adopted map was seen after {} ms", took.as_millis());
    assert!(took < SEEN, "{took:?}");
    assert_eq!(end.server, forest.server);
    assert!(end.restart_in_ms.is_some(), "{end:?}");
    let returned = until(BACK, "its return", async || {
        let children = rig.children("spawn-1").await.children;
        let is_back =
            |child: &&Child| child.server == forest.server && child.state == ChildState::Ready;
        children.iter().find(is_back).filter(|child| child.restarts == 1).cloned()
    })
    .await;
    assert_ne!(returned.pid, forest.pid);
    rig.maps_up(2).await;
    was_not_disturbed(&mut ada);

    // What it has adopted it also ends.
    ada.client.leave().await.unwrap();
    let last = ready(&rig, 2).await;
    let mut spawner = rig.spawners.remove(0).1;
    spawner.signal(Signal::TERM);
    assert!(spawner.ended(BACK).await.success(), "{}", spawner.log());
    let all = last.iter().chain(&before).filter_map(|child| child.pid);
    assert_eq!(all.filter(|pid| is_running(*pid)).count(), 0);
    drop(orphans);
}

#[tokio::test]
async fn a_map_whose_spawner_was_killed_while_it_started_is_found_by_the_next() {
    let mut rig = Rig::with_central().await;
    rig.start_spawner("spawn-1", "forest");
    ready(&rig, 1).await;
    // Without a Cluster a map cannot register, so it is still starting when its spawner dies.
    rig.kill_central();
    let ask = rig.typed("spawner.spawn-1.start", r#"{"map":"town"}"#);
    let starting = until(SOON, "a map that starts", async || {
        let children = rig.children("spawn-1").await.children;
        children.iter().any(|child| child.state == ChildState::Starting).then_some(())
    });
    // Whoever asked hears nothing more.
    tokio::select! { _ = ask => panic!("it is up without a Cluster"), () = starting => {} }
    let before = rig.children("spawn-1").await.children;
    let _orphans = kill_spawner(&mut rig).await;
    rig.start_central().await;
    // It has told nobody that it is ready, and serves.
    rig.maps_up(2).await;
    rig.player_on_map("Ada").await;
    start_again(&mut rig, "forest,town");
    let after = ready(&rig, 2).await;
    let pids = |all: &[Child]| -> Vec<_> { all.iter().map(|child| child.pid).collect() };
    assert_eq!(pids(&after), pids(&before));
}

#[tokio::test]
async fn a_map_that_nobody_reads_lives_on() {
    let rig = Rig::with_central().await;
    let mut map = Command::new(program("map"))
        .args(["--id", "unheard", "--map", "town"])
        .env_clear()
        .envs([("NATS_URL", rig.nats.url()), ("REDIS_URL", rig.redis.url())])
        .current_dir(rig.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Both pipes are broken before it has said a word: its ready line, and its log.
    drop((map.stdout.take(), map.stderr.take()));
    let _orphan = Orphans(vec![map.id()]);
    rig.maps_up(1).await;
    let ada = rig.player_on_map("Ada").await;
    ada.walk_to(Position { x: 18.0, y: 13.0 }).await;
    assert!(map.try_wait().unwrap().is_none(), "it has ended");
}

#[tokio::test]
async fn a_map_that_crashes_in_a_loop_is_held_until_somebody_clears_it() {
    let mut rig = Rig::with_central().await;
    let (path, mended) = (rig.folder().join("fragile-map"), rig.folder().join("mended"));
    let script = format!(
        "#!/bin/sh\n\
         [ \"$1\" = --list-maps ] || [ -e {} ] || exit 3\n\
         exec {} \"$@\"\n",
        mended.display(),
        program("map").display(),
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut ends = rig.backbone().await.subscribe::<ChildEnded>().await.unwrap();
    rig.peers().await; // so the line before is live
    let fragile = rig.spawner_program("spawn-1", "town").arg("--map-command").arg(&path);
    let began = Instant::now();
    rig.start_spawner_as("spawn-1", fragile);

    let mut crashes = 1;
    while !tokio::time::timeout(SOON, ends.next()).await.unwrap().unwrap().held {
        crashes += 1;
    }
    println!("held after {crashes} crashes in {} ms", began.elapsed().as_millis());
    assert_eq!(crashes, 5);
    let listed = rig.typed("spawner.spawn-1.list", "{}").await.unwrap();
    let child = &listed["children"][0];
    assert_eq!((&child["state"], &child["pid"]), (&"held".into(), &Value::Null), "{listed}");
    rig.spawner("spawn-1").logged("until somebody clears it", SOON).await;

    fs::write(mended, "").unwrap();
    let clear = r#"{"server":"spawn-1-town-1"}"#;
    rig.typed("spawner.spawn-1.clear", clear).await.unwrap();
    rig.maps_up(1).await;
    rig.player_on_map("Ada").await;
    let refused = rig.typed("spawner.spawn-1.clear", clear).await.unwrap_err();
    assert!(refused.starts_with("not_allowed: ") && refused.contains("ready"), "{refused}");
}

//! A spawner that is killed, and the next one of its id.

use std::time::{Duration, Instant};

use protocol::backbone::{
    events::ChildEnded,
    spawners::{Child, ChildState, StartChild},
};
use rustix::process::Signal;

use crate::{
    all_ready,
    fake_cluster::{FakeCluster, registered_map},
    harness::{Ground, PATIENCE, Spawner, children_when, eventually, is_running, next, send},
    start, stop,
};

async fn kill(mut spawner: Spawner) {
    spawner.signal(Signal::KILL);
    spawner.end().await;
}

#[tokio::test]
async fn maps_outlive_a_killed_spawner_and_the_next_one_has_them() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let first = ground.spawner(&["--spawn-maps", "town:2"]);
    let order = StartChild {
        cost: Some(3),
        capacity: Some(40),
        ..StartChild::new("odd".parse().unwrap(), None)
    };
    cluster.registered().await;
    backbone.call_within(&"s".parse().unwrap(), order, PATIENCE).await.unwrap();
    let before = all_ready(&backbone, 3).await;
    kill(first).await;
    assert!(before.iter().all(|child| is_running(child.pid.unwrap())));

    cluster.knows(vec![
        registered_map("s-town-1", "town", 1),
        registered_map("s-town-2", "town", 4),
        registered_map("s-odd-1", "odd", 1),
    ]);
    let mut ends = backbone.subscribe::<ChildEnded>().await.unwrap();
    let mut second = ground.spawner(&["--spawn-maps", "town:2"]);
    let after = all_ready(&backbone, 3).await;
    let pids = |children: &[Child]| -> Vec<_> {
        children.iter().map(|child| (child.server.clone(), child.pid)).collect()
    };
    assert_eq!(pids(&after), pids(&before), "they are the same, and nothing is doubled");
    let seen: Vec<_> = after.iter().map(|child| (child.channel.0, child.port)).collect();
    assert_eq!(seen, [(1, Some(7200)), (1, Some(7200)), (4, Some(7200))]);
    cluster.beat(|beat| beat.used == 5 && beat.pending.is_empty()).await;

    // It is there for them: their ends, their returns, what it was told of them.
    let (pid, killed) = (after[0].pid.unwrap(), Instant::now());
    send(pid, Signal::KILL);
    let end = next(&mut ends).await;
    assert!(killed.elapsed() < Duration::from_millis(500), "{:?}", killed.elapsed());
    assert!(end.how.contains("how is not known"), "{end:?}");
    assert!(end.restart_in_ms.is_some(), "{end:?}");
    assert_eq!(cluster.map_left().await.life.server, after[0].server);
    let back = all_ready(&backbone, 3).await;
    assert_eq!((back[0].server.as_str(), back[0].restarts), ("s-odd-1", 1));
    assert!(ground.note("s-odd-1.flags").contains("--capacity 40"));

    stop(&backbone, "s-town-2").await.unwrap();
    assert!(!is_running(after[2].pid.unwrap()));
    let next = start(&backbone, "town").await.unwrap();
    assert_eq!(next.life.server.as_str(), "s-town-3", "no number is used twice");

    let last = all_ready(&backbone, 3).await;
    second.signal(Signal::TERM);
    assert!(second.end().await.success(), "{}", second.log());
    assert!(last.iter().all(|child| !is_running(child.pid.unwrap())));
    assert_eq!(ground.note("stopped"), "s-town-2\ns-town-3\ns-odd-1\ns-town-1\n");
}

#[tokio::test]
async fn a_map_that_is_missing_is_started_beside_those_that_run() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let first = ground.spawner(&["--spawn-maps", "town:2"]);
    let before = all_ready(&backbone, 2).await;
    kill(first).await;
    send(before[0].pid.unwrap(), Signal::KILL);
    cluster.knows(vec![registered_map("s-town-2", "town", 2)]);
    let _second = ground.spawner(&["--spawn-maps", "town:2"]);
    let after = all_ready(&backbone, 2).await;
    let seen: Vec<_> = after.iter().map(|c| (c.server.as_str(), c.channel.0)).collect();
    assert_eq!(seen, [("s-town-2", 2), ("s-town-3", 1)]);
    assert_eq!(after[0].pid, before[1].pid);
}

#[tokio::test]
async fn an_adopted_map_that_the_cluster_does_not_know_is_ended() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let first = ground.spawner(&["--spawn-maps", "town"]);
    let before = all_ready(&backbone, 1).await;
    kill(first).await;
    let mut ends = backbone.subscribe::<ChildEnded>().await.unwrap();
    let _second = ground.spawner(&["--spawn-maps", "town"]);
    let starting = children_when(&backbone, |all| all.len() == 1).await;
    assert_eq!((starting[0].pid, starting[0].state), (before[0].pid, ChildState::Starting));
    cluster.beat(|beat| beat.used == 1 && beat.pending.len() == 1).await;
    let end = next(&mut ends).await;
    assert!(end.how.starts_with("never registered within 1 s"), "{end:?}");
    let after = all_ready(&backbone, 1).await;
    assert_ne!(after[0].pid, before[0].pid);
}

#[tokio::test]
async fn what_runs_for_another_cluster_on_this_machine_is_left_alone() {
    let (ours, theirs) = (Ground::new().await, Ground::new().await);
    let backbones = (ours.backbone("central").await, theirs.backbone("central").await);
    FakeCluster::start(&backbones.0).await;
    FakeCluster::start(&backbones.1).await;
    let first = ours.spawner(&["--spawn-maps", "town"]);
    let before = all_ready(&backbones.0, 1).await;
    kill(first).await;
    // The same id, realm and program, another NATS.
    let other_cluster = theirs.spawner(&["--spawn-maps", "town"]);
    let own = all_ready(&backbones.1, 1).await;
    assert_ne!(own[0].pid, before[0].pid);
    drop(other_cluster);
    let pid = before[0].pid.unwrap();
    let outlives = is_running(pid);
    send(pid, Signal::TERM);
    assert!(outlives);
    eventually("the map's own end", async || (ours.note("stopped") == "s-town-1\n").then_some(()))
        .await;
}

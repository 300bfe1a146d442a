//! Commands for an operator whose maps crash, or who adds a machine.

use std::time::Instant;

use harness::{Rig, SOON, signal_process, until};
use protocol::{ServerId, backbone::maps::MapServer};
use rustix::process::Signal;

/// Runs `mmo`, which must succeed; what it prints, and what it says beside that.
async fn mmo(rig: &Rig, args: &[&str]) -> (String, String) {
    let (status, printed, said) = rig.mmo(args).run(SOON).await;
    assert!(status.success(), "{args:?}: {said}");
    (printed, said)
}

#[tokio::test]
async fn a_map_that_crashed_too_often_is_held_until_an_operator_clears_it() {
    let rig = Rig::with_maps("town").await;
    let began = Instant::now();
    let mut dead = None;
    for _ in 0..5 {
        let pid = until(SOON, "the map's next process", async || {
            let child = rig.children("spawn-1").await.children.into_iter().next()?;
            child.pid.filter(|pid| Some(*pid) != dead)
        })
        .await;
        signal_process(pid, Signal::KILL);
        dead = Some(pid);
    }
    let held = "spawn-1-town-1 is held";
    until(SOON, held, async || mmo(&rig, &["status"]).await.0.contains(held).then_some(())).await;
    println!("held {} ms after the first crash", began.elapsed().as_millis());

    let began = Instant::now();
    let (printed, said) = mmo(&rig, &["clear", "spawn-1-town-1"]).await;
    assert_eq!((printed.as_str(), said.trim()), ("", "spawn-1-town-1 is started again"));
    rig.player_on_map("Ada").await;
    println!("somebody plays there {} ms after it was cleared", began.elapsed().as_millis());
    let gone = async || (!mmo(&rig, &["status"]).await.0.contains(held)).then_some(());
    until(SOON, "it is held no more", gone).await;
    let (status, printed, said) = rig.mmo(&["clear", "spawn-1-town-1"]).run(SOON).await;
    assert!(!status.success() && printed.is_empty());
    assert!(said.contains("is not held") && said.contains("mmo status"), "{said}");
}

/// The town's Map Servers once so many serve on each of these spawners, and no others.
async fn towns(rig: &Rig, shares: &[(&str, usize)]) -> Vec<MapServer> {
    until(SOON, &format!("{shares:?}"), async || {
        let maps = rig.peers().await.maps;
        let on = |id: &str| {
            let there = |map: &&MapServer| map.spawner.as_ref().is_some_and(|s| s.as_str() == id);
            maps.iter().filter(there).count()
        };
        let all = shares.iter().map(|(_, count)| count).sum::<usize>();
        let shared = shares.iter().all(|(id, count)| on(id) == *count);
        (shared && maps.len() == all).then_some(maps)
    })
    .await
}

#[tokio::test]
async fn empty_maps_move_to_a_new_machine_once_an_operator_says_so() {
    let mut rig = Rig::with_central().await;
    let program = rig.idle_spawner_program("old");
    rig.start_spawner_as("old", program);
    let desired = r#"{"desired":{"maps":{"town":{"min_channels":4,"max_channels":4}}}}"#;
    rig.typed("cluster.desire", desired).await.unwrap();
    let before = towns(&rig, &[("old", 4)]).await;
    let program = rig.idle_spawner_program("new");
    rig.start_spawner_as("new", program);
    until(SOON, "both spawners", async || (rig.peers().await.spawners.len() == 2).then_some(()))
        .await;

    let began = Instant::now();
    let (printed, said) = mmo(&rig, &["rebalance"]).await;
    let moved: Vec<ServerId> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((moved.len(), said.trim()), (2, "2 empty Map Servers move"));
    // Asking again moves nothing more, neither on the way nor after.
    assert_eq!(mmo(&rig, &["rebalance"]).await.0, "", "they are still on their way");
    let after = towns(&rig, &[("old", 2), ("new", 2)]).await;
    println!("each has its share after {} ms", began.elapsed().as_millis());
    for map in &before {
        let stayed = after.iter().any(|other| other.life() == map.life());
        assert_eq!(stayed, !moved.contains(&map.server), "{}", map.server);
    }
    let (printed, said) = mmo(&rig, &["rebalance"]).await;
    assert_eq!((printed.as_str(), said.trim()), ("", "0 empty Map Servers move"));
    rig.player_on_map("Ada").await;
}

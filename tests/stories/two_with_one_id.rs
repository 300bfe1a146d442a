//! Two servers with one id: the second says so and ends, and the first is not disturbed.

use std::time::{Duration, Instant};

use harness::{Process, Rig};
use protocol::backbone::{maps::Peers, spawners::ListChildren};

/// Longer than a second server tries to come in.
const REFUSED: Duration = Duration::from_secs(20);

/// Waits for the second one's end, does `meanwhile` over and over until then, and returns what it
/// said last.
async fn refused(second: &mut Process, mut meanwhile: impl AsyncFnMut()) -> String {
    let (mut times, start) = (0, Instant::now());
    while second.status().is_none() {
        assert!(start.elapsed() < REFUSED, "the second one does not end:\n{}", second.log());
        meanwhile().await;
        times += 1;
    }
    assert!(times > 1, "it ended too soon to disturb anybody");
    let status = second.ended(REFUSED).await;
    assert!(!status.success(), "{status}");
    let log = second.log();
    let said = log.lines().rfind(|line| line.contains("ERROR"));
    let said = said.unwrap_or_else(|| panic!("it does not say why:\n{log}")).to_owned();
    println!("after {times} times the second one said: {said}");
    said
}

#[tokio::test]
async fn a_second_map_server_with_one_id_ends_and_the_first_serves_on() {
    let mut rig = Rig::with_central().await;
    rig.start_map("town-1", "town").await;
    let before = rig.maps_up(1).await;
    let staying = rig.player_on_map("Staying").await;
    let coming = rig.player("Coming").await;

    let mut second = rig.map_program("town-1", "town").named("second").start();
    let said = refused(&mut second, async || {
        // All that is asked of a Map Server by its id: a seat, and to let a character go.
        coming.back_to_central().await;
        coming.client.play(coming.character.character, None).await.unwrap();
        coming.client.leave().await.unwrap();
    })
    .await;
    assert!(said.contains("town-1") && said.contains("another id"), "{said}");
    staying.client.ping().await.unwrap();
    let after = rig.maps_up(1).await;
    assert_eq!(after[0].life(), before[0].life());
}

#[tokio::test]
async fn a_second_spawner_with_one_id_ends_and_the_first_serves_on() {
    let mut rig = Rig::with_maps("town").await;
    let before = rig.peers().await;
    let mut second = rig.spawner_program("spawn-1", "forest").named("second").start();
    let (operator, id) = (rig.backbone().await, "spawn-1".parse().unwrap());
    let said = refused(&mut second, async || {
        // Without a pause, so that not even a moment's share of its commands is lost.
        let listed = operator.call(&id, ListChildren {}).await.unwrap();
        assert_eq!(listed.children.len(), 1);
    })
    .await;
    assert!(said.contains("`spawn-1`") && said.contains("another `id`"), "{said}");
    let after = rig.peers().await;
    let lives = |peers: &Peers| -> Vec<_> {
        peers.spawners.iter().map(|known| (known.spawner.clone(), known.incarnation)).collect()
    };
    assert_eq!(lives(&after), lives(&before));
    assert_eq!(after.maps.len(), 1, "the second one has started nothing");
    assert!(rig.spawner("spawn-1").status().is_none());
}

#[tokio::test]
async fn a_second_central_with_one_id_ends_and_the_first_serves_on() {
    let mut rig = Rig::with_maps("town").await;
    let before = rig.peers().await;
    let second = rig.central_program().named("second").env("MMO_LISTEN", "127.0.0.1:0");
    let mut second = second.start();
    let mut names = (1..).map(|number| format!("Guest{number}"));
    let said = refused(&mut second, async || {
        rig.player(&names.next().unwrap()).await;
        assert_eq!(rig.peers().await.maps.len(), 1);
    })
    .await;
    assert!(said.contains("`central-1`") && said.contains("another `id`"), "{said}");
    rig.player_on_map("Ada").await;
    assert_eq!(rig.peers().await.view.cluster, before.view.cluster, "the first leads on");
    assert!(rig.central.as_mut().unwrap().status().is_none());
}

#[tokio::test]
async fn a_server_on_a_port_that_is_taken_names_the_port_and_ends() {
    let rig = Rig::with_central().await;
    let (status, _, log) = rig.central_program().named("second").run(REFUSED).await;
    assert!(!status.success());
    assert!(log.contains(&rig.central_address) && log.contains("--listen"), "{log}");
}

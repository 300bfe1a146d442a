//! Where a character stood is where it stands again.

use client::Reason;
use harness::{Player, Rig, SOON};
use protocol::{Code, Position};
use rustix::process::Signal;

const THERE: Position = Position { x: 17.0, y: 12.0 };

/// Enters and stands where it stood.
async fn is_there(player: &Player) {
    let here = player.enter().await;
    assert!(here.position.distance(THERE) < 0.1, "{:?}", here.position);
}

#[tokio::test]
async fn leaving_saves() {
    let rig = Rig::with_maps("town").await;
    let ada = rig.player_on_map("Ada").await;
    ada.walk_to(THERE).await;
    ada.client.leave().await.unwrap();
    is_there(&ada).await;
}

#[tokio::test]
async fn a_client_that_is_just_gone_is_saved() {
    let rig = Rig::with_maps("town").await;
    let ada = rig.player_on_map("Ada").await;
    ada.walk_to(THERE).await;
    drop(ada);
    is_there(&rig.player("Ada").await).await;
}

#[tokio::test]
async fn a_login_elsewhere_in_the_middle_of_play_saves() {
    let rig = Rig::with_maps("town").await;
    let mut ada = rig.player_on_map("Ada").await;
    ada.walk_to(THERE).await;
    let newer = rig.player("Ada").await;
    let reason = ada.sent_away(SOON).await;
    assert!(matches!(&reason, Reason::Told(why) if why.code == Code::SessionReplaced), "{reason}");
    is_there(&newer).await;
}

#[tokio::test]
async fn a_spawner_that_is_told_to_stop_has_its_maps_save() {
    let mut rig = Rig::with_maps("town").await;
    let mut ada = rig.player_on_map("Ada").await;
    ada.walk_to(THERE).await;
    rig.spawner("spawn-1").signal(Signal::TERM);
    let reason = ada.sent_away(SOON).await;
    assert!(matches!(&reason, Reason::Told(why) if why.code == Code::Draining), "{reason}");
    assert!(rig.spawner("spawn-1").ended(SOON).await.success());
    rig.maps_up(0).await;
    assert!(rig.peers().await.spawners.is_empty());

    rig.start_spawner("spawn-2", "town");
    is_there(&ada).await;
}

#[tokio::test]
async fn everything_survives_a_restart_of_the_whole_cluster() {
    let mut rig = Rig::with_maps("town").await;
    let stays = rig.player_on_map("Stays").await;
    let logs_out = rig.player_on_map("Leaves").await;
    for player in [&stays, &logs_out] {
        player.walk_to(THERE).await;
    }
    logs_out.client.leave().await.unwrap();
    logs_out.back_to_central().await;
    logs_out.client.logout().await.unwrap();

    // In an operator's order: those who save before those they save with. Each says that it ended
    // well.
    for (id, mut spawner) in rig.spawners.drain(..) {
        spawner.signal(Signal::TERM);
        assert!(spawner.ended(SOON).await.success(), "{id}");
    }
    let mut central = rig.central.take().unwrap();
    central.signal(Signal::TERM);
    assert!(central.ended(SOON).await.success());
    rig.nats.kill();
    rig.redis.kill();

    rig.nats.restart();
    rig.redis.restart().await;
    rig.start_central().await;
    rig.start_spawner("spawn-1", "town");
    rig.maps_up(1).await;

    // Who was logged in still is; who logged out logs in.
    is_there(&stays).await;
    let back = rig.player("Leaves").await;
    assert_eq!(back.character, logs_out.character);
    is_there(&back).await;
    stays.sees("Leaves").await;
}

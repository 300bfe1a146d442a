//! A dungeon is started for whoever enters it, and ends when they have gone.

use std::time::Instant;

use harness::{Rig, SOON, other_players, until};
use protocol::{Position, backbone::maps::ListPeers};

#[tokio::test]
async fn a_player_enters_a_dungeon_of_its_own_comes_back_and_the_dungeon_ends() {
    let mut rig = Rig::with_central().await;
    let spawner = rig.spawner_program("spawn-1", "town,forest").env("MMO_INSTANCE_IDLE_S", "1");
    rig.start_spawner_as("spawn-1", spawner);
    rig.maps_up(2).await;
    let ada = rig.player_on_map("Ada").await;
    ada.warp_to("forest").await;
    // Straight to the portal there are trees.
    ada.walk_to(Position { x: 30.0, y: 16.0 }).await;
    let start = Instant::now();
    let dungeon = ada.warp_to("dungeon").await;
    println!("in a dungeon of its own after {:?}, the way to the portal included", start.elapsed());
    assert_eq!(dungeon.map.as_str(), "dungeon");
    assert!(other_players(&dungeon).is_empty());
    let maps = rig.maps_up(3).await;
    assert!(maps.iter().any(|map| map.map.as_str() == "dungeon" && map.spawner.is_some()));

    // Another one enters another one.
    let bob = rig.player_on_map("Bob").await;
    bob.warp_to("forest").await;
    bob.walk_to(Position { x: 30.0, y: 16.0 }).await;
    let his = bob.warp_to("dungeon").await;
    assert!(his.others.values().all(|other| other.name != "Ada"));
    assert_ne!(his.channel, dungeon.channel);

    // Who leaves the game in there comes back to where it went in.
    ada.client.leave().await.unwrap();
    bob.client.leave().await.unwrap();
    let there = ada.enter().await;
    assert_eq!(there.map.as_str(), "forest");
    assert!(there.position.distance(Position { x: 30.0, y: 12.0 }) < 3.0, "{:?}", there.position);
    let backbone = rig.backbone().await;
    until(SOON, "both dungeons to end", async || {
        let peers = backbone.call(&(), ListPeers {}).await.ok()?;
        peers.maps.iter().all(|map| map.map.as_str() != "dungeon").then_some(())
    })
    .await;
}

//! Who leaves while NATS is away is saved once it is back, and comes back to where it left:
//! nobody takes the character from the map that still holds what it could not save.

use std::time::{Duration, Instant};

use harness::Rig;
use protocol::Position;

/// Longer than the silence after which a server is taken for gone.
const OUTAGE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_step_taken_in_an_outage_is_not_lost_to_a_quick_return() {
    let mut rig = Rig::with_maps("town").await;
    let ada = rig.player_on_map("Ada").await;
    ada.walk_to(Position { x: 18.0, y: 14.0 }).await;

    rig.nats.kill();
    let start = Instant::now();
    let left_at = Position { x: 18.0, y: 10.0 };
    ada.walk_to(left_at).await;
    // The map cannot save now, and says so or says nothing; it keeps what it has.
    let _ = ada.client.leave().await;
    tokio::time::sleep(OUTAGE.saturating_sub(start.elapsed())).await;
    rig.nats.restart();

    let (_client, back) = ada.comes_back(&rig).await;
    println!("back on the map {:?} after the outage began", start.elapsed());
    assert!(back.position.distance(left_at) < 0.1, "back at {:?}", back.position);
}

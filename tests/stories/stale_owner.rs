//! A map hangs while somebody walks on it, and its player goes on elsewhere. When the map goes on,
//! what it would save is older than what is stored, and is refused.

use harness::{Rig, SOON, until};
use protocol::Position;
use rustix::process::Signal;

/// How often it happens.
const TIMES: usize = 3;

#[tokio::test]
async fn a_stale_copy_is_never_saved() {
    let mut rig = Rig::with_central().await;
    let often = rig.map_program("town-1", "town").args(["--save-every-s", "1"]);
    let stale = rig.start_map_as(often).await;
    let refusals =
        |rig: &Rig| rig.maps[stale].log().matches("this copy is dropped, unsaved").count();
    for time in 1..=TIMES {
        let ada = rig.player_on_map(&format!("Ada{time}")).await;
        // It hangs on the way, so that it has something newer to save when it goes on.
        ada.client.walk(Position { x: 18.0, y: 10.0 }).await.unwrap();
        rig.maps[stale].hang().await;

        rig.start_map("town-2", "town").await;
        let (elsewhere, around) = ada.comes_back(&rig).await;
        let left_at = Position { x: around.position.x, y: around.position.y + 2.0 };
        elsewhere.walk(left_at).await.unwrap();
        until(SOON, "the walk elsewhere", async || {
            let here = elsewhere.surroundings()?.position;
            (here.distance(left_at) < 0.1).then_some(())
        })
        .await;
        elsewhere.leave().await.unwrap();
        let mut other = rig.maps.pop().unwrap();
        other.signal(Signal::TERM);
        other.ended(SOON).await;

        rig.maps[stale].signal(Signal::CONT);
        until(SOON, "a refusal", async || (refusals(&rig) == time).then_some(())).await;
        let (again, here) = ada.comes_back(&rig).await;
        assert!(here.position.distance(left_at) < 0.1, "back at {:?}", here.position);
        again.leave().await.unwrap();
    }
    println!("stale copies that were refused: {} of {TIMES}", refusals(&rig));
}

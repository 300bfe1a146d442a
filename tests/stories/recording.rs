//! What happened on a map is written down, and runs again to the same end.

use std::{fs, path::Path};

use harness::{Program, Rig, SOON, program};
use protocol::Position;
use rustix::process::Signal;

async fn replay(file: &Path) -> (Option<i32>, String) {
    let folder = file.parent().unwrap();
    let replaying = Program::new("replay", program("map"), folder)
        .args(["replay", file.to_str().unwrap()])
        .run(SOON)
        .await;
    let (status, out, log) = replaying;
    (status.code(), format!("{out}{log}"))
}

#[tokio::test]
async fn a_recorded_map_runs_again_to_the_same_states() {
    let mut rig = Rig::with_central().await;
    let file = rig.folder().join("town.recording");
    let town = rig.map_program("town-1", "town").args(["--record", file.to_str().unwrap()]);
    let town = rig.start_map_as(town).await;
    let ada = rig.player_on_map("Ada").await;
    let bob = rig.player_on_map("Bob").await;
    ada.walk_to(Position { x: 17.0, y: 14.0 }).await;
    bob.client.say("well met").await.unwrap();
    bob.client.act(serde_json::json!({"no": "such action"})).await.unwrap();
    ada.client.leave().await.unwrap();
    rig.maps[town].signal(Signal::TERM);
    assert!(rig.maps[town].ended(SOON).await.success());

    let (status, said) = replay(&file).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(": the same") && !said.contains("ends inside"), "{said}");

    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 3]).unwrap();
    let (status, said) = replay(&file).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("ends inside of an entry"), "as after a crash: {said}");

    // The last state's hash is the last eight bytes or so: another one is another end.
    let mut other = whole;
    let last = other.len() - 2;
    other[last] ^= 1;
    fs::write(&file, &other).unwrap();
    let (status, said) = replay(&file).await;
    assert!(matches!(status, Some(1 | 2)), "{said}");

    fs::write(&file, "no recording").unwrap();
    let (status, said) = replay(&file).await;
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("no recording"), "{said}");
}

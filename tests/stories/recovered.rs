//! A map is told to end while nothing can be saved: what it holds goes into a file, and the next
//! Map Server that starts beside it saves that.

use std::{fs, path::Path, time::Duration};

use harness::{Player, Rig, SOON, until};
use protocol::{Code, Position};
use rustix::process::Signal;

/// The files with this ending in the folder for what could not be saved.
fn files(rig: &Rig, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(rig.folder().join("recovery")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// A map by hand, which gives up on saving soon after it was told to end.
async fn start_map(rig: &mut Rig) {
    let folder = rig.folder().join("recovery");
    let program = rig.map_program("town-1", "town").env("MMO_RECOVERY_DIR", folder);
    rig.start_map_as(program.args(["--drain-s", "4"])).await;
}

/// Ada walks while Central is away, and her map is told to end.
async fn a_map_that_ended_unsaved(rig: &mut Rig, left_at: Position) -> Player {
    start_map(rig).await;
    let ada = rig.player_on_map("Ada").await;
    rig.kill_central();
    ada.walk_to(left_at).await;
    let mut map = rig.maps.pop().unwrap();
    map.signal(Signal::TERM);
    map.ended(Duration::from_secs(15)).await;
    assert_eq!(files(rig, ".recovery.json").len(), 1);
    rig.start_central().await;
    ada
}

#[tokio::test]
async fn what_could_not_be_saved_is_saved_by_the_next_map_server() {
    let mut rig = Rig::empty().await;
    rig.start_central().await;
    let left_at = Position { x: 18.0, y: 10.0 };
    let ada = a_map_that_ended_unsaved(&mut rig, left_at).await;
    start_map(&mut rig).await;
    until(SOON, "the recovery", async || files(&rig, ".recovered.json").pop()).await;
    assert_eq!(files(&rig, ".recovery.json").len() + files(&rig, ".refused.json").len(), 0);
    let (_client, back) = ada.comes_back(&rig).await;
    assert!(back.position.distance(left_at) < 0.1, "back at {:?}", back.position);
}

#[tokio::test]
async fn whoever_has_gone_on_meanwhile_is_left_as_it_is_and_the_operator_finds_the_rest() {
    let mut rig = Rig::empty().await;
    rig.start_central().await;
    let ada = a_map_that_ended_unsaved(&mut rig, Position { x: 18.0, y: 10.0 }).await;
    // Somewhere else, where nobody knows of that file.
    let elsewhere = rig.folder().join("elsewhere");
    rig.start_map_as(rig.map_program("town-2", "town").env("MMO_RECOVERY_DIR", elsewhere)).await;
    let again = ada.comes_back(&rig).await;
    start_map(&mut rig).await;
    let refused = until(SOON, "the recovery", async || files(&rig, ".refused.json").pop()).await;
    let refused = fs::read_to_string(rig.folder().join("recovery").join(Path::new(&refused)));
    assert!(refused.unwrap().contains(Code::Fenced.as_str()));
    drop(again);
}

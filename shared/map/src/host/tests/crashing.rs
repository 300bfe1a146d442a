use std::panic::{AssertUnwindSafe, catch_unwind};

use world::recording;

use super::{committing::Bank, *};
use crate::{host::run::guarded, recorder::Shelves};

#[test]
fn a_game_that_panics_leaves_a_report_and_what_led_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let crashes = folder.path().join("crashes");
    let mut bank = Rig::<Bank>::on(server("town-1", "town"), town());
    let shelves = Shelves { record: None, crashes: crashes.clone() };
    bank.host.recorder = Recorder::begin(shelves, &bank.host.stage, bank.now).unwrap();
    let ada = bank.player_with(serde_json::json!(5));
    bank.ticks(20 * 61);
    assert!(!crashes.exists());

    let action = serde_json::json!(13);
    let now = bank.now;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        guarded(&mut bank.host, |host| {
            host.input(ada.entity, PlayInput::Act { action, seq: 0 }, now);
        });
    }));
    assert!(panicked.is_err(), "the panic goes on");

    let files = std::fs::read_dir(&crashes).unwrap().map(|file| file.unwrap().path());
    let (reports, mut recordings): (Vec<_>, Vec<_>) =
        files.partition(|path| path.extension().is_some_and(|ending| ending == "txt"));
    let report = std::fs::read_to_string(&reports[0]).unwrap();
    assert!(
        report.contains("tick 1220: ")
            && report.contains("unlucky")
            && report.contains("map replay"),
        "{report}"
    );
    recordings.sort();
    assert_eq!(recordings.len(), 5, "the minute before, and what had begun");

    let plan = Arc::new(town());
    let run = |path: &std::path::Path| {
        let mut from = &std::fs::read(path).unwrap()[..];
        let header = recording::read_header(&mut from).unwrap();
        recording::replay::<Bank>(plan.clone(), &header, &mut from).unwrap()
    };
    for quarter in &recordings[..4] {
        let quarter = run(quarter);
        assert!((300..=301).contains(&quarter.ticks), "{quarter:?}");
    }
    let again = catch_unwind(AssertUnwindSafe(|| run(&recordings[4])));
    assert!(again.is_err(), "what led to it leads to it again");
}

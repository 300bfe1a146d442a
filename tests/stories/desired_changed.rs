//! What is meant to run: told by a file, changed over NATS, kept when Central starts again, until
//! the file is changed. A file that cannot be used is refused with what is wrong with it.

use std::{fs, path::PathBuf};

use harness::{Program, Rig, SOON};
use protocol::{
    Code,
    backbone::desired::{Desired, DesiredMap, DesiredState, GetDesired, SetDesired},
};

fn file(rig: &Rig) -> PathBuf {
    rig.folder().join("cluster.toml")
}

fn central(rig: &Rig) -> Program {
    rig.central_program().arg("--desired").arg(file(rig))
}

async fn start(rig: &mut Rig) {
    rig.central = None; // ends it, if there is one
    let program = central(rig);
    rig.start_central_as(program).await;
}

fn maps(names: &[&str]) -> Desired {
    let one: DesiredMap = serde_json::from_str("{}").unwrap();
    let maps = names.iter().map(|name| (name.parse().unwrap(), one.clone()));
    Desired { maps: maps.collect(), ..Desired::default() }
}

async fn desired(rig: &Rig) -> DesiredState {
    rig.backbone().await.call(&(), GetDesired {}).await.unwrap()
}

#[tokio::test]
async fn a_change_over_nats_outlives_central_and_a_changed_file_outdoes_it() {
    let mut rig = Rig::empty().await;
    fs::write(file(&rig), "[maps.town]\n").unwrap();
    start(&mut rig).await;
    let told = DesiredState { revision: 1, desired: maps(&["town"]) };
    assert_eq!(desired(&rig).await, told);

    // Who has not seen the last change is refused, and told of it.
    let operator = rig.backbone().await;
    let set = async |desired: Desired, revision| {
        operator.call(&(), SetDesired { desired, revision }).await
    };
    let changed = DesiredState { revision: 2, desired: maps(&["town", "forest"]) };
    assert_eq!(set(changed.desired.clone(), Some(1)).await.unwrap(), changed);
    let refused = set(maps(&[]), Some(1)).await.unwrap_err();
    assert!(refused.code == Code::Fenced && refused.message.contains("revision 2"), "{refused}");
    let mut nonsense = maps(&["town"]);
    nonsense.maps.values_mut().for_each(|map| map.max_channels = 0);
    let refused = set(nonsense, None).await.unwrap_err();
    assert!(refused.code == Code::NotAllowed && refused.message.contains("maps.town"), "{refused}");
    assert_eq!(desired(&rig).await, changed);

    // Neither a planned end nor a crash loses it, and the file is not taken twice.
    start(&mut rig).await;
    assert_eq!(desired(&rig).await, changed);
    rig.kill_central();
    start(&mut rig).await;
    assert_eq!(desired(&rig).await, changed);
    // Nor is a file needed.
    rig.central = None;
    rig.start_central().await;
    assert_eq!(desired(&rig).await, changed);

    fs::write(file(&rig), "[maps.cave]\n").unwrap();
    start(&mut rig).await;
    assert_eq!(desired(&rig).await, DesiredState { revision: 3, desired: maps(&["cave"]) });
}

#[tokio::test]
async fn nothing_is_meant_to_run_until_somebody_types_it() {
    let rig = Rig::with_central().await;
    assert_eq!(desired(&rig).await, DesiredState::default());
    let typed = rig.typed("cluster.desire", r#"{"desired":{"maps":{"town":{}}}}"#).await.unwrap();
    assert_eq!(typed["revision"], 1);
    assert_eq!(desired(&rig).await.desired, maps(&["town"]));
    let refused = rig.typed("cluster.desire", r#"{"desired":{"map":{}}}"#).await.unwrap_err();
    assert!(refused.starts_with("malformed: ") && refused.contains("map"), "{refused}");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_with_its_line_and_what_to_do() {
    let rig = Rig::empty().await;
    for (text, line, says) in [
        (Some("[maps.town]\nmin_chanels = 2\n"), "line 2", "min_chanels"),
        (Some("[maps.town]\nmin_channels = \n"), "line 2", "correct the file"),
        (Some("\n[maps.town]\nmin_channels = 3\n"), "line 2", "max_channels is 1"),
        (None, "cannot read", "`desired`"),
    ] {
        match text {
            Some(text) => fs::write(file(&rig), text).unwrap(),
            None => fs::remove_file(file(&rig)).unwrap(),
        }
        let (status, out, log) = central(&rig).run(SOON).await;
        assert_eq!(status.code(), Some(2), "{log}");
        let said = log.lines().rfind(|said| said.contains("ERROR")).unwrap();
        println!("{said}");
        let path = file(&rig).display().to_string();
        for word in [&path, line, says] {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
        assert!(out.is_empty(), "it was never ready");
    }
}

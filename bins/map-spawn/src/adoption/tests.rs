use std::process::{Command, Stdio};

use super::*;

/// A process that waits to be ended, and reaps nothing.
fn sleeper() -> std::process::Child {
    Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn a_process_is_told_to_end_and_its_end_is_seen() {
    for sign in [Sign::Term, Sign::Kill] {
        let mut process = sleeper();
        let handle = Handle::open(process.id()).unwrap();
        assert!(!handle.is_over());
        let (signs, heard) = mpsc::channel(1);
        let (reports, mut reported) = mpsc::channel(1);
        let server: ServerId = "s-town-1".parse().unwrap();
        let watching = tokio::spawn(watch_orphan(server.clone(), handle, heard, reports));
        signs.send(sign).await.unwrap();
        let end = timeout(Duration::from_secs(5), reported.recv()).await.unwrap().unwrap();
        assert!(matches!(end, Event::Ended { server: it, how } if it == server && how == ENDED));
        watching.await.unwrap();
        process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_process_that_has_ended_is_over_and_one_that_never_was_cannot_be_held() {
    let mut process = sleeper();
    let handle = Handle::open(process.id()).unwrap();
    process.kill().unwrap();
    handle.ended().await.unwrap();
    assert!(handle.is_over(), "it was not even reaped");
    process.wait().unwrap();
    assert!(handle.is_over());
    handle.send(Sign::Term).unwrap_err();
    Handle::open(process.id()).unwrap_err();
    assert!(Handle::open(0).is_err() && Handle::open(u32::MAX).is_err());
}

#[test]
fn the_process_table_shows_how_a_process_was_started() {
    let mut process = Command::new("sleep").arg("600").env("FOR_A_TEST", "yes").spawn().unwrap();
    let is_it = |seen: &table::Seen| {
        seen.args == ["sleep", "600"] && seen.environment.iter().any(|e| e == "FOR_A_TEST=yes")
    };
    let seen = table::processes().into_iter().find(|seen| seen.pid == process.id());
    assert!(seen.as_ref().is_some_and(is_it), "{seen:?}");
    assert!(table::process(process.id()).is_some_and(|seen| is_it(&seen)));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(table::process(process.id()).is_none());
}

//! Journeys through a small world: the whole way, side by side, and through each of its faults.

use std::time::Duration;

use protocol::frame::Encoding;
use serde_json::Value;

use super::{Plan, go, report::Report};
use crate::world::{Fault, World};

fn plan(name: &str) -> Plan {
    Plan {
        account: name.to_ascii_lowercase(),
        password: "correct horse".to_owned(),
        character: Some(name.to_owned()),
        meet: None,
        channel: None,
        deadline: Duration::from_secs(10),
        meet_deadline: Duration::from_secs(10),
    }
}

/// Goes, and gives each step as it was told, and whether all held.
async fn told(world: &World, encoding: Encoding, plan: &Plan) -> (Vec<Value>, bool) {
    let mut out = Vec::new();
    let mut report = Report::new(&mut out, true);
    let held = Box::pin(go(world.config(encoding), plan, &mut report)).await.is_ok();
    let text = String::from_utf8(out).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), held)
}

fn names(steps: &[Value]) -> Vec<&str> {
    steps.iter().map(|step| step["step"].as_str().unwrap()).collect()
}

const WAY: [&str; 13] = [
    "connect",
    "register",
    "character",
    "maps",
    "select",
    "enter",
    "walk",
    "say",
    "warp",
    "return",
    "leave",
    "validate",
    "logout",
];

#[tokio::test]
async fn a_journey_goes_the_whole_way_in_both_encodings() {
    for encoding in [Encoding::Json, Encoding::Msgpack] {
        let world = World::start(Fault::None).await;
        let (steps, held) = told(&world, encoding, &plan("Ada")).await;
        assert!(held, "{steps:#?}");
        assert_eq!(names(&steps), WAY);
        let map = |step: usize| steps[step]["map"].as_str().unwrap();
        assert_eq!([map(5), map(8), map(9)], ["town", "field", "town"]);
        assert!(steps[6]["moves"].as_u64().unwrap() > 1);
    }
}

#[tokio::test]
async fn a_second_journey_logs_in_and_picks_the_character() {
    let world = World::start(Fault::None).await;
    assert!(told(&world, Encoding::Msgpack, &plan("Ada")).await.1);
    let (steps, held) =
        told(&world, Encoding::Msgpack, &Plan { character: None, ..plan("Ada") }).await;
    assert!(held, "{steps:#?}");
    assert_eq!(names(&steps)[..4], ["connect", "register", "login", "character"]);
    assert_eq!(
        (&steps[1]["created"], &steps[3]["created"]),
        (&Value::from(false), &Value::from(false))
    );
    let wrong = Plan { password: "wrong horse".to_owned(), ..plan("Ada") };
    let (steps, held) = told(&world, Encoding::Msgpack, &wrong).await;
    assert!(!held);
    assert_eq!(steps.last().unwrap()["error"]["code"], "bad_credentials");
}

#[tokio::test]
async fn two_journeys_meet_and_hear_each_other() {
    let world = World::start(Fault::None).await;
    let ada = Plan { meet: Some("Bob".to_owned()), ..plan("Ada") };
    let bob = Plan { meet: Some("Ada".to_owned()), ..plan("Bob") };
    let (ada, bob) =
        tokio::join!(told(&world, Encoding::Json, &ada), told(&world, Encoding::Msgpack, &bob));
    for ((steps, held), other) in [(ada, "Bob"), (bob, "Ada")] {
        assert!(held, "{steps:#?}");
        let hear = steps.iter().find(|step| step["step"] == "hear").unwrap();
        assert_eq!(hear["text"], format!("hello from {other}"));
    }
}

#[tokio::test]
async fn each_fault_of_the_world_breaks_the_step_that_checks_it() {
    for (fault, step, code) in [
        (Fault::Deaf, "say", "deadline_passed"),
        (Fault::Frozen, "walk", "deadline_passed"),
        (Fault::Crash, "walk", "disconnected"),
        (Fault::WarpRefused, "warp", "no_server"),
        (Fault::WarpAstray, "warp", "unexpected"),
        (Fault::NotSaved, "validate", "unexpected"),
        (Fault::TokenKept, "logout", "unexpected"),
    ] {
        let world = World::start(fault).await;
        let plan = Plan { deadline: Duration::from_millis(700), ..plan("Ada") };
        let (steps, held) = told(&world, Encoding::Msgpack, &plan).await;
        let last = steps.last().unwrap();
        assert!(!held, "{fault:?} went unnoticed");
        assert_eq!(
            (&last["step"], &last["error"]["code"]),
            (&Value::from(step), &Value::from(code)),
            "{fault:?}: {last}"
        );
        assert_eq!(last["ok"], false);
    }
}

#[tokio::test]
async fn nobody_to_meet_is_a_step_that_fails_in_time() {
    let world = World::start(Fault::None).await;
    let lonely = Plan {
        meet: Some("Bob".to_owned()),
        meet_deadline: Duration::from_millis(100),
        ..plan("Ada")
    };
    let (steps, held) = told(&world, Encoding::Json, &lonely).await;
    let last = steps.last().unwrap();
    assert!(!held);
    assert_eq!(
        (&last["step"], &last["error"]["code"]),
        (&"meet".into(), &"deadline_passed".into())
    );
}

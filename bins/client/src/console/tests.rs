//! Sessions by hand in a small world.

use std::time::Duration;

use protocol::frame::Encoding;
use tokio::{sync::mpsc, time::timeout};

use super::Console;
use crate::world::{Fault, World};

/// What is printed for these lines, and then the end of the input.
async fn session(world: &World, lines: &[&str]) -> String {
    let (send, receive) = mpsc::channel(lines.len());
    for line in lines {
        send.send(Ok((*line).to_owned())).await.unwrap();
    }
    drop(send);
    let mut console = Console::new(world.config(Encoding::Json), Vec::new());
    timeout(Duration::from_secs(10), console.run(receive)).await.unwrap().unwrap();
    String::from_utf8(console.out).unwrap()
}

/// Whether these texts stand in the other one, in this order.
fn assert_story(printed: &str, parts: &[&str]) {
    let mut rest = printed;
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("`{part}` is missing or too early in:\n{printed}"));
        rest = &rest[at + part.len()..];
    }
}

#[tokio::test]
async fn a_pipe_plays_and_leaves_at_its_end() {
    let world = World::start(Fault::None).await;
    let printed = session(
        &world,
        &[
            "register ada correct horse",
            "create Ada",
            "select ada",
            "say hello",
            "who",
            "portal",
            "wait 0.5",
        ],
    )
    .await;
    let story = [
        "connected to Central",
        "logged in",
        "Ada is on town",
        "on town",
        "a portal at 10.0 3.0 leads to field",
        "walking to the portal to field",
        "* you at",
        "warping to field",
        "on field",
        "disconnected from the map field: this client left",
    ];
    assert_story(&printed, &story);
    assert_story(&printed, &["* Ada: hello"]);
}

#[tokio::test]
async fn the_session_goes_on_after_leaving_a_map() {
    let world = World::start(Fault::None).await;
    let lines =
        ["register ada correct horse", "create Ada", "select Ada", "leave", "characters", "logout"];
    assert_story(
        &session(&world, &lines).await,
        &["left", "logged in", "Ada on town", "logged out"],
    );
}

#[tokio::test]
async fn errors_say_what_to_do_and_the_session_goes_on() {
    let world = World::start(Fault::None).await;
    let printed = session(
        &world,
        &["dance", "say hello", "login ada wrong", "who", "quit", "register never reached"],
    )
    .await;
    let story = ["! no order", "! not connected", "! bad_credentials", "! you are on no map"];
    assert_story(&printed, &story);
    assert!(!printed.contains("logged in"), "{printed}");
}

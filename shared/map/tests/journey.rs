//! Map Servers in this process over a real NATS server and a real Redis, with a Central that
//! keeps its characters in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test are a test too"
)]

mod journey {
    pub(crate) mod backends;
    pub(crate) mod central;
    pub(crate) mod world;
}

use std::time::Duration;

use journey::world::World;
use protocol::{
    Code, ConnectionKey, Position,
    play::{PlayInput, PlayMessage},
};

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

const PORTAL: Position = Position { x: 26.0, y: 15.0 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_enters_is_seen_warps_and_leaves_and_its_state_follows() {
    let world = World::new().await;
    let town = world.start("town-1", "town").await;
    let forest = world.start("forest-1", "forest").await;
    let (ada, bob) = (world.central.create("Ada", "town"), world.central.create("Bob", "town"));
    let mut ada_here = world.enter(&ada, &town).await.unwrap();
    let mut bob_here = world.enter(&bob, &town).await.unwrap();
    ada_here
        .until(|message| matches!(message, PlayMessage::Appeared { sights } if sights[0].name == "Bob"))
        .await;
    bob_here.say(PlayInput::Say { text: "hello".to_owned() }).await;
    ada_here
        .until(|message| matches!(message, PlayMessage::Said { text, .. } if text == "hello"))
        .await;

    ada_here.say(PlayInput::Walk { to: PORTAL, seq: 0 }).await;
    let warp = ada_here.until(|message| matches!(message, PlayMessage::WarpTo { .. })).await;
    let PlayMessage::WarpTo { connection } = warp else { unreachable!() };
    assert_eq!((connection.server.as_str(), connection.port), ("forest-1", forest.port()));
    ada_here.ended().await;
    bob_here.until(|message| matches!(message, PlayMessage::Vanished { .. })).await;
    let mut ada_there = world.arrive(&ada, &connection).await.unwrap();
    let PlayMessage::Entered { map, position, .. } = &ada_there.entered else { unreachable!() };
    assert_eq!((map.as_str(), *position), ("forest", at(8.0, 20.0)));
    let again = world.arrive(&ada, &connection).await.err().unwrap();
    assert_eq!(again.code, Code::TicketInvalid, "a ticket admits once");

    ada_there.say(PlayInput::Leave).await;
    let goodbye = ada_there.until(|message| matches!(message, PlayMessage::Goodbye { .. })).await;
    assert_eq!(goodbye, PlayMessage::Goodbye { failure: None });
    let row = world.central.row(&ada);
    assert_eq!((row.owner, row.state.map.as_str()), (None, "forest"));
    drop(bob_here); // its link is lost: saved and released all the same
    world.until("Bob is released", || world.central.row(&bob).owner.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_enters_without_the_right_key_token_and_ticket() {
    let world = World::new().await;
    let town = world.start("town-1", "town").await;
    let ada = world.central.create("Ada", "town");
    let seat = world.select(&ada, &town).await;
    let mut wrong = seat.clone();
    wrong.connection_key = ConnectionKey::from_bytes([9; 32]);
    assert_eq!(world.arrive(&ada, &wrong).await.err().unwrap().code, Code::KeyInvalid);
    let mut stranger = ada.clone();
    stranger.forged = Some(protocol::AccessToken::from_bytes([9; 32]));
    assert_eq!(world.arrive(&stranger, &seat).await.err().unwrap().code, Code::TokenInvalid);
    let failure = world.first_words(&seat, &PlayInput::Leave).await;
    assert_eq!(failure.code, Code::WrongState);
    let mut ada_here = world.arrive(&ada, &seat).await.unwrap();

    world.end_session(&ada).await;
    let goodbye = ada_here.until(|message| matches!(message, PlayMessage::Goodbye { .. })).await;
    assert!(
        matches!(&goodbye, PlayMessage::Goodbye { failure: Some(f) } if f.code == Code::LoggedOut),
        "{goodbye:?}"
    );
    assert_eq!(world.central.row(&ada).owner, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_central_is_away_play_goes_on_and_what_is_unsaved_is_saved_when_it_is_back() {
    let mut world = World::new().await;
    let town = world.start("town-1", "town").await;
    let ada = world.central.create("Ada", "town");
    let mut ada_here = world.enter(&ada, &town).await.unwrap();
    ada_here.say(PlayInput::Walk { to: at(20.0, 14.0), seq: 0 }).await;
    let saved = |world: &World, y| world.central.row(&ada).state.position == Some(at(20.0, y));
    world.until("the autosave came", || saved(&world, 14.0)).await;

    world.central.go().await;
    ada_here.say(PlayInput::Walk { to: PORTAL, seq: 0 }).await;
    let asked = tokio::time::Instant::now() + Duration::from_secs(2); // the walk takes 1.1 s
    let refused =
        ada_here.until(|message| matches!(message, PlayMessage::WarpRefused { .. })).await;
    assert!(tokio::time::Instant::now() < asked + Duration::from_secs(2));
    assert!(matches!(&refused, PlayMessage::WarpRefused { failure, .. } if failure.retry));
    ada_here.say(PlayInput::Walk { to: at(20.0, 10.0), seq: 0 }).await;
    ada_here.until(|message| matches!(message, PlayMessage::Snapshot { view } if view.moves[0].position == at(20.0, 10.0))).await;
    ada_here.say(PlayInput::Leave).await;
    let goodbye = ada_here.until(|message| matches!(message, PlayMessage::Goodbye { .. })).await;
    assert!(
        matches!(&goodbye, PlayMessage::Goodbye { failure: Some(f) } if f.code == Code::Unavailable)
    );

    world.central.come_back().await;
    world.until("what was left is saved", || saved(&world, 10.0)).await;
    world.until("it is released", || world.central.row(&ada).owner.is_none()).await;
    world.until("the server is registered again", || world.central.knows("town-1")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_saves_everybody_says_goodbye_and_leaves_the_cluster() {
    let world = World::new().await;
    let town = world.start("town-1", "town").await;
    let (ada, bob) = (world.central.create("Ada", "town"), world.central.create("Bob", "town"));
    let mut ada_here = world.enter(&ada, &town).await.unwrap();
    world.select(&bob, &town).await; // and never comes
    let ended = tokio::spawn(town.drain());
    let goodbye = ada_here.until(|message| matches!(message, PlayMessage::Goodbye { .. })).await;
    assert!(
        matches!(&goodbye, PlayMessage::Goodbye { failure: Some(f) } if f.code == Code::Draining)
    );
    ada_here.ended().await;
    ended.await.unwrap();
    assert_eq!((world.central.row(&ada).owner, world.central.row(&bob).owner), (None, None));
    assert!(!world.central.knows("town-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_nats_and_redis_players_play_on_and_everything_resumes_by_itself() {
    let mut world = World::new().await;
    let town = world.start("town-1", "town").await;
    let (ada, bob) = (world.central.create("Ada", "town"), world.central.create("Bob", "town"));
    let mut ada_here = world.enter(&ada, &town).await.unwrap();
    let mut bob_here = world.enter(&bob, &town).await.unwrap();
    world.backends.kill();
    world.until("it is not ready", || !town.is_ready()).await;
    let at_portal = at(25.0, 15.0);
    ada_here.say(PlayInput::Walk { to: at_portal, seq: 0 }).await;
    let asked = tokio::time::Instant::now();
    let is_refusal = |message: &PlayMessage| matches!(message, PlayMessage::WarpRefused { .. });
    let refused = ada_here.until(is_refusal).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "1 s of walking and at most 2 of waiting");
    assert!(matches!(&refused, PlayMessage::WarpRefused { failure, .. } if failure.retry));
    ada_here.say(PlayInput::Say { text: "still here".to_owned() }).await;
    bob_here.until(|message| matches!(message, PlayMessage::Said { .. })).await;

    world.backends.restart();
    world.until("it is ready", || town.is_ready()).await;
    bob_here.say(PlayInput::Leave).await;
    world.until("Bob is saved", || world.central.row(&bob).owner.is_none()).await;
    // Redis has lost its sessions, and the sweep writes Ada's down again: she plays on.
    world.until_known(&ada).await;
    ada_here.say(PlayInput::Ping { nonce: 7 }).await;
    ada_here.until(|message| matches!(message, PlayMessage::Pong { nonce: 7 })).await;
    ada_here.say(PlayInput::Leave).await;
    world.until("Ada is saved", || world.central.row(&ada).owner.is_none()).await;
    assert!(world.central.row(&ada).state.position.unwrap().distance(at_portal) < 0.5);
}

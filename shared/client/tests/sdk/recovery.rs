//! A lost connection with a Map Server, and the way back.

use client::{ClientError, ClientEvent, Events, Reason, Server};
use protocol::{
    Code, Failure, Position, ResumeTicket,
    play::{Arrival, PlayInput, PlayMessage},
};

use crate::server::{Scene, next};

/// Longer than any of these tests.
const GRACE_MS: u64 = 30_000;

fn in_town() -> Server {
    Server::Map("town".parse().unwrap())
}

async fn link_lost(events: &mut Events) -> Reason {
    match next(events).await {
        ClientEvent::LinkLost { from, reason } if from == in_town() => reason,
        other => panic!("{other:?}"),
    }
}

async fn disconnected(events: &mut Events) -> Reason {
    match next(events).await {
        ClientEvent::Disconnected { from, reason } if from == in_town() => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_again_with_the_last_resume_ticket() {
    let Scene { client, mut events, mut town, map, .. } = Scene::in_town_for(GRACE_MS).await;
    let session = client.session().unwrap();
    for _ in 0..2 {
        drop(town);
        assert!(matches!(link_lost(&mut events).await, Reason::Lost(_)));
        town = map.guest().await;
        let walk = client.walk(Position { x: 1.0, y: 1.0 }).await;
        assert!(matches!(walk, Err(ClientError::WrongState(_))), "{walk:?}");
        let arrival = town.admit_for("town", "field", GRACE_MS).await;
        let Arrival::Resume { account, access_token, connection_key, resume_ticket, .. } = arrival
        else {
            panic!("{arrival:?}")
        };
        assert_eq!((account, access_token), (session.account, session.access_token.clone()));
        assert_eq!(connection_key, map.connection("town").connection_key);
        assert_eq!(resume_ticket, ResumeTicket::from_bytes([5; 32]));
        let ClientEvent::Resumed(around) = next(&mut events).await else { panic!("not back") };
        assert_eq!((client.surroundings(), client.server()), (Some(*around), Some(in_town())));
        client.say("back").await.unwrap();
        assert_eq!(town.heard::<PlayInput>().await, PlayInput::Say { text: "back".into() });
    }
}

#[tokio::test]
async fn what_passes_is_waited_for_and_a_refusal_is_told() {
    let Scene { client, mut events, town, map, .. } = Scene::in_town_for(GRACE_MS).await;
    drop(town);
    link_lost(&mut events).await;
    for code in [Code::Unavailable, Code::TicketInvalid] {
        let mut there = map.guest().await;
        there.heard::<Arrival>().await;
        let failure = Some(Failure::new(code, "as it is"));
        there.tell(&PlayMessage::Goodbye { failure }).await;
        there.0.close().await;
    }
    let told = Reason::Told(Failure::new(Code::TicketInvalid, "as it is"));
    assert_eq!(disconnected(&mut events).await, told);
    assert!(client.session().is_some(), "the player can connect and select again");
}

#[tokio::test]
async fn a_server_that_has_ended_is_tried_once() {
    let Scene { client: _client, mut events, town, map, .. } = Scene::in_town_for(GRACE_MS).await;
    drop((map, town));
    let why = link_lost(&mut events).await;
    assert_eq!(disconnected(&mut events).await, why, "how it was lost, not that nobody is there");
}

#[tokio::test]
async fn a_goodbye_gibberish_and_a_server_that_does_not_wait_are_final() {
    let busy = Failure::new(Code::Busy, "your connection is too slow for this map");
    let Scene { client: _client, mut events, mut town, .. } = Scene::in_town_for(GRACE_MS).await;
    town.tell(&PlayMessage::Goodbye { failure: Some(busy.clone()) }).await;
    assert_eq!(disconnected(&mut events).await, Reason::Told(busy));

    let Scene { client: _client, mut events, mut town, .. } = Scene::in_town_for(GRACE_MS).await;
    town.tell(&"gibberish").await;
    assert!(disconnected(&mut events).await.to_string().contains("cannot read"));

    let Scene { client: _client, mut events, town, .. } = Scene::in_town_for(0).await;
    drop(town);
    disconnected(&mut events).await;
}

#[tokio::test]
async fn the_way_back_ends_with_the_grace_or_when_the_player_leaves() {
    // Somebody listens, and never answers.
    let Scene { client: _client, mut events, town, map: _map, .. } = Scene::in_town_for(700).await;
    drop(town);
    let why = link_lost(&mut events).await;
    assert_eq!(disconnected(&mut events).await, why);

    let Scene { client, mut events, town, map: _map, .. } = Scene::in_town_for(GRACE_MS).await;
    drop(town);
    let why = link_lost(&mut events).await;
    assert_eq!(client.leave().await, Err(ClientError::Disconnected(why.clone())));
    assert_eq!(disconnected(&mut events).await, why);
}

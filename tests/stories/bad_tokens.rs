//! Entering needs three proofs: the key says which life of which server, the token says who, the
//! ticket says which seat. Each one is refused by its own name, and costs its owner nothing.

use std::time::Instant;

use client::{Client, Events, Session};
use harness::{Player, Recorder, Rig, SOON, signal_process, until};
use protocol::{AccessToken, Code, ConnectionInfo, secret::SECRET_BYTES};
use rustix::process::Signal;

/// Somebody who shows this login wherever it goes, rightful or not.
async fn pretender(rig: &Rig, session: &Session) -> (Client, Events) {
    let (client, events) = rig.client();
    client.connect().await.unwrap();
    let Session { account, access_token } = session.clone();
    client.validate(account, access_token).await.unwrap();
    client.leave().await.unwrap();
    (client, events)
}

/// The code with which an entry is refused.
async fn refusal(client: &Client, of: &Player, seat: &ConnectionInfo) -> Option<Code> {
    client.enter_as(of.character.character, seat).await.unwrap_err().code()
}

#[tokio::test]
async fn a_token_that_is_wrong_or_another_accounts_proves_nothing() {
    let rig = Rig::with_maps("town").await;
    let (ada, eve) = (rig.player("Ada").await, rig.player("Eve").await);
    let made_up = AccessToken::from_bytes([7; SECRET_BYTES]);
    let (client, _events) = rig.client();
    client.connect().await.unwrap();
    for token in [made_up.clone(), eve.session.access_token.clone()] {
        let refused = client.validate(ada.session.account, token).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::TokenInvalid));
    }

    // Whoever knows the seat, and even the ticket, does not take it without the token.
    let seat = ada.seat().await;
    let address = format!("{}:{}", seat.address, seat.port);
    for access_token in [made_up, eve.session.access_token.clone()] {
        let session = Session { account: ada.session.account, access_token };
        let role = protocol::frame::Role::Map;
        let mut raw = harness::Raw::welcomed(&address, role, Default::default()).await;
        raw.say(&harness::raw::arrival(&session, ada.character.character, &seat)).await;
        let word = raw.last_word(SOON).await;
        let protocol::play::PlayMessage::Goodbye { failure: Some(failure) } = word else {
            panic!("{word:?}")
        };
        assert_eq!(failure.code, Code::TokenInvalid, "{failure}");
    }
    // With her own token Eve is not Ada either.
    eve.client.leave().await.unwrap();
    assert_eq!(refusal(&eve.client, &ada, &seat).await, Some(Code::TicketInvalid));

    ada.client.enter(&seat).await.expect("the seat is still kept for its owner");
}

#[tokio::test]
async fn a_token_that_was_not_used_for_too_long_has_expired() {
    let ttl = ["--session-ttl-s", "10"];
    let mut rig = Rig::empty().await;
    rig.start_central_as(rig.central_program().args(ttl)).await;
    let map = rig.map_program("town-1", "town").args(ttl).args(["--seat-kept-s", "60"]);
    rig.maps.push(map.start());
    rig.maps_up(1).await;
    // Cleo plays, Ada is on the way to the map, Bob is connected to Central and says nothing.
    let cleo = rig.player_on_map("Cleo").await;
    let (ada, mut bob) = (rig.player("Ada").await, rig.player("Bob").await);
    let seat = ada.seat().await;
    let start = Instant::now();
    until(SOON, "two sessions' end", async || {
        let ada = rig.redis.has_session(ada.session.account).await;
        let bob = rig.redis.has_session(bob.session.account).await;
        (!ada && !bob).then_some(())
    })
    .await;
    println!("expired after {:?}", start.elapsed());

    assert_eq!(refusal(&ada.client, &ada, &seat).await, Some(Code::TokenInvalid));
    ada.client.connect().await.unwrap();
    let Session { account, access_token } = ada.session.clone();
    let refused = ada.client.validate(account, access_token).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::TokenInvalid));
    assert!(refused.to_string().contains("log in again"), "{refused}");

    let refused = bob.client.list_characters().await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::TokenInvalid));
    bob.sent_away(SOON).await;

    // To play is to use it.
    cleo.client.ping().await.unwrap();
    assert!(rig.redis.has_session(cleo.session.account).await);
}

#[tokio::test]
async fn a_ticket_is_good_for_one_entry() {
    let rig = Rig::with_maps("town").await;
    let ada = rig.player("Ada").await;
    let seat = ada.seat().await;
    ada.client.enter(&seat).await.unwrap();

    // While she plays: a thief with all three of her proofs comes too late.
    let (thief, _events) = pretender(&rig, &ada.session).await;
    assert_eq!(refusal(&thief, &ada, &seat).await, Some(Code::TicketInvalid));
    ada.client.ping().await.unwrap();

    // And after she has left.
    ada.client.leave().await.unwrap();
    let refused = ada.client.enter(&seat).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::TicketInvalid));
    assert!(refused.to_string().contains("select again"), "{refused}");
    ada.enter().await;
}

#[tokio::test]
async fn a_ticket_is_good_for_its_own_character_only() {
    let rig = Rig::with_maps("town").await;
    let ada = rig.player("Ada").await;
    let second = ada.client.create_character("Ada Two").await.unwrap();
    let first_seat = ada.seat().await;
    ada.back_to_central().await;
    let second_seat = ada.client.select(second.character, None).await.unwrap();

    let swapped = ada.client.enter_as(second.character, &first_seat).await.unwrap_err();
    assert_eq!(swapped.code(), Some(Code::TicketInvalid));
    assert_eq!(refusal(&ada.client, &ada, &second_seat).await, Some(Code::TicketInvalid));

    // Neither seat was lost by it.
    let (client, _events) = pretender(&rig, &ada.session).await;
    client.enter_as(second.character, &second_seat).await.unwrap();
    ada.client.enter_as(ada.character.character, &first_seat).await.unwrap();
}

#[tokio::test]
async fn a_key_of_a_dead_map_server_is_refused_by_its_successor_on_the_same_port() {
    let mut rig = Rig::with_central().await;
    let port = harness::quiet_port();
    let spawner = rig.spawner_program("spawn-1", "town").args(["--ports", &port.to_string()]);
    rig.spawners.push(("spawn-1".to_owned(), spawner.start()));
    let before = rig.maps_up(1).await.remove(0);
    assert_eq!(before.port, port);

    let ada = rig.player("Ada").await;
    let old = ada.seat().await;
    signal_process(rig.map_process("spawn-1", before.server.as_str()).await, Signal::KILL);
    let after = until(SOON, "its next life", async || {
        let map = rig.peers().await.maps.into_iter().next()?;
        (map.incarnation != before.incarnation).then_some(map)
    })
    .await;
    assert_eq!((after.server, after.port), (before.server, before.port));

    let refused = ada.client.enter(&old).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::KeyInvalid));
    assert!(refused.to_string().contains("select again"), "{refused}");
    let seat = ada.seat().await;
    assert_eq!(seat.port, old.port);
    // The new ticket does not help the old key.
    let mixed = ConnectionInfo { connection_key: old.connection_key, ..seat.clone() };
    let refused = ada.client.enter(&mixed).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::KeyInvalid));
    ada.client.enter(&seat).await.unwrap();
}

#[tokio::test]
async fn a_seat_that_nobody_takes_expires_and_gives_the_character_up() {
    let mut rig = Rig::with_central().await;
    rig.maps.push(rig.map_program("town-1", "town").args(["--seat-kept-s", "1"]).start());
    rig.maps_up(1).await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let ada = rig.player("Ada").await;
    let seat = ada.seat().await;
    assert_eq!(seat.seat_kept_ms, 1000);

    let hers =
        |body: &serde_json::Value| body["character"] == serde_json::json!(ada.character.character);
    let (at, _) = heard.next(0, "characters.abandon", hers).await;
    assert_eq!(refusal(&ada.client, &ada, &seat).await, Some(Code::TicketInvalid));
    let around = ada.enter().await;
    assert_eq!(around.map.as_str(), "town");
    // Nobody had to be asked to let go of her.
    let after = heard.all().split_off(at);
    assert!(!after.iter().any(|heard| heard.subject.ends_with(".evict")), "{after:?}");
}

//! One login an account: the newest. The client of an older one is told why it has to go.

use std::time::{Duration, Instant};

use client::{Client, Events, Reason, Session};
use harness::{
    Player, Raw, Recorder, Rig, SOON, player::PASSWORD, raw::arrival, signal_process, until,
};
use protocol::{
    Code, Position,
    frame::{Encoding, Role},
    play::{PlayInput, PlayMessage},
};
use rustix::process::Signal;

/// How soon the older client is told.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Somebody logs in to the player's account from another place.
async fn login_elsewhere(rig: &Rig, player: &Player) -> (Client, Events, Session, Instant) {
    let (client, events) = rig.client();
    client.connect().await.unwrap();
    let session = client.login(&player.account, PASSWORD).await.unwrap();
    let since = Instant::now();
    assert_ne!(session, player.session);
    (client, events, session, since)
}

/// The player is told in time why it is sent away.
async fn is_told(player: &mut Player, since: Instant, code: Code) {
    let reason = player.sent_away(SOON).await;
    let took = since.elapsed();
    println!("told {code} after {took:?}");
    let Reason::Told(failure) = reason else { panic!("{reason:?}") };
    assert_eq!(failure.code, code, "{failure}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(player.client.session(), None, "the client knows that its login is over");
    assert_eq!(player.client.server(), None);
}

/// The player's token does not hold at Central.
async fn token_is_void(rig: &Rig, session: &Session) {
    let (client, _events) = rig.client();
    client.connect().await.unwrap();
    let validated = client.validate(session.account, session.access_token.clone()).await;
    assert_eq!(validated.unwrap_err().code(), Some(Code::TokenInvalid));
}

#[tokio::test]
async fn the_older_client_at_central_is_told_and_sent_away() {
    let rig = Rig::with_central().await;
    let mut older = rig.player("Ada").await;
    let bob = rig.player("Bob").await;

    let (newer, _events, session, since) = login_elsewhere(&rig, &older).await;
    is_told(&mut older, since, Code::SessionReplaced).await;
    token_is_void(&rig, &older.session).await;

    // The newer login and other accounts go on.
    assert_eq!(newer.list_characters().await.unwrap(), [older.character]);
    assert_eq!(newer.session(), Some(session));
    assert_eq!(bob.client.list_characters().await.unwrap(), [bob.character]);

    // A failed login ends nobody's session.
    let (wrong, _events) = rig.client();
    wrong.connect().await.unwrap();
    let refused = wrong.login(&older.account, "wrong horse").await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::BadCredentials));
    newer.list_characters().await.unwrap();
}

#[tokio::test]
async fn the_older_client_on_a_map_is_told_and_its_character_goes_on_with_the_newer() {
    let rig = Rig::with_maps("town").await;
    let bob = rig.player_on_map("Bob").await;
    let mut older = rig.player_on_map("Ada").await;
    let there = Position { x: 22.5, y: 17.0 };
    older.walk_to(there).await;

    let (newer, _events, _, since) = login_elsewhere(&rig, &older).await;
    // At once, even before the older client has read why it has to go.
    let seat = newer.select(older.character.character, None).await.unwrap();
    println!("selected by the newer login after {:?}", since.elapsed());
    is_told(&mut older, since, Code::SessionReplaced).await;
    let around = newer.enter(&seat).await.unwrap();
    assert!(around.position.distance(there) < 0.1, "saved at {:?}", around.position);
    token_is_void(&rig, &older.session).await;

    // Others see one of her, and the newer client can play.
    until(SOON, "seeing one Ada", async || {
        let around = bob.client.surroundings().unwrap();
        let adas: Vec<_> = around.others.values().filter(|other| other.name == "Ada").collect();
        let you = newer.surroundings().unwrap().you;
        (adas.len() == 1 && adas[0].entity == you).then_some(())
    })
    .await;
    newer.ping().await.unwrap();
}

#[tokio::test]
async fn a_seat_kept_for_the_older_login_is_not_for_it_any_more() {
    let rig = Rig::with_maps("town").await;
    let older = rig.player("Ada").await;
    let seat = older.seat().await;

    let (newer, ..) = login_elsewhere(&rig, &older).await;
    let entered = older.client.enter(&seat).await;
    assert_eq!(entered.unwrap_err().code(), Some(Code::TokenInvalid));
    newer.play(older.character.character, None).await.unwrap();
}

#[tokio::test]
async fn a_logout_ends_the_stay_on_the_map_as_well() {
    let rig = Rig::with_maps("town").await;
    let mut player = rig.player_on_map("Ada").await;
    let there = Position { x: 18.0, y: 13.0 };
    player.walk_to(there).await;

    // The same login goes to Central by another connection, which ends nothing, and logs out.
    let (second, _events) = rig.client();
    second.connect().await.unwrap();
    let Session { account, access_token } = player.session.clone();
    second.validate(account, access_token).await.unwrap();
    player.client.ping().await.unwrap();
    second.logout().await.unwrap();
    is_told(&mut player, Instant::now(), Code::LoggedOut).await;
    token_is_void(&rig, &player.session).await;

    let again = second.login(&player.account, PASSWORD).await.unwrap();
    assert_ne!(again, player.session);
    let around = second.play(player.character.character, None).await.unwrap();
    assert!(around.position.distance(there) < 0.1, "saved at {:?}", around.position);
}

#[tokio::test]
async fn a_login_while_a_warp_waits_for_the_other_map_ends_the_older_client() {
    let rig = Rig::with_maps("town,forest").await;
    let mut older = rig.player_on_map("Ada").await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let forest = rig.map_process("spawn-1", "spawn-1-forest-1").await;

    // A map that hangs holds the warp up, with the character frozen at the gate.
    signal_process(forest, Signal::STOP);
    let gate = older.client.surroundings().unwrap().portals[0].clone();
    older.client.walk(gate.at).await.unwrap();
    heard.next(0, "map.spawn-1-forest-1.reserve", |_| true).await;
    let (newer, _events, _, since) = login_elsewhere(&rig, &older).await;
    is_told(&mut older, since, Code::SessionReplaced).await;
    signal_process(forest, Signal::CONT);

    let around = until(SOON, "going on with the newer login", async || {
        match newer.select(older.character.character, None).await {
            Ok(seat) => Some(newer.enter(&seat).await.unwrap()),
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                None
            }
        }
    })
    .await;
    println!("goes on after {:?}", since.elapsed());
    assert_eq!(around.map.as_str(), "town");
    assert!(around.position.distance(gate.at) <= gate.radius + 0.5, "{:?}", around.position);
}

#[tokio::test]
async fn a_login_between_two_maps_leaves_the_seat_to_the_newer_client() {
    let rig = Rig::with_maps("town,forest").await;
    let older = rig.player("Ada").await;
    let character = older.character.character;
    let seat = older.seat().await;
    let mut raw = Raw::entered(&older.session, character, &seat, Encoding::Msgpack).await;
    raw.say(&PlayInput::Walk { to: Position { x: 26.0, y: 15.0 }, seq: 0 }).await;
    let forest = raw
        .hear_until(|message| match message {
            PlayMessage::WarpTo { connection } => Some(connection),
            _ => None,
        })
        .await;

    let (newer, _events, _, since) = login_elsewhere(&rig, &older).await;
    let address = format!("{}:{}", forest.address, forest.port);
    let mut raw = Raw::welcomed(&address, Role::Map, Encoding::Msgpack).await;
    raw.say(&arrival(&older.session, character, &forest)).await;
    let word = raw.last_word(SOON).await;
    let PlayMessage::Goodbye { failure: Some(failure) } = word else { panic!("{word:?}") };
    assert_eq!(failure.code, Code::TokenInvalid, "{failure}");

    let around = newer.play(character, None).await.unwrap();
    println!("goes on after {:?}", since.elapsed());
    assert_eq!(around.map.as_str(), "forest");
}

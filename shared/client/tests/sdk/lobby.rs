//! With Central.

use client::{ClientError, ClientEvent, Reason, Server};
use protocol::{
    AccountId, CharacterId, Code, Failure, MapName,
    frame::{Encoding, Role},
    lobby::{Answer, GuestCall, LobbyMessage, MapSummary, MemberCall, Numbered},
    world::CharacterSummary,
};
use tokio::time::Instant;

use crate::server::{DEADLINE, Stage, next};

#[tokio::test]
async fn every_call_says_what_it_means_and_hears_its_answer() {
    for encoding in [Encoding::Json, Encoding::Msgpack] {
        let central = Stage::open(Role::Central).await;
        let (client, mut events) = central.client(encoding);
        let (account, character) = (AccountId::new(), CharacterId::new());
        let map: MapName = "town".parse().unwrap();
        let summary = CharacterSummary { character, name: "Ada".into(), map: map.clone() };
        let script = async {
            let mut guest = central.guest().await;
            guest.let_in(account).await;
            let characters = vec![summary.clone()];
            let maps = vec![MapSummary { map: map.clone(), channels: vec![] }];
            for (call, answer) in [
                (MemberCall::ListCharacters, Answer::Characters { characters }),
                (
                    MemberCall::CreateCharacter { name: "Ada".into() },
                    Answer::Created { character: summary.clone() },
                ),
                (MemberCall::DeleteCharacter { character }, Answer::Deleted { character }),
                (MemberCall::ListMaps, Answer::Maps { maps }),
                (MemberCall::Logout, Answer::LoggedOut),
            ] {
                let heard: Numbered<MemberCall> = guest.heard().await;
                assert_eq!(heard.call, call);
                guest.answer(heard.id, answer).await;
            }
            let heard: Numbered<GuestCall> = guest.heard().await;
            assert!(matches!(heard.call, GuestCall::Validate { account: a, .. } if a == account));
            guest.answer(heard.id, Answer::Valid { account }).await;
        };
        let calls = async {
            client.connect().await.unwrap();
            let session = client.login("ada", "correct horse").await.unwrap();
            assert_eq!(client.session().as_ref(), Some(&session));
            assert_eq!(client.list_characters().await.unwrap()[0], summary);
            assert_eq!(client.create_character("Ada").await.unwrap(), summary);
            client.delete_character(character).await.unwrap();
            assert_eq!(client.list_maps().await.unwrap()[0].map, map);
            client.logout().await.unwrap();
            assert_eq!(client.session(), None);
            client.validate(session.account, session.access_token.clone()).await.unwrap();
            assert_eq!(client.session(), Some(session));
        };
        tokio::join!(script, calls);
        let logged_in = ClientEvent::LoggedIn { account };
        for expected in
            [ClientEvent::ConnectedToCentral, logged_in.clone(), ClientEvent::LoggedOut, logged_in]
        {
            assert_eq!(next(&mut events).await, expected);
        }
    }
}

#[tokio::test]
async fn answers_find_their_calls_by_number() {
    let central = Stage::open(Role::Central).await;
    let (client, _events) = central.client(Encoding::Json);
    let script = async {
        let mut guest = central.guest().await;
        guest.let_in(AccountId::new()).await;
        let one: Numbered<MemberCall> = guest.heard().await;
        let two: Numbered<MemberCall> = guest.heard().await;
        let full = Failure::new(Code::CharacterLimit, "delete one first");
        for call in [two, one] {
            match call.call {
                MemberCall::ListMaps => guest.answer(call.id, Answer::Maps { maps: vec![] }).await,
                _ => guest.refuse(call.id, full.clone()).await,
            }
        }
        guest
    };
    let calls = async {
        client.connect().await.unwrap();
        client.login("ada", "correct horse").await.unwrap();
        tokio::join!(client.create_character("Ada"), client.list_maps())
    };
    let (_guest, (created, maps)) = tokio::join!(script, calls);
    let error = created.unwrap_err();
    assert_eq!(error.code(), Some(Code::CharacterLimit));
    assert!(!error.is_retryable());
    assert_eq!(maps.unwrap(), []);
}

#[tokio::test]
async fn a_call_in_the_wrong_state_is_answered_here() {
    let central = Stage::open(Role::Central).await;
    let (client, _events) = central.client(Encoding::Msgpack);
    let wrong = |outcome: Result<(), ClientError>| {
        assert!(matches!(outcome, Err(ClientError::WrongState(_))), "{outcome:?}");
    };
    wrong(client.login("ada", "correct horse").await.map(drop));
    wrong(client.say("hello").await);
    wrong(client.leave().await);
    wrong(client.enter(&central.connection("town")).await.map(drop));
    let (mut guest, connected) = tokio::join!(central.guest(), client.connect());
    connected.unwrap();
    wrong(client.connect().await);
    wrong(client.select(CharacterId::new(), None).await.map(drop));
    let login = client.login("ada", "correct horse");
    tokio::join!(guest.let_in(AccountId::new()), async { login.await.unwrap() });
    wrong(client.login("ada", "correct horse").await.map(drop));
    wrong(client.say("hello").await);
    let ((), left) = tokio::join!(guest.gone(), client.leave());
    left.unwrap();
}

#[tokio::test]
async fn a_call_in_flight_hears_at_once_why_the_connection_ended() {
    let failure = Failure::new(Code::SessionReplaced, "you logged in elsewhere");
    for goodbye in [Some(failure), None] {
        let central = Stage::open(Role::Central).await;
        let (client, mut events) = central.client(Encoding::Msgpack);
        let script = async {
            let mut guest = central.guest().await;
            guest.let_in(AccountId::new()).await;
            let _: Numbered<MemberCall> = guest.heard().await;
            if let Some(failure) = goodbye.clone() {
                guest.tell(&LobbyMessage::Goodbye { failure }).await;
            }
            guest.0.close().await;
        };
        let calls = async {
            client.connect().await.unwrap();
            client.login("ada", "correct horse").await.unwrap();
            let start = Instant::now();
            let error = client.list_maps().await.unwrap_err();
            assert!(start.elapsed() < DEADLINE, "{error} came after {:?}", start.elapsed());
            error
        };
        let ((), error) = tokio::join!(script, calls);
        let ClientError::Disconnected(reason) = error else { panic!("{error:?}") };
        match &goodbye {
            Some(failure) => assert_eq!(reason, Reason::Told(failure.clone())),
            None => assert!(matches!(reason, Reason::Lost(_)), "{reason:?}"),
        }
        assert_eq!(client.session().is_none(), goodbye.is_some(), "a replaced session is over");
        let event = ClientEvent::Disconnected { from: Server::Central, reason };
        while next(&mut events).await != event {}
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_a_deadline_and_not_the_connection() {
    let central = Stage::open(Role::Central).await;
    let (client, _events) = central.client(Encoding::Msgpack);
    let (mut guest, connected) = tokio::join!(central.guest(), client.connect());
    connected.unwrap();
    let error = client.login("ada", "correct horse").await.unwrap_err();
    assert_eq!(error, ClientError::DeadlinePassed { call: "login", after: DEADLINE });
    let late: Numbered<GuestCall> = guest.heard().await;
    guest.refuse(late.id, Failure::new(Code::Busy, "too late to be heard")).await;
    let again = client.login("ada", "correct horse");
    let ((), session) = tokio::join!(guest.let_in(AccountId::new()), again);
    session.unwrap();
}

#[tokio::test]
async fn an_absent_or_a_wrong_server_is_named() {
    let map = Stage::open(Role::Map).await;
    let (client, _events) = map.client(Encoding::Msgpack);
    let (_guest, connected) = tokio::join!(map.guest(), client.connect());
    let error = connected.unwrap_err().to_string();
    assert!(error.contains("not a Central server"), "{error}");
    drop(map);
    let error = client.connect().await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("cannot reach"), "{error}");
}

//! On a map.

use std::time::Duration;

use client::{Client, ClientConfig, ClientError, ClientEvent, Reason, Server};
use protocol::{
    AccountId, Channel, CharacterId, Code, EntityId, Failure, Position,
    frame::{Encoding, Role},
    lobby::{Answer, GuestCall, Numbered},
    play::{Arrival, Move, PlayInput, PlayMessage, Sight},
    snapshot::Snapshot,
};

use crate::server::{Scene, Stage, bob, next, within};

#[tokio::test]
async fn entering_shows_key_token_and_ticket_and_sees_the_map() {
    let (central, map) = (Stage::open(Role::Central).await, Stage::open(Role::Map).await);
    let (client, mut events) = central.client(Encoding::Json);
    let (account, character) = (AccountId::new(), CharacterId::new());
    let info = map.connection("town");
    let servers = async {
        let mut lobby = central.guest().await;
        lobby.let_in(account).await;
        lobby.send_to(info.clone()).await;
        map.guest().await.admit("town", "field").await
    };
    let player = async {
        client.connect().await.unwrap();
        client.login("ada", "correct horse").await.unwrap();
        let selected = client.select(character, Some(Channel::FIRST)).await.unwrap();
        (client.enter(&selected).await.unwrap(), client.session().unwrap())
    };
    let (arrival, (surroundings, session)) = tokio::join!(servers, player);
    let shown = Arrival::Enter {
        account,
        access_token: session.access_token,
        character,
        connection_key: info.connection_key,
        ticket: info.ticket,
    };
    assert_eq!(arrival, shown);
    assert_eq!(surroundings.other("Bob"), Some(&bob()));
    for expected in [
        ClientEvent::ConnectedToCentral,
        ClientEvent::LoggedIn { account },
        ClientEvent::Disconnected { from: Server::Central, reason: Reason::Planned },
        ClientEvent::EnteredMap(Box::new(surroundings)),
    ] {
        assert_eq!(next(&mut events).await, expected);
    }
}

#[tokio::test]
async fn play_is_sent_seen_and_kept() {
    let Scene { client, mut events, mut town, .. } = Scene::in_town().await;
    let to = Position { x: 3.0, y: 4.0 };
    client.walk(to).await.unwrap();
    assert_eq!(town.heard::<PlayInput>().await, PlayInput::Walk { to, seq: 0 });
    client.say("hello").await.unwrap();
    assert_eq!(town.heard::<PlayInput>().await, PlayInput::Say { text: "hello".into() });
    let dig = serde_json::json!({"dig": 3});
    client.act(dig.clone()).await.unwrap();
    assert_eq!(town.heard::<PlayInput>().await, PlayInput::Act { action: dig, seq: 0 });
    let treasure = serde_json::json!({"found": "treasure"});
    let cy = Sight { entity: EntityId(3), name: "Cy".into(), look: "player".into(), position: to };
    let moves = vec![Move { entity: EntityId(1), position: to }];
    let failure = Failure::new(Code::TextInvalid, "that text cannot be used");
    let (entity, name, text) = (EntityId(2), "Bob".to_owned(), "hi".to_owned());
    for (message, event) in [
        (
            PlayMessage::Appeared { sights: vec![cy.clone()] },
            ClientEvent::Appeared { sight: cy.clone() },
        ),
        (
            PlayMessage::Snapshot { view: Snapshot { tick: 1, ack: 0, moves: moves.clone() } },
            ClientEvent::Moved { moves },
        ),
        (PlayMessage::Game { output: treasure.clone() }, ClientEvent::Game { output: treasure }),
        (
            PlayMessage::Vanished { entities: vec![EntityId(2)] },
            ClientEvent::Vanished { sight: bob() },
        ),
        (
            PlayMessage::Said { entity, name: name.clone(), text: text.clone() },
            ClientEvent::Said { entity, name, text },
        ),
        (PlayMessage::Refused { failure: failure.clone() }, ClientEvent::Refused { failure }),
    ] {
        town.tell(&message).await;
        assert_eq!(next(&mut events).await, event);
    }
    assert_eq!(client.server(), Some(Server::Map("town".parse().unwrap())));
    let around = client.surroundings().unwrap();
    assert_eq!(around.position, to);
    assert_eq!(around.others.into_values().collect::<Vec<_>>(), [cy]);
    let pong = async {
        let PlayInput::Ping { nonce } = town.heard().await else { panic!("no ping") };
        town.tell(&PlayMessage::Pong { nonce }).await;
    };
    let (pinged, ()) = tokio::join!(client.ping(), pong);
    assert!(pinged.unwrap() > Duration::ZERO);
}

#[tokio::test]
async fn a_warp_is_followed_with_the_new_ticket() {
    let Scene { client, mut events, mut town, .. } = Scene::in_town().await;
    let field = Stage::open(Role::Map).await;
    let info = field.connection("field");
    town.tell(&PlayMessage::WarpTo { connection: info.clone() }).await;
    town.gone().await;
    let mut there = field.guest().await;
    let arrival = there.admit("field", "town").await;
    let Arrival::Enter { ticket, access_token, .. } = arrival else { panic!("{arrival:?}") };
    assert_eq!((ticket, access_token), (info.ticket, client.session().unwrap().access_token));
    assert_eq!(next(&mut events).await, ClientEvent::Warping { to: info.map.clone() });
    let ClientEvent::EnteredMap(around) = next(&mut events).await else { panic!("not entered") };
    assert_eq!(around.map, info.map);
    client.say("here").await.unwrap();
    assert_eq!(there.heard::<PlayInput>().await, PlayInput::Say { text: "here".into() });
}

#[tokio::test]
async fn calls_made_during_a_warp_do_not_reach_the_next_map() {
    let Scene { client, mut events, mut town, .. } = Scene::in_town().await;
    let field = Stage::open(Role::Map).await;
    town.tell(&PlayMessage::WarpTo { connection: field.connection("field") }).await;
    town.gone().await;
    let mut there = field.guest().await;
    let walked = client.walk(Position { x: 9.0, y: 9.0 }).await;
    assert!(matches!(walked, Err(ClientError::WrongState(_))), "{walked:?}");
    assert_eq!((client.server(), client.surroundings()), (None, None));
    there.admit("field", "town").await;
    while !matches!(next(&mut events).await, ClientEvent::EnteredMap(_)) {}
    client.say("first").await.unwrap();
    assert_eq!(there.heard::<PlayInput>().await, PlayInput::Say { text: "first".into() });
}

#[tokio::test]
async fn a_warp_that_fails_on_the_way_is_a_disconnection_with_its_reason() {
    let failure = Failure::new(Code::TicketInvalid, "select the character again");
    for answer in [Some(failure), None] {
        let Scene { client, mut events, mut town, .. } = Scene::in_town().await;
        let field = Stage::open(Role::Map).await;
        let connection = field.connection("field");
        town.tell(&PlayMessage::WarpTo { connection: connection.clone() }).await;
        if let Some(failure) = answer.clone() {
            town.gone().await;
            let mut there = field.guest().await;
            there.heard::<Arrival>().await;
            there.tell(&PlayMessage::Goodbye { failure: Some(failure) }).await;
            there.0.close().await;
        } else {
            drop(field);
            town.gone().await;
        }
        assert_eq!(next(&mut events).await, ClientEvent::Warping { to: connection.map.clone() });
        let ClientEvent::Disconnected { from, reason } = next(&mut events).await else {
            panic!("still connected")
        };
        assert_eq!(from, Server::Map(connection.map));
        match answer {
            Some(failure) => assert_eq!(reason, Reason::Told(failure)),
            None => assert!(reason.to_string().contains("cannot reach"), "{reason}"),
        }
        assert!(client.session().is_some(), "the player can connect and select again");
    }
}

#[tokio::test]
async fn a_refused_warp_leaves_the_player_on_the_map() {
    let Scene { client, mut events, mut town, .. } = Scene::in_town().await;
    let failure = Failure::new(Code::NoServer, "nobody runs that map yet; try again soon");
    let map: protocol::MapName = "field".parse().unwrap();
    town.tell(&PlayMessage::WarpRefused { map: map.clone(), failure: failure.clone() }).await;
    assert_eq!(next(&mut events).await, ClientEvent::WarpRefused { map, failure });
    client.say("still here").await.unwrap();
    assert_eq!(town.heard::<PlayInput>().await, PlayInput::Say { text: "still here".into() });
}

#[tokio::test]
async fn leaving_waits_for_the_goodbye_and_the_session_goes_on() {
    let Scene { client, mut events, mut town, central, .. } = Scene::in_town().await;
    let script = async {
        assert_eq!(town.heard::<PlayInput>().await, PlayInput::Leave);
        town.tell(&PlayMessage::Vanished { entities: vec![EntityId(2)] }).await;
        town.tell(&PlayMessage::Goodbye { failure: None }).await;
        town.0.close().await;
    };
    let ((), left) = tokio::join!(script, client.leave());
    left.unwrap();
    assert_eq!(client.surroundings(), None);
    assert_eq!(next(&mut events).await, ClientEvent::Vanished { sight: bob() });
    let from = Server::Map("town".parse().unwrap());
    let planned = ClientEvent::Disconnected { from, reason: Reason::Planned };
    assert_eq!(next(&mut events).await, planned);
    let (mut lobby, connected) = tokio::join!(central.guest(), client.connect());
    connected.unwrap();
    let session = client.session().unwrap();
    let script = async {
        let heard: Numbered<GuestCall> = lobby.heard().await;
        lobby.answer(heard.id, Answer::Valid { account: session.account }).await;
    };
    let (valid, ()) =
        tokio::join!(client.validate(session.account, session.access_token.clone()), script);
    valid.unwrap();
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_event_with_its_reason() {
    let failure = Failure::new(Code::Draining, "this server stops; select again");
    for goodbye in [Some(failure), None] {
        let Scene { client, mut events, mut town, .. } = Scene::in_town().await;
        if goodbye.is_some() {
            town.tell(&PlayMessage::Goodbye { failure: goodbye.clone() }).await;
        }
        town.0.close().await;
        let ClientEvent::Disconnected { from, reason } = next(&mut events).await else {
            panic!("still connected")
        };
        assert_eq!(from, Server::Map("town".parse().unwrap()));
        match goodbye {
            Some(failure) => assert_eq!(reason, Reason::Told(failure)),
            None => assert!(reason.to_string().contains("closed by the other side"), "{reason}"),
        }
        assert!(matches!(client.say("?").await, Err(ClientError::WrongState(_))));
    }
}

#[tokio::test]
async fn a_goodbye_nobody_asked_for_is_not_planned() {
    let Scene { client: _client, mut events, mut town, .. } = Scene::in_town().await;
    town.tell(&PlayMessage::Goodbye { failure: None }).await;
    let ClientEvent::Disconnected { reason, .. } = next(&mut events).await else {
        panic!("still connected")
    };
    assert!(matches!(reason, Reason::Lost(_)), "{reason:?}");
}

#[tokio::test]
async fn a_map_server_that_falls_silent_is_lost() {
    let map = Stage::open(Role::Map).await;
    let central = Stage::open(Role::Central).await;
    let config = ClientConfig::new(format!("127.0.0.1:{}", central.port()));
    let keepalive = Duration::from_millis(50);
    let (client, mut events) = Client::new(ClientConfig { keepalive, ..config });
    let servers = async {
        let mut lobby = central.guest().await;
        lobby.let_in(AccountId::new()).await;
        lobby.send_to(map.connection("town")).await;
        let mut town = map.guest().await;
        town.admit("town", "field").await;
        town
    };
    let player = async {
        client.connect().await.unwrap();
        client.login("ada", "correct horse").await.unwrap();
        client.play(CharacterId::new(), None).await.unwrap();
    };
    let (mut town, ()) = tokio::join!(servers, player);
    for _ in 0..5 {
        let PlayInput::Ping { nonce } = town.heard().await else { panic!("no ping") };
        town.tell(&PlayMessage::Pong { nonce }).await;
    }
    assert!(client.surroundings().is_some(), "answered pings keep the connection");
    let lost = async {
        loop {
            if let ClientEvent::Disconnected { from: Server::Map(_), reason } =
                next(&mut events).await
            {
                break reason;
            }
        }
    };
    assert!(within(lost).await.to_string().contains("said nothing"));
}

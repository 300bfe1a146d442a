//! Whoever sends what is no message is told so, and nobody else notices.

use std::time::{Duration, Instant};

use harness::{Player, Raw, Rig, SOON, other_players, until};
use protocol::{
    CharacterId, Code, Failure,
    frame::{Encoding, FRAME_MAX, GUEST_FRAME_MAX, Greeting, Hello, Role},
    lobby::{Answer, GuestCall, LobbyMessage, MemberCall, Numbered},
    play::{PlayInput, PlayMessage},
};
use tokio::{sync::oneshot, task::JoinHandle, time::interval};

/// How long a server waits for a hello, and a Map Server then for an arrival.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What a busy machine may add to that.
const SLACK: Duration = Duration::from_secs(3);
/// What is no message in either encoding.
const NONSENSE: [&[u8]; 5] = [b"", b"[", b"\xc1\xff\x00", b"{\"id\":{}}", b"\x81\xa2id"];

/// A player who asks the map for a word all the time, while others do bad things.
struct Bystander {
    enough: oneshot::Sender<()>,
    playing: JoinHandle<(u32, Player)>,
}

impl Bystander {
    async fn new(rig: &Rig) -> Self {
        let player = rig.player_on_map("Ada").await;
        let (enough, mut told) = oneshot::channel();
        let playing = tokio::spawn(async move {
            let (mut answered, mut pace) = (0, interval(Duration::from_millis(10)));
            while told.try_recv().is_err() {
                pace.tick().await;
                player.client.ping().await.expect("a word to the map and back");
                answered += 1;
            }
            (answered, player)
        });
        Self { enough, playing }
    }

    /// She is still there, and nobody else is.
    async fn was_not_disturbed(self) {
        self.enough.send(()).unwrap();
        let (answered, player) = self.playing.await.unwrap();
        println!("{answered} pings answered meanwhile");
        assert!(answered > 0);
        until(SOON, "being alone", async || {
            let around = player.client.surroundings().expect("still on the map");
            other_players(&around).is_empty().then_some(())
        })
        .await;
    }
}

fn refused(greeting: Greeting) -> Failure {
    let Greeting::Refused { failure } = greeting else { panic!("welcomed") };
    failure
}

fn failed(message: LobbyMessage) -> (Option<u32>, Failure) {
    let LobbyMessage::Failed { id, failure } = message else { panic!("{message:?}") };
    (id, failure)
}

/// What Central says last, before it ends the connection.
async fn lobby_goodbye(raw: Raw) -> Failure {
    let LobbyMessage::Goodbye { failure } = raw.last_word(SOON).await else { panic!("no goodbye") };
    failure
}

/// What a Map Server says last, before it ends the connection.
async fn play_goodbye(raw: Raw, within: Duration) -> Failure {
    let word = raw.last_word(within).await;
    let PlayMessage::Goodbye { failure: Some(failure) } = word else { panic!("{word:?}") };
    failure
}

/// The handshake is the same at both kinds of servers.
async fn bad_hellos(address: &str) {
    let hello = |hello: Hello| Encoding::Json.encode(&hello).unwrap();
    let good = || Hello::new(Encoding::Json, "story");
    let chess = hello(Hello { protocol: "chess".to_owned(), ..good() });
    let later = hello(Hello { versions: vec![2, 9], ..good() });
    let long = vec![b' '; GUEST_FRAME_MAX + 1];
    for (payload, code, word) in [
        (&long[..], Code::FrameTooLarge, "4096"),
        (b"\xff\x00", Code::Malformed, "JSON"),
        (b"{}", Code::Malformed, "protocol"),
        (&chess, Code::Malformed, "`waystone`"),
        (&later, Code::WrongVersion, "version 1"),
    ] {
        let mut raw = Raw::dial(address).await;
        raw.frame(payload).await;
        let failure = refused(raw.last_word(SOON).await);
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
    }
    let mut browser = Raw::dial(address).await;
    browser.bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(refused(browser.last_word(SOON).await).code, Code::FrameTooLarge);
    let mut cut = Raw::dial(address).await;
    cut.truncated().await;
    assert_eq!(refused(cut.last_word(SOON).await).code, Code::Malformed);
}

#[tokio::test]
async fn bad_frames_to_central_are_answered_by_what_is_wrong() {
    let rig = Rig::with_maps("town").await;
    let bystander = Bystander::new(&rig).await;
    bad_hellos(&rig.central_address).await;
    for encoding in [Encoding::Json, Encoding::Msgpack] {
        nonsense_at_central(&rig, encoding).await;
    }
    oversized_at_central(&rig).await;

    let mut cut = Raw::welcomed(&rig.central_address, Role::Central, Encoding::Json).await;
    cut.truncated().await;
    assert_eq!(lobby_goodbye(cut).await.code, Code::Malformed);
    bystander.was_not_disturbed().await;
}

/// Each is answered and the connection goes on, to a login in the end.
async fn nonsense_at_central(rig: &Rig, encoding: Encoding) {
    let mut raw = Raw::welcomed(&rig.central_address, Role::Central, encoding).await;
    for nonsense in NONSENSE {
        raw.frame(nonsense).await;
        let (id, failure) = failed(raw.hear().await);
        assert_eq!((id, failure.code), (None, Code::Malformed), "{failure}");
    }
    raw.say(&serde_json::json!({ "id": 7, "call": { "type": "fly" } })).await;
    let (id, failure) = failed(raw.hear().await);
    assert_eq!((id, failure.code), (Some(7), Code::Malformed), "{failure}");

    let select =
        MemberCall::SelectCharacter { character: CharacterId::new(), channel: None, beside: None };
    raw.say(&Numbered { id: 8, call: select }).await;
    let (id, failure) = failed(raw.hear().await);
    assert_eq!((id, failure.code), (Some(8), Code::WrongState));
    assert!(failure.message.contains("log in first"), "{failure}");

    let account = format!("nonsense.{encoding:?}").to_lowercase();
    let register = GuestCall::Register { account, password: harness::player::PASSWORD.to_owned() };
    let register = Numbered { id: 9, call: register };
    raw.say(&register).await;
    let answer: LobbyMessage = raw.hear().await;
    assert!(matches!(answer, LobbyMessage::Answer { id: 9, answer: Answer::LoggedIn { .. } }));
    raw.say(&register).await;
    let (id, failure) = failed(raw.hear().await);
    assert_eq!((id, failure.code), (Some(9), Code::WrongState));
    assert!(failure.message.contains("log out first"), "{failure}");
}

/// A guest has 4 KiB, a member 64 KiB, and who has logged out is a guest again.
async fn oversized_at_central(rig: &Rig) {
    let guest = async || Raw::welcomed(&rig.central_address, Role::Central, Encoding::Json).await;
    let player = rig.player("Big").await;
    let (account, access_token) = (player.session.account, player.session.access_token.clone());
    let validate = Numbered { id: 1, call: GuestCall::Validate { account, access_token } };
    let list = Numbered { id: 2, call: MemberCall::ListMaps };
    let logout = Numbered { id: 3, call: MemberCall::Logout };

    let mut raw = guest().await;
    raw.say_padded(&validate, GUEST_FRAME_MAX + 1).await;
    assert_eq!(lobby_goodbye(raw).await.code, Code::FrameTooLarge);

    let mut raw = guest().await;
    raw.say_padded(&validate, GUEST_FRAME_MAX).await;
    assert!(matches!(raw.hear().await, LobbyMessage::Answer { id: 1, .. }));
    raw.say_padded(&list, FRAME_MAX).await;
    assert!(matches!(raw.hear().await, LobbyMessage::Answer { id: 2, .. }));
    raw.say_padded(&list, FRAME_MAX + 1).await;
    assert_eq!(lobby_goodbye(raw).await.code, Code::FrameTooLarge);

    let mut raw = guest().await;
    raw.say(&validate).await;
    assert!(matches!(raw.hear().await, LobbyMessage::Answer { id: 1, .. }));
    raw.say(&logout).await;
    assert!(matches!(raw.hear().await, LobbyMessage::Answer { id: 3, .. }));
    raw.say_padded(&validate, GUEST_FRAME_MAX + 1).await;
    assert_eq!(lobby_goodbye(raw).await.code, Code::FrameTooLarge);
}

#[tokio::test]
async fn bad_frames_to_a_map_server_are_answered_by_what_is_wrong() {
    let mut rig = Rig::with_central().await;
    // A frame that was cut off is a lost connection, and has its grace.
    let town = rig.map_program("town-1", "town").args(["--link-grace-s", "1"]);
    rig.start_map_as(town).await;
    let bystander = Bystander::new(&rig).await;
    let map = rig.peers().await.maps.remove(0);
    let address = format!("{}:{}", map.address, map.port);
    bad_hellos(&address).await;

    for encoding in [Encoding::Json, Encoding::Msgpack] {
        let guest = async || Raw::welcomed(&address, Role::Map, encoding).await;
        for nonsense in NONSENSE {
            let mut raw = guest().await;
            raw.frame(nonsense).await;
            assert_eq!(play_goodbye(raw, SOON).await.code, Code::Malformed);
        }
        let mut early = guest().await;
        early.say(&PlayInput::Ping { nonce: 1 }).await;
        let failure = play_goodbye(early, SOON).await;
        assert_eq!(failure.code, Code::WrongState);
        assert!(failure.message.contains("`enter` first"), "{failure}");
        let mut long = guest().await;
        long.frame(&vec![b' '; GUEST_FRAME_MAX + 1]).await;
        assert_eq!(play_goodbye(long, SOON).await.code, Code::FrameTooLarge);
        let mut cut = guest().await;
        cut.truncated().await;
        assert_eq!(play_goodbye(cut, SOON).await.code, Code::Malformed);
    }
    bad_frames_at_play(&rig).await;
    bystander.was_not_disturbed().await;
}

/// What cannot be read ends a stay, with a save; what can be read and makes no sense does not.
async fn bad_frames_at_play(rig: &Rig) {
    let player = rig.player("Eve").await;
    let enter = async |encoding| {
        let seat = player.seat().await;
        (Raw::entered(&player.session, player.character.character, &seat, encoding).await, seat)
    };
    let (mut raw, seat) = enter(Encoding::Json).await;
    raw.say(&harness::raw::arrival(&player.session, player.character.character, &seat)).await;
    let said = |message| match message {
        PlayMessage::Refused { failure } => Some(failure.code),
        _ => None,
    };
    assert_eq!(raw.hear_until(said).await, Code::WrongState);
    let ponged = |message| matches!(message, PlayMessage::Pong { nonce: 5 }).then_some(());
    raw.say_padded(&PlayInput::Ping { nonce: 5 }, FRAME_MAX).await;
    raw.hear_until(ponged).await;
    raw.say_padded(&PlayInput::Ping { nonce: 6 }, FRAME_MAX + 1).await;
    assert_eq!(play_goodbye(raw, SOON).await.code, Code::FrameTooLarge);

    for encoding in [Encoding::Json, Encoding::Msgpack] {
        let (mut raw, _) = enter(encoding).await;
        raw.frame(NONSENSE[2]).await;
        assert_eq!(play_goodbye(raw, SOON).await.code, Code::Malformed);
    }
    let (mut raw, _) = enter(Encoding::Msgpack).await;
    raw.truncated().await;
    assert_eq!(play_goodbye(raw, SOON).await.code, Code::Malformed);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_told_so() {
    let mut rig = Rig::with_central().await;
    // Without grace, so that who is silent is out of sight before the bystander is, too.
    let args = ["--idle-s", "1", "--link-grace-s", "0"];
    rig.maps.push(rig.map_program("town-1", "town").args(args).start());
    rig.maps_up(1).await;
    let bystander = Bystander::new(&rig).await;
    let map = rig.peers().await.maps.remove(0);
    let address = format!("{}:{}", map.address, map.port);

    let start = Instant::now();
    let nothing = async |address: &str| {
        let raw = Raw::dial(address).await;
        refused(raw.last_word(HANDSHAKE + SLACK).await)
    };
    let no_arrival = async {
        let raw = Raw::welcomed(&address, Role::Map, Encoding::Msgpack).await;
        play_goodbye(raw, HANDSHAKE + SLACK).await
    };
    let (central, map, no_arrival) =
        tokio::join!(nothing(&rig.central_address), nothing(&address), no_arrival);
    let took = start.elapsed();
    println!("told after {took:?}");
    for failure in [central, map, no_arrival] {
        assert_eq!(failure.code, Code::Silent, "{failure}");
    }
    assert!((HANDSHAKE..HANDSHAKE + SLACK).contains(&took), "{took:?}");

    // Whoever plays and then says nothing for as long as the setting says goes too.
    let player = rig.player("Eve").await;
    let seat = player.seat().await;
    let raw =
        Raw::entered(&player.session, player.character.character, &seat, Encoding::Json).await;
    assert_eq!(play_goodbye(raw, SOON).await.code, Code::Silent);
    bystander.was_not_disturbed().await;
}

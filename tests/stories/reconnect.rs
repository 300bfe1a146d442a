//! A client that lost its link takes its character over: at the same place, on the same map, without
//! Central. One that does not come back is gone after a while, saved.

use std::time::{Duration, Instant};

use client::{Client, ClientConfig, ClientEvent, Events, Reason, Session, Surroundings};
use harness::{Cable, Player, Raw, Recorder, Rig, SOON, program, until};
use protocol::{
    AccessToken, Code, ConnectionInfo, ConnectionKey, Position, ResumeTicket,
    frame::Encoding,
    play::{Arrival, PlayInput, PlayMessage},
    secret::SECRET_BYTES,
};
use rustix::process::Signal;
use tokio::time::timeout;

const THERE: Position = Position { x: 17.0, y: 12.0 };
/// How long a client may take to be back once it has noticed.
const AT_ONCE: Duration = Duration::from_secs(3);
/// The same where Redis comes back meanwhile: it is tried again after 4 s at most.
const WITH_REDIS: Duration = Duration::from_secs(10);

/// A client on the map, whose link leads through a cable of ours.
struct Wired {
    client: Client,
    events: Events,
    cable: Cable,
    entered: Surroundings,
}

impl Wired {
    /// A client with the player's login enters with its character.
    async fn enter(rig: &Rig, player: &Player) -> Self {
        let keepalive = Duration::from_millis(200);
        let config = ClientConfig { keepalive, ..ClientConfig::new(&rig.central_address) };
        let (client, events) = Client::new(config);
        client.connect().await.unwrap();
        let Session { account, access_token } = player.session.clone();
        client.validate(account, access_token).await.unwrap();
        client.leave().await.unwrap();
        let seat = player.seat().await;
        let cable = Cable::to(seat.port).await;
        let seat = ConnectionInfo { port: cable.port, ..seat };
        let entered = client.enter_as(player.character.character, &seat).await.unwrap();
        Self { client, events, cable, entered }
    }

    fn position(&self) -> Option<Position> {
        Some(self.client.surroundings()?.position)
    }

    async fn walk_to(&self, to: Position) {
        self.client.walk(to).await.unwrap();
        until(SOON, "arriving", async || {
            self.position().filter(|at| at.distance(to) < 0.1).map(drop)
        })
        .await;
    }

    /// Waits until it has lost its link and has it back, and checks that it is where it was.
    async fn is_back_at(&mut self, at: Position, within: Duration) {
        let mut lost = None;
        let back = async {
            loop {
                match self.events.next().await.unwrap() {
                    ClientEvent::LinkLost { reason, .. } => lost = Some((reason, Instant::now())),
                    ClientEvent::Resumed(around) => break around,
                    ClientEvent::Disconnected { reason, .. } if reason != Reason::Planned => {
                        panic!("it gave up: {reason}")
                    }
                    _ => {}
                }
            }
        };
        let back = timeout(SOON, back).await.expect("back on the map");
        let (reason, since) = lost.expect("a loss before");
        println!("{reason}; back after {:?}", since.elapsed());
        assert!(since.elapsed() < within);
        assert_eq!((&back.map, back.you), (&self.entered.map, self.entered.you));
        assert!(back.position.distance(at) < 0.1, "{:?}", back.position);
        self.client.ping().await.unwrap();
    }
}

/// Whether somebody has seen somebody else go out of sight so far.
fn vanished(events: &mut Events, name: &str) -> bool {
    let mut all = std::iter::from_fn(|| events.try_next());
    all.any(|event| matches!(event, ClientEvent::Vanished { sight } if sight.name == name))
}

#[tokio::test]
async fn a_client_that_lost_its_link_is_back_at_the_same_place_without_central() {
    let mut rig = Rig::with_central().await;
    let file = rig.folder().join("town.recording");
    let town = rig.map_program("town-1", "town").args(["--record", file.to_str().unwrap()]);
    let town = rig.start_map_as(town).await;
    let mut bob = rig.player_on_map("Bob").await;
    let player = rig.player("Ada").await;
    let mut ada = Wired::enter(&rig, &player).await;
    ada.walk_to(THERE).await;
    let seen = bob.sees("Ada").await;
    rig.kill_central();

    // Cut, cut once more, and a network that says nothing: the server does not know of that loss.
    ada.cable.cut();
    ada.is_back_at(THERE, AT_ONCE).await;
    assert!(ada.client.surroundings().unwrap().other("Bob").is_some());
    ada.cable.cut();
    ada.is_back_at(THERE, AT_ONCE).await;
    ada.cable.hang();
    ada.is_back_at(THERE, AT_ONCE).await;

    // Others have seen her all the time, and see her walk on.
    let on = Position { x: 18.0, y: 14.0 };
    ada.walk_to(on).await;
    until(SOON, "Bob seeing Ada walk on", async || {
        let around = bob.client.surroundings()?;
        around.others.get(&seen.entity).filter(|ada| ada.position.distance(on) < 0.1).map(drop)
    })
    .await;
    assert!(!vanished(&mut bob.events, "Ada"));

    // It runs again to the same end, with what was lost and resumed.
    rig.maps[town].signal(Signal::TERM);
    until(SOON, "the end of the map", async || rig.maps[town].status()).await;
    let replay = harness::Program::new("replay", program("map"), rig.folder())
        .args(["replay", file.to_str().unwrap()]);
    let (status, said, log) = replay.run(SOON).await;
    assert!(status.success() && said.contains(": the same"), "{said}{log}");
}

#[tokio::test]
async fn a_client_that_does_not_come_back_is_gone_after_the_grace_and_saved() {
    let mut rig = Rig::with_central().await;
    let args = ["--link-grace-s", "2", "--save-every-s", "3600"];
    rig.start_map_as(rig.map_program("town-1", "town").args(args)).await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let mut bob = rig.player_on_map("Bob").await;
    let player = rig.player("Ada").await;
    let ada = Wired::enter(&rig, &player).await;
    ada.walk_to(THERE).await;
    bob.sees("Ada").await;

    let lost = Instant::now();
    drop(ada);
    let gone = |event| match event {
        ClientEvent::Vanished { sight } if sight.name == "Ada" => Some(sight),
        _ => None,
    };
    let seen = bob.event(SOON, "Ada's end", gone).await;
    println!("out of sight after {:?}", lost.elapsed());
    assert!(lost.elapsed() >= Duration::from_secs(2), "{:?}", lost.elapsed());
    assert!(seen.position.distance(THERE) < 0.1);
    let hers = |body: &serde_json::Value| {
        body["character"] == serde_json::json!(player.character.character)
    };
    let (_, saved) = heard.next(0, "characters.release", hers).await;
    let x = saved["state"]["position"]["x"].as_f64().unwrap();
    assert!((x - f64::from(THERE.x)).abs() < 0.1, "{saved}");
    let here = player.enter().await;
    assert!(here.position.distance(THERE) < 0.1, "{:?}", here.position);
}

#[tokio::test]
async fn a_client_that_comes_by_central_takes_its_character_over_at_once() {
    let rig = Rig::with_maps("town").await;
    let bob = rig.player_on_map("Bob").await;
    let ada = rig.player("Ada").await;
    let seat = ada.seat().await;
    let character = ada.character.character;
    let mut raw = Raw::entered(&ada.session, character, &seat, Encoding::Msgpack).await;
    raw.say(&PlayInput::Walk { to: THERE, seq: 1 }).await;
    let is_there = async || (bob.sees("Ada").await.position.distance(THERE) < 0.1).then_some(());
    until(SOON, "Ada's arrival", is_there).await;
    drop(raw);
    let start = Instant::now();
    let here = ada.enter().await;
    println!("by Central after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(here.position.distance(THERE) < 0.1, "{:?}", here.position);
    until(SOON, "Bob seeing one Ada", async || {
        let around = bob.client.surroundings()?;
        let mut adas = around.others.values().filter(|other| other.name == "Ada");
        (adas.next()?.entity == here.you && adas.next().is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_redis_is_away_nobody_is_taken_over_and_the_client_waits_for_it() {
    let mut rig = Rig::with_central().await;
    let town = rig.start_map("town-1", "town").await;
    let player = rig.player("Ada").await;
    let mut ada = Wired::enter(&rig, &player).await;
    ada.walk_to(THERE).await;
    rig.redis.kill();
    ada.cable.cut();
    // Who it is cannot be checked, and that is said.
    rig.maps[town].logged("failure=unavailable", SOON).await;
    rig.redis.restart().await;
    ada.is_back_at(THERE, WITH_REDIS).await;
}

/// A claim to Ada's place on the map.
struct Claim {
    session: Session,
    key: ConnectionKey,
    ticket: ResumeTicket,
}

#[tokio::test]
async fn coming_back_needs_the_key_the_token_and_a_ticket_that_is_good_once() {
    let rig = Rig::with_maps("town").await;
    let (ada, eve) = (rig.player("Ada").await, rig.player("Eve").await);
    let seat = ada.seat().await;
    let character = ada.character.character;
    let resume = async |claim: Claim| {
        let arrival = Arrival::Resume {
            account: claim.session.account,
            access_token: claim.session.access_token,
            character,
            connection_key: claim.key,
            resume_ticket: claim.ticket,
        };
        Raw::arrived(&arrival, &seat, Encoding::Json).await
    };
    let entering = harness::raw::arrival(&ada.session, character, &seat);
    let (_lost, first) = Raw::arrived(&entering, &seat, Encoding::Json).await;
    let ticket = |first: &PlayMessage| match first {
        PlayMessage::Entered { resume_ticket, .. } => resume_ticket.clone(),
        other => panic!("{other:?}"),
    };
    let used = ticket(&first);
    let good = || Claim {
        session: ada.session.clone(),
        key: seat.connection_key.clone(),
        ticket: used.clone(),
    };

    let forged = AccessToken::from_bytes([7; SECRET_BYTES]);
    let forged = Session { access_token: forged, ..ada.session.clone() };
    for (claim, code) in [
        (Claim { key: ConnectionKey::from_bytes([7; 32]), ..good() }, Code::KeyInvalid),
        (Claim { session: forged, ..good() }, Code::TokenInvalid),
        (Claim { session: eve.session.clone(), ..good() }, Code::TicketInvalid),
        (Claim { ticket: ResumeTicket::from_bytes([7; 32]), ..good() }, Code::TicketInvalid),
    ] {
        let (_, first) = resume(claim).await;
        let PlayMessage::Goodbye { failure: Some(failure) } = first else { panic!("{first:?}") };
        assert_eq!(failure.code, code, "{failure}");
    }
    let (back, again) = resume(good()).await;
    assert_ne!(ticket(&again), used);
    let (_, refused) = resume(good()).await;
    assert!(
        matches!(&refused, PlayMessage::Goodbye { failure: Some(f) } if f.code == Code::TicketInvalid),
        "{refused:?}"
    );

    // A newer login ends the older one's place, however it was come by.
    let newer = rig.player("Ada").await;
    let word: PlayMessage = back.last_word(SOON).await;
    assert!(
        matches!(&word, PlayMessage::Goodbye { failure: Some(f) } if f.code == Code::SessionReplaced),
        "{word:?}"
    );
    let (_, refused) = resume(Claim { ticket: ticket(&again), ..good() }).await;
    assert!(
        matches!(&refused, PlayMessage::Goodbye { failure: Some(f) } if f.code == Code::TokenInvalid),
        "{refused:?}"
    );
    newer.enter().await;
}

//! Two Centrals serve one realm: both take clients, one leads, and when it is gone the other one
//! does, while players play on.

use std::time::{Duration, Instant};

use client::{ClientEvent, Reason};
use harness::{
    Admin, Postgres, Program, Proxy, Recorder, Rig, SOON,
    micro::ask_everybody,
    proxy::{Cut, Server},
    until,
};
use protocol::{
    Code, Incarnation, Position,
    backbone::maps::{ListPeers, MapServer},
};
use rustix::process::Signal;

/// How soon another Central leads after one that was killed, or hangs.
const FOLLOWED: Duration = Duration::from_secs(4);
/// How soon another one leads after one that lost NATS, which others must notice first.
const GIVES_WAY: Duration = Duration::from_secs(5);
/// How soon another one leads after one that was told to stop.
const HANDED_OVER: Duration = Duration::from_secs(1);
/// How soon the registry is whole again.
const WHOLE: Duration = Duration::from_secs(2);
const SPAWNER: &str = "spawn-1";

/// Both maps, both Centrals, the first of which leads; where the second one takes clients, and
/// somebody who listens.
async fn two_centrals() -> (Rig, String, Recorder) {
    let mut rig = Rig::with_maps("town,forest").await;
    let other = rig.start_another_central("central-2").await;
    let subjects = ["mmo.>", "_INBOX_map.>", "_INBOX_spawner.>", "_INBOX_operator.>"];
    let heard = Recorder::start(rig.backbone().await, &subjects).await;
    assert_eq!(who_leads(&rig).await, "central-1");
    (rig, other, heard)
}

/// By `nats micro`.
async fn who_leads(rig: &Rig) -> String {
    let leaders = ask_everybody(rig.nats.address(), "$SRV.INFO.cluster", 1).await;
    leaders[0]["metadata"]["id"].as_str().unwrap().to_owned()
}

/// Waits until the second Central says that it leads: its Cluster's life, and when that was.
async fn leads(heard: &Recorder, central: &str) -> (Incarnation, Instant) {
    let (_, up) = heard.next(0, "event.cluster.up", |up| up["central"] == central).await;
    assert!(up["epoch"].as_u64() > Some(1), "{up}");
    (up["incarnation"].as_str().unwrap().parse().unwrap(), Instant::now())
}

/// Each Map Server's process.
async fn processes(rig: &Rig) -> Vec<(String, Option<u32>)> {
    let children = rig.children(SPAWNER).await.children;
    children.into_iter().map(|child| (child.server.to_string(), child.pid)).collect()
}

fn lives(maps: &[MapServer]) -> Vec<(String, u16, u16)> {
    maps.iter().map(|map| (map.life().to_string(), map.channel.0, map.port)).collect()
}

#[tokio::test]
async fn the_other_one_leads_when_the_leader_is_killed_and_players_play_on() {
    let (mut rig, other, heard) = two_centrals().await;
    let mut ada = rig.player_on_map("Ada").await;
    let first = std::mem::replace(&mut rig.central_address, other);
    // The one that stands by takes logins, and finds the way to a map.
    let mut bob = rig.player_on_map("Bob").await;
    bob.sees("Ada").await;
    let (before, running) = (rig.peers().await, processes(&rig).await);

    rig.kill_central();
    let killed = Instant::now();
    let plays_on = async {
        ada.is_heard_by(&mut bob, "is anybody there?").await;
        ada.walk_to(Position { x: 18.0, y: 14.0 }).await;
        bob.is_heard_by(&mut ada, "I am here").await;
    };
    let ((cluster, at), ()) = tokio::join!(leads(&heard, "central-2"), plays_on);
    let took = at - killed;
    println!("after a kill the other Central led after {} ms", took.as_millis());
    assert!(took < FOLLOWED, "{took:?}");

    let after = rig.maps_up_within(2, WHOLE).await;
    until(WHOLE, "the spawner is known", async || {
        (rig.peers().await.spawners.len() == 1).then_some(())
    })
    .await;
    println!("the registry was whole {} ms after the kill", killed.elapsed().as_millis());
    assert_eq!(lives(&after), lives(&before.maps), "the same lives, on the same channels");
    assert_eq!(processes(&rig).await, running, "nothing was started or ended");
    Admin::of(&rig.other_centrals[0]).await.is_ready(WHOLE).await;
    let cyd = rig.player_on_map("Cyd").await;
    cyd.sees("Ada").await;
    ada.warp_to("forest").await;

    // The first one comes back, and stands by.
    rig.central_address = first;
    rig.start_central().await;
    assert_eq!(who_leads(&rig).await, "central-2");
    assert_eq!(rig.peers().await.view.cluster, cluster);
    let dan = rig.player_on_map("Dan").await;
    dan.sees("Bob").await;
    assert_eq!(rig.peers().await.maps.len(), 2);
}

#[tokio::test]
async fn a_drain_goes_on_under_the_next_leader_until_it_is_taken_back() {
    let (mut rig, other, heard) = two_centrals().await;
    let mut ada = rig.player_on_map("Ada").await;
    let drain = ["drain", "--map", "town", "--countdown-s", "60", "--reason", "new walls"];
    let (status, _, err) = rig.mmo(&drain).run(SOON).await;
    assert!(status.success(), "{err}");
    let countdown = |event| match event {
        ClientEvent::Emptying { countdown_ms, .. } => Some(countdown_ms),
        _ => None,
    };
    let first = ada.event(SOON, "being told", countdown).await.unwrap();
    rig.kill_central();
    leads(&heard, "central-2").await;
    // The map is told anew, of what is left.
    let second = ada.event(SOON, "being told again", countdown).await.unwrap();
    assert!(second < first, "{second:?} {first:?}");
    let (_, out, _) = rig.mmo(&["status"]).run(SOON).await;
    assert!(out.contains("map town is to be empty in"), "{out}");
    let (status, _, err) = rig.mmo(&["drain", "--map", "town", "--abort"]).run(SOON).await;
    assert!(status.success(), "{err}");
    assert_eq!(ada.event(SOON, "that it is called off", countdown).await, None);
    let (_, out, _) = rig.mmo(&["status"]).run(SOON).await;
    assert!(!out.contains("is to be empty"), "{out}");
    rig.central_address = other;
    rig.player_on_map("Bob").await.sees("Ada").await;
}

#[tokio::test]
async fn a_newer_login_at_the_other_central_ends_the_older_one() {
    let (mut rig, other, _) = two_centrals().await;
    let mut older = rig.player("Ada").await;
    rig.central_address = other;
    let newer = rig.player("Ada").await;
    let Reason::Told(failure) = older.sent_away(SOON).await else { panic!("it is told why") };
    assert_eq!(failure.code, Code::SessionReplaced, "{failure}");
    newer.enter().await;
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let (mut rig, other, heard) = two_centrals().await;
    let ada = rig.player_on_map("Ada").await;
    let mut central = rig.central.take().unwrap();
    let told = Instant::now();
    central.signal(Signal::TERM);
    let (_, at) = leads(&heard, "central-2").await;
    let took = at - told;
    println!("after SIGTERM the other Central led after {} ms", took.as_millis());
    assert!(took < HANDED_OVER, "{took:?}");
    assert!(central.ended(SOON).await.success(), "{}", central.log());
    rig.maps_up_within(2, WHOLE).await;
    println!("the registry was whole {} ms after SIGTERM", told.elapsed().as_millis());
    // What the new leader commands is of a later term than what the old one may still have said.
    rig.typed("cluster.spawn", r#"{"map":"forest"}"#).await.unwrap();
    heard.next(0, "spawner.spawn-1.start", |command| command["epoch"] == 2).await;
    ada.warp_to("forest").await;
    rig.central_address = other;
    rig.player_on_map("Bob").await;
}

#[tokio::test]
async fn a_leader_that_hung_answers_nothing_when_it_goes_on() {
    let (mut rig, other, heard) = two_centrals().await;
    let ada = rig.player_on_map("Ada").await;
    let operator = rig.backbone().await;
    let mut central = rig.central.take().unwrap();
    central.hang().await;
    let hung = Instant::now();
    let (cluster, at) = leads(&heard, "central-2").await;
    println!("after a hang the other Central led after {} ms", (at - hung).as_millis());
    assert!(at - hung < FOLLOWED, "{:?}", at - hung);
    let led = heard.all().len();

    // From now on every question is answered, by this Cluster alone: what the other one still
    // listens to takes nothing away.
    rig.maps_up_within(2, WHOLE).await;
    let asks = async |until: Duration| {
        let mut answers = 0;
        while hung.elapsed() < until {
            let peers = operator.call(&(), ListPeers {}).await.unwrap();
            assert_eq!(peers.view.cluster, cluster);
            assert_eq!(peers.maps.len(), 2, "nobody is missed");
            answers += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        answers
    };
    let before = asks(Duration::from_secs(6)).await;
    central.signal(Signal::CONT);
    let after = asks(Duration::from_secs(10)).await;
    println!("{before} answers while it hung, {after} after");
    central.logged("this Central leads no more", SOON).await;
    assert_eq!(central.status(), None, "it stands by");

    let old = |heard: &&harness::recorder::Heard| {
        let said = heard.body["view"]["cluster"].as_str();
        said.is_some_and(|said| said != cluster.to_string())
    };
    let all = heard.all();
    let late: Vec<_> = all[led..].iter().filter(old).collect();
    assert!(late.is_empty(), "{late:#?}");
    assert_eq!(who_leads(&rig).await, "central-2");
    ada.warp_to("forest").await;
    rig.central_address = other;
    rig.player_on_map("Bob").await;
}

#[tokio::test]
async fn a_leader_that_is_cut_off_from_nats_gives_way() {
    let mut rig = Rig::empty().await;
    let nats = Server::Tcp(rig.nats.address().to_owned());
    let link = Proxy::start(nats).await;
    let over = |program: Program| program.env("NATS_URL", format!("nats://{}", link.address()));
    rig.start_central_as(over(rig.central_program())).await;
    rig.start_spawner(SPAWNER, "town,forest");
    rig.maps_up(2).await;
    let other = rig.start_another_central("central-2").await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let ada = rig.player_on_map("Ada").await;

    link.cut(Cut::Refused);
    let cut = Instant::now();
    let (_, at) = leads(&heard, "central-2").await;
    println!("after a cut the other Central led after {} ms", (at - cut).as_millis());
    assert!(at - cut < GIVES_WAY, "{:?}", at - cut);
    rig.maps_up_within(2, WHOLE).await;
    ada.warp_to("forest").await;
    link.heal();
    assert_eq!(who_leads(&rig).await, "central-2");
    rig.central_address = other;
    rig.player_on_map("Bob").await;
}

#[tokio::test]
async fn on_postgres_nobody_leads_while_it_is_away_and_one_does_when_it_is_back() {
    let Some(mut postgres) = Postgres::start().await else { return };
    let mut rig = Rig::empty().await;
    let url = postgres.url();
    let over = |program: Program| program.env("DATABASE_URL", &url);
    rig.start_central_as(over(rig.central_program())).await;
    let second = over(rig.central_program()).env("MMO_ID", "central-2").named("central-2");
    rig.start_another_central_as(second).await;
    rig.start_spawner(SPAWNER, "town,forest");
    rig.maps_up(2).await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let ada = rig.player_on_map("Ada").await;

    postgres.cut();
    rig.central.as_ref().unwrap().logged("this Central leads no more", SOON).await;
    ada.walk_to(Position { x: 18.0, y: 14.0 }).await;
    postgres.mend().await;
    let mended = Instant::now();
    let (place, up) = heard.next(0, "event.cluster.up", |_| true).await;
    println!("one led again {} ms after SQL was back", mended.elapsed().as_millis());
    rig.maps_up_within(2, WHOLE).await;

    // Whichever that is, the other one follows it.
    let (gone, follows) = match up["central"].as_str().unwrap() {
        "central-1" => (rig.central.as_mut().unwrap(), "central-2"),
        _ => (&mut rig.other_centrals[0], "central-1"),
    };
    gone.kill();
    let killed = Instant::now();
    heard.next(place + 1, "event.cluster.up", |up| up["central"] == follows).await;
    println!("after a kill {follows} led after {} ms", killed.elapsed().as_millis());
    assert!(killed.elapsed() < FOLLOWED, "{:?}", killed.elapsed());
    rig.maps_up_within(2, WHOLE).await;
    ada.warp_to("forest").await;
    drop(rig);
    postgres.end().await;
}

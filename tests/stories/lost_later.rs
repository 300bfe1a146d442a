//! NATS, Redis or SQL goes away while people play. They stay on their map and play on; who wants to
//! log in or to warp is told within 2 s to try again; once it is back all goes on by itself.

use std::time::{Duration, Instant};

use client::{Client, ClientError, ClientEvent, Reason};
use harness::{Player, Postgres, Process, Rig, SOON, player::PASSWORD, until};
use protocol::{Code, Failure, Position};
use rustix::process::Signal;
use sqlx::{Connection, SqliteConnection};

/// How soon a call that cannot be done is refused.
const REFUSED: Duration = Duration::from_secs(2);
/// How soon all works again.
const RESUMED: Duration = Duration::from_secs(10);

/// A player beside the town's gate, and another one who watches.
struct Town {
    ada: Player,
    bob: Player,
}

impl Town {
    const GATE: Position = Position { x: 26.0, y: 15.0 };
    /// One step before it.
    const BESIDE: Position = Position { x: 24.5, y: 15.0 };

    async fn of(rig: &Rig) -> Self {
        // Here once, so that logging in later is logging in, not registering.
        rig.player("Cleo").await.client.leave().await.unwrap();
        let (ada, bob) = (rig.player_on_map("Ada").await, rig.player_on_map("Bob").await);
        ada.walk_to(Self::BESIDE).await;
        Self { ada, bob }
    }

    /// Ada walks a step and back, and Bob sees both.
    async fn plays_on(&self) {
        for y in [16.0, 15.0] {
            let to = Position { x: Self::BESIDE.x, y };
            self.ada.walk_to(to).await;
            self.bob_sees_ada_at(to).await;
        }
    }

    async fn bob_sees_ada_at(&self, at: Position) {
        until(SOON, "Bob seeing Ada walk", async || {
            let around = self.bob.client.surroundings().expect("Bob stays on the map");
            let mut others = around.others.values();
            others.find(|sight| sight.name == "Ada" && sight.position.distance(at) < 0.1).map(drop)
        })
        .await;
    }

    /// Ada steps into the gate and is told to try again; she is still here.
    async fn warp_fails(&mut self) {
        let start = Instant::now();
        self.ada.client.walk(Self::GATE).await.unwrap();
        let refused = |event| match event {
            ClientEvent::WarpRefused { failure, .. } => Some(failure),
            ClientEvent::Disconnected { reason, .. } if reason != Reason::Planned => {
                panic!("Ada lost her map: {reason}")
            }
            _ => None,
        };
        let failure = self.ada.event(SOON, "the warp's refusal", refused).await;
        told_to_try_again("a warp", &failure, start.elapsed());
        self.ada.walk_to(Self::BESIDE).await;
    }

    /// Ada warps there and back, and Bob sees her again. Right after an outage a map may not have
    /// been heard of again yet, and Ada is told to try again.
    async fn warps(&mut self) {
        let start = Instant::now();
        while !self.enters_forest().await {
            assert!(start.elapsed() < RESUMED, "no warp after {:?}", start.elapsed());
            self.ada.walk_to(Self::BESIDE).await;
        }
        println!("a warp worked again after {:?}", start.elapsed());
        self.ada.warp_to("town").await;
        self.ada.walk_to(Self::BESIDE).await;
        self.bob_sees_ada_at(Self::BESIDE).await;
    }

    /// Ada steps into the gate; whether she came out in the forest.
    async fn enters_forest(&mut self) -> bool {
        self.ada.client.walk(Self::GATE).await.unwrap();
        let outcome = |event| match event {
            ClientEvent::EnteredMap(around) if around.map.as_str() == "forest" => Some(true),
            ClientEvent::WarpRefused { failure, .. } => {
                assert!(failure.retry, "{failure}");
                Some(false)
            }
            _ => None,
        };
        self.ada.event(SOON, "a warp, or its refusal", outcome).await
    }
}

fn told_to_try_again(what: &str, failure: &Failure, took: Duration) {
    println!("{what} was refused after {took:?}: {failure}");
    assert!(failure.retry, "{failure}");
    assert!(matches!(failure.code, Code::Unavailable | Code::DeadlinePassed), "{failure}");
    assert!(took < REFUSED, "{what} was refused after {took:?}");
}

async fn login(rig: &Rig) -> Result<Client, ClientError> {
    let (client, _) = rig.client();
    client.connect().await.expect("Central");
    client.login("account.cleo", PASSWORD).await?;
    Ok(client)
}

async fn login_fails(rig: &Rig) {
    let start = Instant::now();
    match login(rig).await {
        Err(ClientError::Failed(failure)) => {
            told_to_try_again("a login", &failure, start.elapsed());
        }
        other => panic!("{other:?}"),
    }
}

/// Logging in, selecting and entering work, without anything having been started again.
async fn login_works_again(rig: &Rig) {
    let start = Instant::now();
    until(RESUMED, "a login", async || match login(rig).await {
        Ok(client) => Some(client),
        Err(error) => {
            assert!(error.is_retryable(), "{error}");
            None
        }
    })
    .await;
    println!("a login worked again after {:?}", start.elapsed());
    let cleo = rig.player("Cleo").await;
    cleo.enter().await;
    cleo.client.leave().await.unwrap();
}

/// Leaves and comes back to the place that was left.
async fn nothing_is_lost(rig: &Rig, town: &Town) {
    let place = Position { x: 22.0, y: 13.0 };
    town.ada.walk_to(place).await;
    town.ada.client.leave().await.unwrap();
    let ada = rig.player_on_map("Ada").await;
    assert!(ada.position().distance(place) < 0.2, "{:?}", ada.position());
}

#[tokio::test]
async fn nats_is_killed_and_comes_back() {
    let mut rig = Rig::with_maps("town,forest").await;
    let mut town = Town::of(&rig).await;
    rig.nats.kill();
    town.plays_on().await;
    login_fails(&rig).await;
    town.warp_fails().await;
    town.plays_on().await;

    rig.nats.restart();
    login_works_again(&rig).await;
    rig.maps_up(2).await;
    town.warps().await;
    nothing_is_lost(&rig, &town).await;
}

#[tokio::test]
async fn nats_hangs_for_eight_seconds() {
    let mut rig = Rig::with_maps("town,forest").await;
    let mut town = Town::of(&rig).await;
    let start = Instant::now();
    rig.nats.hang().await;
    login_fails(&rig).await;
    town.warp_fails().await;
    while start.elapsed() < Duration::from_secs(8) {
        town.plays_on().await;
    }
    login_fails(&rig).await;

    rig.nats.signal(Signal::CONT);
    login_works_again(&rig).await;
    rig.maps_up(2).await;
    town.warps().await;
    nothing_is_lost(&rig, &town).await;
}

#[tokio::test]
async fn redis_is_killed_and_comes_back() {
    let mut rig = Rig::with_maps("town,forest").await;
    let mut town = Town::of(&rig).await;
    rig.redis.kill();
    town.plays_on().await;
    login_fails(&rig).await;
    town.warp_fails().await;
    town.plays_on().await;

    rig.redis.restart().await;
    login_works_again(&rig).await;
    town.warps().await;
    nothing_is_lost(&rig, &town).await;
}

#[tokio::test]
async fn redis_hangs_and_goes_on() {
    let mut rig = Rig::with_maps("town,forest").await;
    let mut town = Town::of(&rig).await;
    rig.redis.signal(Signal::STOP);
    town.plays_on().await;
    login_fails(&rig).await;
    town.warp_fails().await;

    rig.redis.signal(Signal::CONT);
    login_works_again(&rig).await;
    town.warps().await;
    nothing_is_lost(&rig, &town).await;
}

/// Somebody else writes into the file and does not end. Reading works, so a login does; nothing
/// can be saved, so a warp does not.
#[tokio::test]
async fn the_sqlite_file_is_locked_and_freed() {
    let rig = Rig::with_maps("town,forest").await;
    let mut town = Town::of(&rig).await;
    let url = format!("sqlite://{}", rig.folder().join("waystone.db").display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    town.plays_on().await;
    let start = Instant::now();
    let (client, _) = rig.client();
    client.connect().await.unwrap();
    match client.register("account.dora", PASSWORD).await {
        Err(ClientError::Failed(failure)) => {
            told_to_try_again("a registration", &failure, start.elapsed());
        }
        other => panic!("{other:?}"),
    }
    town.warp_fails().await;
    town.plays_on().await;

    lock.rollback().await.unwrap();
    login_works_again(&rig).await;
    town.warps().await;
    nothing_is_lost(&rig, &town).await;
}

#[tokio::test]
async fn postgres_goes_and_comes_back() {
    let Some(mut postgres) = Postgres::start().await else { return };
    let mut rig = Rig::empty().await;
    let central = rig.central_program().env("DATABASE_URL", postgres.url());
    rig.start_central_as(central).await;
    rig.start_spawner("spawn-1", "town,forest");
    rig.maps_up(2).await;
    let mut town = Town::of(&rig).await;
    postgres.cut();
    town.plays_on().await;
    login_fails(&rig).await;
    town.warp_fails().await;
    town.plays_on().await;

    postgres.mend().await;
    login_works_again(&rig).await;
    town.warps().await;
    nothing_is_lost(&rig, &town).await;
    assert!(!log(&rig).contains("s3cret"));
    drop(rig);
    postgres.end().await;
}

fn log(rig: &Rig) -> String {
    rig.central.as_ref().map(Process::log).unwrap_or_default()
}

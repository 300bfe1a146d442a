//! The cluster of one test, and its clients.

use std::{collections::BTreeMap, ffi::OsString, sync::Mutex, time::Duration};

use instance::{Instance, Lifecycle, Program, Readiness, Role, config};
use map::settings::Settings;
use protocol::{
    AccessToken, AccountId, Code, ConnectionInfo, Failure, Position,
    backbone::{events::SessionEnded, seats::ReserveSeat},
    frame::Encoding,
    play::{Arrival, PlayInput, PlayMessage},
};
use serde::Serialize;
use sessions::Sessions;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use wire::Connection;
use world::{
    Quiet,
    atlas::{MapPlan, PortalPlan},
};

use super::{
    backends::Backends,
    central::{Central, Hero},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A field; the town has a portal to the forest.
fn plan(map: &str) -> MapPlan {
    let mut plan = MapPlan::field(map.parse().unwrap(), 40.0, 30.0);
    if map == "town" {
        plan.portals.push(PortalPlan {
            at: Position { x: 26.0, y: 15.0 },
            radius: 1.0,
            to: "forest".parse().unwrap(),
            arrive: Some(Position { x: 8.0, y: 20.0 }),
            instance: false,
        });
    }
    plan
}

pub(crate) struct World {
    pub(crate) central: Central,
    sessions: Sessions,
    logins: Mutex<BTreeMap<AccountId, AccessToken>>,
    pub(crate) backends: Backends,
}

/// A Map Server in this process.
pub(crate) struct Server {
    id: &'static str,
    port: u16,
    lifecycle: Lifecycle,
    readiness: Readiness,
    done: JoinHandle<Result<(), instance::Stopped>>,
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    /// As SIGTERM does.
    pub(crate) async fn drain(self) {
        self.lifecycle.drain("the test says so");
        timeout(PATIENCE, self.done).await.unwrap().unwrap().unwrap();
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let backends = Backends::start().await;
        let central = Central::start(&backends.nats_url).await;
        let realm = "main".parse().unwrap();
        let sessions =
            Sessions::connect(&backends.redis_url, &realm, Duration::from_secs(600)).await.unwrap();
        Self { central, sessions, logins: Mutex::default(), backends }
    }

    pub(crate) async fn start(&self, id: &'static str, map: &str) -> Server {
        let program = Program::new(Role::Map, "test", "0");
        let args: Vec<OsString> =
            ["map", "--id", id, "--map", map, "--save-every-s", "1", "--link-grace-s", "1"]
                .map(OsString::from)
                .into();
        let env = BTreeMap::from([
            ("NATS_URL", &self.backends.nats_url),
            ("REDIS_URL", &self.backends.redis_url),
        ]);
        let env = |name: &std::ffi::OsStr| env.get(name.to_str()?).map(OsString::from);
        let loaded = config::load::<Settings>(&program, &args, env).unwrap();
        let instance = Instance::start(Role::Map, &loaded.basics).await.unwrap();
        let (lifecycle, readiness) = (instance.lifecycle.clone(), instance.readiness.clone());
        lifecycle.spawn_short("start", map::start::<Quiet>(loaded.config, plan(map), instance));
        let limit = loaded.basics.drain();
        let done = tokio::spawn(lifecycle.clone().run_until_done(std::future::pending(), limit));
        self.until("it is registered", || self.central.knows(id)).await;
        timeout(PATIENCE, readiness.ready()).await.unwrap();
        let port = self.central.map(id).port;
        Server { id, port, lifecycle, readiness, done }
    }

    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let looking = async {
            while !is_so() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
    }

    /// Logs the hero in and keeps a seat, as Central does when a character is selected.
    pub(crate) async fn select(&self, hero: &Hero, server: &Server) -> ConnectionInfo {
        let target = self.central.map(server.id);
        let seat = ReserveSeat {
            incarnation: target.incarnation,
            account: hero.account,
            character: hero.character,
            name: hero.name.clone(),
            instance: false,
        };
        let seat = self.central.backbone.call(&target.server, seat).await.unwrap();
        self.central.own(hero, target.life());
        ConnectionInfo {
            address: target.address,
            port: target.port,
            connection_key: target.connection_key,
            ticket: seat.ticket,
            seat_kept_ms: seat.kept_ms,
            server: target.server,
            map: target.map,
            channel: target.channel,
        }
    }

    pub(crate) async fn enter(&self, hero: &Hero, server: &Server) -> Result<Client, Failure> {
        let seat = self.select(hero, server).await;
        self.arrive(hero, &seat).await
    }

    pub(crate) async fn arrive(
        &self,
        hero: &Hero,
        seat: &ConnectionInfo,
    ) -> Result<Client, Failure> {
        let access_token = self.token(hero).await;
        let mut client = Client::connect(seat).await;
        let arrival = Arrival::Enter {
            account: hero.account,
            access_token,
            character: hero.character,
            connection_key: seat.connection_key.clone(),
            ticket: seat.ticket.clone(),
        };
        client.connection.send(&arrival).await.unwrap();
        match client.read().await {
            entered @ PlayMessage::Entered { .. } => Ok(Client { entered, ..client }),
            PlayMessage::Goodbye { failure } => Err(failure.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// What a client is told that begins with this.
    pub(crate) async fn first_words<T: Serialize>(
        &self,
        seat: &ConnectionInfo,
        words: &T,
    ) -> Failure {
        let mut client = Client::connect(seat).await;
        client.connection.send(words).await.unwrap();
        match client.read().await {
            PlayMessage::Goodbye { failure } => failure.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The hero's forged token, or that of its one login.
    async fn token(&self, hero: &Hero) -> AccessToken {
        let known = self.logins.lock().unwrap().get(&hero.account).cloned();
        if let Some(token) = hero.forged.clone().or(known) {
            return token;
        }
        let token = self.sessions.open(hero.account, &hero.name).await.unwrap().token;
        self.logins.lock().unwrap().insert(hero.account, token.clone());
        token
    }

    /// Waits until Redis knows the hero's login.
    pub(crate) async fn until_known(&self, hero: &Hero) {
        let token = self.token(hero).await;
        let looking = async {
            while !matches!(self.sessions.validate(hero.account, &token).await, Ok(Some(_))) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, looking).await.expect("Redis does not know the login");
    }

    /// Logs out everywhere, as Central tells it.
    pub(crate) async fn end_session(&self, hero: &Hero) {
        let opened = self.sessions.open(hero.account, &hero.name).await.unwrap();
        let session = opened.replaced.unwrap();
        let ended = SessionEnded { account: hero.account, session, why: Code::LoggedOut };
        self.central.backbone.publish(&ended).await.unwrap();
    }
}

/// A client on a map.
pub(crate) struct Client {
    connection: Connection,
    pub(crate) entered: PlayMessage,
}

impl Client {
    async fn connect(seat: &ConnectionInfo) -> Self {
        let connected =
            wire::connect(&seat.address, seat.port, Encoding::Msgpack, "test", PATIENCE).await;
        Self { connection: connected.unwrap().0, entered: PlayMessage::Pong { nonce: 0 } }
    }

    pub(crate) async fn say(&mut self, input: PlayInput) {
        self.connection.send(&input).await.unwrap();
    }

    async fn read(&mut self) -> PlayMessage {
        let frame = timeout(PATIENCE, self.connection.receive()).await.unwrap().unwrap();
        Encoding::Msgpack.decode(&frame).unwrap()
    }

    pub(crate) async fn until(&mut self, is_it: impl Fn(&PlayMessage) -> bool) -> PlayMessage {
        let reading = async {
            loop {
                let message = self.read().await;
                if is_it(&message) {
                    return message;
                }
            }
        };
        timeout(PATIENCE, reading).await.expect("it was not told in time")
    }

    /// The server has ended the connection, in order.
    pub(crate) async fn ended(&mut self) {
        let end = timeout(PATIENCE, self.connection.receive()).await.unwrap();
        assert!(matches!(end, Err(wire::WireError::Closed)), "{end:?}");
    }
}

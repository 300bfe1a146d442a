//! Typed calls against bare async-nats, side by side in one process on one nats-server.
//!
//! `cargo bench -p waystone-nats --bench calls [-- --smoke]`
//!
//! Bare: a request with the library's shared inbox, answered by a loop over a subscription, and as
//! many bytes each way. Typed: [`Backbone::call`] against an endpoint of a [`nats::Service`], which
//! also writes and reads JSON, holds a deadline, remembers its answers and counts for
//! `nats micro stats`.

use std::{
    error::Error,
    future::{Future, ready},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bench::{Plan, Series, Table};
use bytes::Bytes;
use futures_util::StreamExt;
use nats::{Backbone, Options, unix_ms};
use protocol::{
    AccountId, CharacterId, Incarnation, RequestId, ServerId, Ticket,
    backbone::{
        Command as Envelope,
        seats::{ReserveSeat, SeatReserved},
    },
};
use tempfile::TempDir;
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const FULL: Plan = Plan { rounds: 9, round: Duration::from_millis(700) };
const AT_ONCE: [usize; 3] = [1, 16, 128];
const SUBJECT: &str = "bare.reserve";

#[tokio::main]
async fn main() -> Outcome<()> {
    let (plan, nats) = (Plan::or(FULL), NatsServer::start().await?);
    let (bare, typed) = (Bare::open(&nats).await?, Typed::open(&nats).await?);
    let mut table = Table::new(["at once", "bare calls/s", "typed calls/s", "typed / bare"]);
    for at_once in AT_ONCE {
        let (mut bares, mut typeds) = (Series::default(), Series::default());
        for _ in 0..plan.rounds {
            bares.push(rate(&bare, at_once, plan.round).await?);
            typeds.push(rate(&typed, at_once, plan.round).await?);
        }
        table.row([
            at_once.to_string(),
            format!("{:.0}", bares.median()),
            format!("{:.0}", typeds.median()),
            format!("{:.2}", typeds.ratio_to(&bares)),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// Calls a second, so many of them at once.
async fn rate(caller: &impl Caller, at_once: usize, round: Duration) -> Outcome<f64> {
    let (start, mut calling) = (Instant::now(), JoinSet::new());
    for _ in 0..at_once {
        let caller = caller.clone();
        calling.spawn(async move {
            let mut calls = 0_u32;
            while start.elapsed() < round {
                caller.call().await?;
                calls += 1;
            }
            Outcome::Ok(calls)
        });
    }
    let mut calls = 0;
    while let Some(called) = calling.join_next().await {
        calls += called??;
    }
    Ok(f64::from(calls) / start.elapsed().as_secs_f64())
}

trait Caller: Clone + Send + 'static {
    fn call(&self) -> impl Future<Output = Outcome<()>> + Send;
}

#[derive(Clone)]
struct Bare {
    client: async_nats::Client,
    request: Bytes,
}

impl Bare {
    async fn open(nats: &NatsServer) -> Outcome<Self> {
        let answerer = async_nats::connect(&nats.url).await?;
        let mut requests = answerer.subscribe(SUBJECT).await?;
        answerer.flush().await?;
        let reply = Bytes::from(serde_json::to_vec(&seat())?);
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let Some(to) = request.reply else { continue };
                let _ = answerer.publish(to, reply.clone()).await;
            }
        });
        let envelope = Envelope {
            body: ask(),
            request_id: Some(RequestId::new()),
            deadline_ms: Some(unix_ms()),
        };
        let request = Bytes::from(serde_json::to_vec(&envelope)?);
        Ok(Self { client: async_nats::connect(&nats.url).await?, request })
    }
}

impl Caller for Bare {
    async fn call(&self) -> Outcome<()> {
        self.client.request(SUBJECT, self.request.clone()).await?;
        Ok(())
    }
}

#[derive(Clone)]
struct Typed {
    backbone: Backbone,
    town: ServerId,
    body: ReserveSeat,
}

impl Typed {
    async fn open(nats: &NatsServer) -> Outcome<Self> {
        let town: ServerId = "town-1".parse()?;
        let mut service = nats.join("map").await?.service("a Map Server").await?;
        let seat = seat();
        service.add::<ReserveSeat, _, _>(&town, move |_| ready(Ok(seat.clone()))).await?;
        service.ready().await?;
        tokio::spawn(service.run());
        Ok(Self { backbone: nats.join("central").await?, town, body: ask() })
    }
}

impl Caller for Typed {
    async fn call(&self) -> Outcome<()> {
        self.backbone.call(&self.town, self.body.clone()).await?;
        Ok(())
    }
}

fn ask() -> ReserveSeat {
    ReserveSeat {
        incarnation: Incarnation::new(),
        account: AccountId::new(),
        character: CharacterId::new(),
        name: "Ada".to_owned(),
        instance: false,
    }
}

fn seat() -> SeatReserved {
    SeatReserved { ticket: Ticket::from_bytes([7; 32]), kept_ms: 10_000 }
}

/// A nats-server on a free port of loopback, ended with its owner.
struct NatsServer {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl NatsServer {
    async fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("nats-server");
        command.args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"]).arg(folder.path());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let file = folder.path().join(format!("nats-server_{}.ports", process.id()));
        let mut server = Self { process, url: String::new(), _folder: folder };
        for _ in 0..500 {
            if let Some(url) = said_url(&std::fs::read(&file).unwrap_or_default()) {
                server.url = url;
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("nats-server does not say its port".into())
    }

    async fn join(&self, role: &str) -> Outcome<Backbone> {
        let options = Options {
            url: self.url.clone(),
            credentials: None,
            realm: "bench".parse()?,
            role: role.to_owned(),
            id: "1".to_owned(),
        };
        Ok(Backbone::connect(options).await?)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn said_url(ports: &[u8]) -> Option<String> {
    let said: serde_json::Value = serde_json::from_slice(ports).ok()?;
    said.get("nats")?.get(0)?.as_str().map(str::to_owned)
}

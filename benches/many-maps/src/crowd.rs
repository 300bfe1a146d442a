//! Map Servers on one connection.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use protocol::{
    Channel, ConnectionKey, Incarnation, MapName, ServerId,
    backbone::maps::{MapBeat, MapServer, MorePeers, RegisterMap},
};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::line::{self, Heard, Message};

const ROOT: &str = "mmo.v1.main";
/// Lines that wait to be written.
const QUEUE: usize = 4096;

/// Map Servers on one connection.
pub(crate) struct Crowd {
    number: u32,
    servers: Vec<MapServer>,
    write: mpsc::Sender<Vec<u8>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The last sequence that each subscription has heard; the first one's is at 0.
    sequences: Vec<AtomicU64>,
    registered: AtomicU64,
    newcomers: AtomicU64,
    asked: AtomicU64,
    waiting: Mutex<std::collections::HashMap<u64, oneshot::Sender<Vec<u8>>>>,
}

fn described(id: &str, number: u32) -> anyhow::Result<MapServer> {
    let server: ServerId = id.parse()?;
    let map: MapName = format!("map-{}", number % 500).parse()?;
    Ok(MapServer {
        server,
        incarnation: Incarnation::new(),
        map,
        channel: Channel(u16::try_from(number / 500 + 1)?),
        address: "127.0.0.1".to_owned(),
        port: u16::try_from(1024 + number % 60_000)?,
        connection_key: ConnectionKey::from_bytes([7; 32]),
        population: 0,
        capacity: 200,
        spawner: None,
        version: "0.1.0".to_owned(),
        claimed: false,
    })
}

impl Crowd {
    pub(crate) async fn connect(nats: &str, number: u32, count: u32) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(nats).await.context("NATS")?;
        let (read, mut writer) = stream.into_split();
        let (write, mut lines) = mpsc::channel::<Vec<u8>>(QUEUE);
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                if writer.write_all(&line).await.is_err() {
                    break;
                }
            }
        });
        let state = Arc::new(State {
            sequences: (0..count).map(|_| AtomicU64::new(0)).collect(),
            ..State::default()
        });
        let mut hello =
            b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n".to_vec();
        hello.extend(format!("SUB _INBOX.{number}.* 1\r\n").bytes());
        for place in 0..count {
            hello.extend(format!("SUB {ROOT}.event.map.* {}\r\n", place + 2).bytes());
        }
        write.send(hello).await?;
        let heard = Arc::clone(&state);
        let pongs = write.clone();
        tokio::spawn(async move {
            // Its end shows by what is waited for in vain.
            let _ = listen(read, &heard, &pongs).await;
        });
        let servers = (0..count)
            .map(|place| described(&format!("m-{number}-{place}"), number + place * 50))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { number, servers, write, state })
    }

    /// Registers all, one after the other; who is registered beats.
    pub(crate) async fn register_all(&self, limit: Duration) -> anyhow::Result<()> {
        let (servers, write, number) = (self.servers.clone(), self.write.clone(), self.number);
        let state = Arc::clone(&self.state);
        tokio::spawn(async move { beat(&servers, &state.registered, &write, number).await });
        for server in &self.servers {
            self.register(server, limit).await?;
            self.state.registered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(crate) async fn register_newcomer(&self, id: &str, limit: Duration) -> anyhow::Result<()> {
        let newcomer = described(id, 30_000 + u32::try_from(self.servers.len())?)?;
        self.register(&newcomer, limit).await
    }

    /// The least that any of them has heard.
    pub(crate) fn last_sequence(&self) -> u64 {
        let heard = self.state.sequences.iter().map(|it| it.load(Ordering::Relaxed));
        heard.min().unwrap_or(u64::MAX)
    }

    /// How often somebody has heard of a newcomer.
    pub(crate) fn heard_of_newcomer(&self) -> u64 {
        self.state.newcomers.load(Ordering::Relaxed)
    }

    async fn register(&self, server: &MapServer, limit: Duration) -> anyhow::Result<()> {
        let register = RegisterMap { server: server.clone() };
        let payload = serde_json::to_vec(&register)?;
        let mut answer = self.ask("cluster.map.register", &payload, limit).await?;
        // The list comes in pages; the last server of each is what the next is asked with.
        while contains(&answer, b"\"more\":true") {
            let after = last_server(&answer).context("a page without servers")?.parse()?;
            let payload = serde_json::to_vec(&MorePeers { after })?;
            answer = self.ask("cluster.more_peers", &payload, limit).await?;
        }
        Ok(())
    }

    async fn ask(&self, words: &str, payload: &[u8], limit: Duration) -> anyhow::Result<Vec<u8>> {
        for _ in 0..20 {
            let number = self.state.asked.fetch_add(1, Ordering::Relaxed);
            let (reply, answer) = oneshot::channel();
            lock(&self.state.waiting).insert(number, reply);
            let inbox = format!("_INBOX.{}.{number}", self.number);
            self.write.send(publish(words, Some(&inbox), payload)).await?;
            let answer = timeout(limit, answer).await.context("no answer")??;
            if answer.starts_with(b"{") {
                return Ok(answer);
            }
            // Busy, as with thousands that start together.
            sleep(Duration::from_millis(100)).await;
        }
        bail!("{words} is refused again and again")
    }
}

fn publish(words: &str, reply: Option<&str>, payload: &[u8]) -> Vec<u8> {
    let reply = reply.map_or_else(String::new, |reply| format!("{reply} "));
    let mut line = format!("PUB {ROOT}.{words} {reply}{}\r\n", payload.len()).into_bytes();
    line.extend(payload);
    line.extend(b"\r\n");
    line
}

/// Each beats once a second, spread over it.
async fn beat(
    servers: &[MapServer],
    registered: &AtomicU64,
    write: &mpsc::Sender<Vec<u8>>,
    number: u32,
) {
    let pause = Duration::from_secs(1) / u32::try_from(servers.len().max(1)).unwrap_or(u32::MAX);
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let inbox = format!("_INBOX.{number}.beat");
    loop {
        for (place, server) in servers.iter().enumerate() {
            ticks.tick().await;
            if place as u64 >= registered.load(Ordering::Relaxed) {
                continue;
            }
            let (life, claimed) = (server.life(), false);
            let beat = MapBeat { life, population: 0, load: 0.0, taken: 0, claimed };
            let Ok(payload) = serde_json::to_vec(&beat) else { return };
            let line = publish("cluster.map.beat", Some(&inbox), &payload);
            if write.send(line).await.is_err() {
                return;
            }
        }
    }
}

async fn listen(
    read: OwnedReadHalf,
    state: &State,
    pongs: &mpsc::Sender<Vec<u8>>,
) -> anyhow::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 20, read);
    loop {
        match line::read(&mut reader).await? {
            Heard::Ping => pongs.send(b"PONG\r\n".to_vec()).await?,
            Heard::Message(message) if message.sid == 1 => answered(state, message),
            Heard::Message(message) => heard(state, &message),
            Heard::Other => {}
        }
    }
}

fn answered(state: &State, message: Message) {
    let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
    let waiting = number.and_then(|number: u64| lock(&state.waiting).remove(&number));
    if let Some(reply) = waiting {
        let _ = reply.send(message.payload); // it may have given up
    }
}

fn heard(state: &State, message: &Message) {
    let place = state.sequences.get(message.sid.saturating_sub(2) as usize);
    if let (Some(place), Some(sequence)) = (place, sequence(&message.payload)) {
        place.fetch_max(sequence, Ordering::Relaxed);
    }
    if contains(message.payload.get(..200).unwrap_or(&message.payload), b"\"newcomer-") {
        state.newcomers.fetch_add(1, Ordering::Relaxed);
    }
}

/// The view's number, which comes first in every event.
fn sequence(payload: &[u8]) -> Option<u64> {
    let key = b"\"sequence\":";
    let at = payload.windows(key.len()).position(|window| window == key)? + key.len();
    let mut digits = payload.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    digits.try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

fn last_server(payload: &[u8]) -> Option<&str> {
    let key = b"{\"server\":\"";
    let at = payload.windows(key.len()).rposition(|window| window == key)? + key.len();
    let rest = payload.get(at..)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

fn contains(payload: &[u8], what: &[u8]) -> bool {
    payload.windows(what.len()).any(|window| window == what)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

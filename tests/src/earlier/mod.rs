//! A spawner of an earlier release and its Map Servers, as they look from NATS: they say what that
//! release said, down to the field, and read no more than it read. No client can enter them.
//!
//! # Layout
//! - [`words`]: what that release reads. [`wire`]: its connection.
//! - [`neighbours`]: the Map Servers that it knows.

mod neighbours;
mod wire;
mod words;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use protocol::{Incarnation, RequestId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::interval};

use self::{
    neighbours::Neighbours,
    wire::{Message, Wire},
    words::{BeatHeard, Done, MapRegistered, Peers, SpawnerRegistered, StartChild, StopChild},
};
use crate::{typed, wait::SOON};

/// The version that its Map Servers tell; its spawner tells none.
pub const VERSION: &str = "0.0.9";
/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// Map Servers that it runs at most.
const SLOTS: u32 = 16;
/// A byte of its connection keys, in hexadecimal: they open nothing.
const KEY_BYTE: &str = "7a";

/// A spawner of an earlier release with its Map Servers. Dropped, all of them fall silent.
pub struct Earlier {
    id: String,
    known: Arc<Mutex<Known>>,
    work: JoinHandle<()>,
    nats: String,
    incarnation: String,
}

/// What a story may look at.
#[derive(Default)]
struct Known {
    commands: Vec<(String, Value)>,
    maps: BTreeMap<String, Map>,
}

/// One of its Map Servers.
struct Map {
    /// As it registers.
    own: Value,
    neighbours: Neighbours,
}

impl Earlier {
    /// Starts it and waits until the Cluster knows it.
    ///
    /// # Panics
    /// When the Cluster does not take it in, or says what that release cannot read.
    pub async fn start(nats: &str, id: &str, maps: &[&str]) -> Self {
        let (incarnation, known) = (Incarnation::new().to_string(), Arc::default());
        let spawner = Spawner {
            id: id.to_owned(),
            incarnation: incarnation.clone(),
            may_run: maps.iter().map(|map| (*map).to_owned()).collect(),
            nats: nats.to_owned(),
            wire: Wire::connect(nats, &format!("spawner.{id}.*")).await,
            known: Arc::clone(&known),
            started: 0,
        };
        let Peers { spawners, .. } = spawner.ask("cluster.peers", json!({})).await;
        assert!(spawners.iter().all(|other| other.spawner != id), "{id} lives already");
        spawner.register().await;
        let work = tokio::spawn(spawner.live());
        Self { id: id.to_owned(), known, work, nats: nats.to_owned(), incarnation }
    }

    /// What it was told so far: `start`, `stop` or `list`, and the command as it came.
    ///
    /// # Panics
    /// When it has gone wrong.
    pub fn commands(&self) -> Vec<(String, Value)> {
        self.look(|known| known.commands.clone())
    }

    /// The ids of the Map Servers that it runs.
    ///
    /// # Panics
    /// When it has gone wrong.
    pub fn runs(&self) -> Vec<String> {
        self.look(|known| known.maps.keys().cloned().collect())
    }

    /// The ids of the Map Servers that one of its own knows.
    ///
    /// # Panics
    /// When it has gone wrong, or does not run that one.
    pub fn neighbours(&self, of: &str) -> Vec<String> {
        self.look(|known| known.maps[of].neighbours.ids())
    }

    /// Stops it: it has no Map Servers any more, and says farewell.
    ///
    /// # Panics
    /// When it still runs Map Servers, or the Cluster does not hear it.
    pub async fn stop(self) {
        assert_eq!(self.runs(), [""; 0], "stopped before its Map Servers");
        self.work.abort();
        let farewell = json!({
            "spawner": self.id, "incarnation": self.incarnation, "reason": "it was told to stop",
        });
        let Done {} = ask(&self.nats, "cluster.spawner.leave", farewell).await;
    }

    fn look<T>(&self, at: impl FnOnce(&Known) -> T) -> T {
        assert!(!self.work.is_finished(), "the earlier release went wrong, as told above");
        at(&self.known.lock().unwrap())
    }
}

impl Drop for Earlier {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// The spawner at work.
struct Spawner {
    id: String,
    incarnation: String,
    may_run: Vec<String>,
    nats: String,
    wire: Wire,
    known: Arc<Mutex<Known>>,
    started: u16,
}

impl Spawner {
    async fn live(mut self) {
        let mut beats = interval(BEAT);
        loop {
            tokio::select! {
                _ = beats.tick() => self.beat().await,
                message = self.wire.next() => self.take(message).await,
            }
        }
    }

    async fn register(&self) {
        let spawner = json!({
            "spawner": self.id, "incarnation": self.incarnation, "address": "127.0.0.1",
            "maps": self.may_run, "slots": SLOTS, "used": self.used(),
        });
        let registered = self.ask("cluster.spawner.register", json!({ "spawner": spawner })).await;
        let SpawnerRegistered { .. } = registered;
    }

    fn used(&self) -> usize {
        self.known.lock().unwrap().maps.len()
    }

    async fn beat(&mut self) {
        let beat =
            json!({ "spawner": self.id, "incarnation": self.incarnation, "used": self.used() });
        let heard: BeatHeard = self.ask("cluster.spawner.beat", beat).await;
        if !heard.known {
            self.register().await;
        }
        for map in self.maps() {
            let beat = json!({
                "server": map["server"], "incarnation": map["incarnation"],
                "population": 0, "load": 0.01,
            });
            let heard: BeatHeard = self.ask("cluster.map.beat", beat).await;
            if !heard.known {
                self.register_map(map).await;
            }
        }
    }

    /// Its Map Servers as they register.
    fn maps(&self) -> Vec<Value> {
        self.known.lock().unwrap().maps.values().map(|map| map.own.clone()).collect()
    }

    async fn take(&mut self, message: Message) {
        let Message { subject, reply, body } = message;
        let words = subject.strip_prefix("mmo.v1.main.").expect("a subject that was asked for");
        if let Some(event) = words.strip_prefix("event.map.") {
            return self.hear(event, &body).await;
        }
        let command = words.rsplit('.').next().unwrap_or_default().to_owned();
        let answer = match command.as_str() {
            "start" => self.start(read(&body)).await,
            "stop" => self.stop(read(&body)).await,
            "list" => self.list(),
            // It has no such endpoint: nobody answers.
            _ => return,
        };
        self.known.lock().unwrap().commands.push((command, read(&body)));
        let reply = reply.expect("a command is to be answered");
        self.wire.publish(&reply, &answer).await;
    }

    /// Something befell a Map Server; who has missed what came before asks for the full list.
    async fn hear(&self, event: &str, body: &[u8]) {
        let mut behind = Vec::new();
        for (server, map) in &mut self.known.lock().unwrap().maps {
            if !map.neighbours.hear(event, body) {
                behind.push(server.clone());
            }
        }
        for server in behind {
            let Peers { view, maps, .. } = self.ask("cluster.peers", json!({})).await;
            let mut known = self.known.lock().unwrap();
            let map = known.maps.get_mut(&server).expect("nobody else stops it");
            map.neighbours =
                Neighbours::new(view, maps.into_iter().filter(|map| map.server != server));
        }
    }

    async fn start(&mut self, StartChild { map, channel }: StartChild) -> Value {
        assert!(self.may_run.contains(&map), "it may not run {map}");
        self.started += 1;
        let port = 7100 + self.started;
        let server = format!("{}-{map}-{}", self.id, self.started);
        let started = json!({
            "spawner": self.id, "server": server, "map": map, "channel": channel.unwrap_or(1),
            "pid": std::process::id(),
        });
        self.wire.publish("mmo.v1.main.event.child.started", &started).await;
        let map = json!({
            "server": server, "incarnation": Incarnation::new(), "map": map,
            "channel": channel.unwrap_or(1), "address": "127.0.0.1", "port": port,
            "connection_key": KEY_BYTE.repeat(32), "population": 0, "capacity": 200,
            "spawner": self.id, "version": VERSION,
        });
        let map = self.register_map(map).await;
        json!({
            "server": map["server"], "incarnation": map["incarnation"], "spawner": self.id,
            "map": map["map"], "channel": map["channel"], "port": map["port"],
        })
    }

    /// Has a Map Server register, and keeps it as the Cluster knows it.
    async fn register_map(&self, mut own: Value) -> Value {
        let MapRegistered { view, channel, peers } =
            self.ask("cluster.map.register", json!({ "server": own })).await;
        own["channel"] = channel.into();
        let server = own["server"].as_str().expect("an id").to_owned();
        let neighbours = Neighbours::new(view, peers);
        let map = Map { own: own.clone(), neighbours };
        self.known.lock().unwrap().maps.insert(server, map);
        own
    }

    async fn stop(&mut self, StopChild { server }: StopChild) -> Value {
        let map = self.known.lock().unwrap().maps.remove(&server).expect("one that it runs");
        let how = "it was told to stop";
        let leave =
            json!({ "server": server, "incarnation": map.own["incarnation"], "reason": how });
        let Done {} = self.ask("cluster.map.leave", leave).await;
        let ended =
            json!({ "spawner": self.id, "server": server, "how": how, "restart_in_ms": null });
        self.wire.publish("mmo.v1.main.event.child.ended", &ended).await;
        json!({})
    }

    fn list(&self) -> Value {
        let children = self.maps().into_iter().map(|map| {
            json!({
                "server": map["server"], "map": map["map"], "channel": map["channel"],
                "state": "ready", "pid": std::process::id(), "port": map["port"], "restarts": 0,
            })
        });
        json!({ "children": children.collect::<Vec<_>>() })
    }

    async fn ask<T: DeserializeOwned>(&self, words: &str, body: Value) -> T {
        ask(&self.nats, words, body).await
    }
}

/// Asks with the deadline and the number that every command has.
async fn ask<T: DeserializeOwned>(nats: &str, words: &str, mut body: Value) -> T {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    body["request_id"] = json!(RequestId::new());
    body["deadline_ms"] = json!(u64::try_from((now + SOON).as_millis()).unwrap());
    let answer = typed::ask(nats, words, &body.to_string(), SOON).await;
    let answer = answer.unwrap_or_else(|refused| panic!("{words}: {refused}"));
    read(answer.to_string().as_bytes())
}

/// Reads as that release does.
fn read<T: DeserializeOwned>(line: &[u8]) -> T {
    serde_json::from_slice(line).unwrap_or_else(|error| {
        panic!("the earlier release cannot read {}: {error}", String::from_utf8_lossy(line))
    })
}

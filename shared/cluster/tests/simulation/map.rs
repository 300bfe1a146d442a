//! A Map Server's process.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Answer, Asked};
use protocol::{
    Channel, ConnectionKey, Failure, Incarnation, MapName, ServerId, SpawnerId,
    backbone::{
        Life,
        maps::{LeaveMap, MapBeat, MapServer},
    },
};

use crate::{
    letter::{Letter, Node, PeerNews},
    mind::incarnation,
    theatre::{Happening, Purpose, Theatre},
};

/// An instance whose party has gone asks to be stopped after this long.
const IDLE: u64 = 3_000;

#[derive(Debug)]
pub(crate) struct MapModel {
    pub(crate) server: ServerId,
    pub(crate) number: u64,
    pub(crate) map: MapName,
    pub(crate) channel: Channel,
    pub(crate) spawner: SpawnerId,
    pub(crate) capacity: u32,
    pub(crate) started: u64,
    pub(crate) hung_until: u64,
    pub(crate) registered: bool,
    pub(crate) players: BTreeSet<u64>,
    /// Seats kept for players on their way, and until when.
    pub(crate) kept: BTreeMap<u64, u64>,
    pub(crate) claimed: bool,
    pub(crate) ending: bool,
    /// Players are sent on at this time.
    pub(crate) drain: Option<u64>,
    empty_since: u64,
    pub(crate) view: View,
}

/// What it knows of its peers.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) cluster: u64,
    pub(crate) sequence: u64,
    pub(crate) stale: bool,
    pub(crate) owed: Option<u64>,
    pub(crate) peers: BTreeSet<ServerId>,
}

impl View {
    fn replace(&mut self, cluster: u64, sequence: u64, maps: &[MapServer]) {
        if cluster < self.cluster
            || (!self.stale && cluster == self.cluster && sequence < self.sequence)
        {
            return;
        }
        let peers = maps.iter().map(|map| map.server.clone()).collect();
        *self = Self { cluster, sequence, stale: false, owed: None, peers };
    }

    /// True: something is missing.
    fn hear(&mut self, news: PeerNews) -> bool {
        if news.cluster < self.cluster {
            return false;
        }
        if news.cluster == self.cluster && news.sequence <= self.sequence && !self.stale {
            return false;
        }
        if self.stale || news.cluster > self.cluster || news.sequence != self.sequence + 1 {
            self.stale = true;
            return true;
        }
        self.sequence = news.sequence;
        if news.is_there {
            self.peers.insert(news.server);
        } else {
            self.peers.remove(&news.server);
        }
        false
    }
}

fn number_of(incarnation: Incarnation) -> u64 {
    u64::try_from(incarnation.uuid().as_u128()).unwrap()
}

impl MapModel {
    pub(crate) fn life(&self) -> Life {
        Life { server: self.server.clone(), incarnation: incarnation(self.number) }
    }

    pub(crate) fn taken(&self) -> u32 {
        u32::try_from(self.players.len() + self.kept.len()).unwrap()
    }

    fn described(&self) -> MapServer {
        MapServer {
            server: self.server.clone(),
            incarnation: incarnation(self.number),
            map: self.map.clone(),
            channel: self.channel,
            address: "127.0.0.1".to_owned(),
            port: u16::try_from(1000 + self.number % 60_000).unwrap(),
            connection_key: ConnectionKey::from_bytes([0; 32]),
            population: u32::try_from(self.players.len()).unwrap(),
            capacity: self.capacity,
            spawner: Some(self.spawner.clone()),
            version: String::new(),
            claimed: self.claimed,
        }
    }
}

impl Theatre {
    pub(crate) fn launch(
        &mut self,
        server: ServerId,
        map: MapName,
        channel: Channel,
        spawner: SpawnerId,
        capacity: u32,
    ) -> u64 {
        self.processes += 1;
        let number = self.processes;
        self.say(|| format!("launch {server} #{number}"));
        let model = MapModel {
            server,
            number,
            map,
            channel,
            spawner,
            capacity,
            started: self.now,
            hung_until: 0,
            registered: false,
            players: BTreeSet::new(),
            kept: BTreeMap::new(),
            claimed: false,
            ending: false,
            drain: None,
            empty_since: self.now,
            view: View::default(),
        };
        self.maps.insert(number, model);
        let boot = self.between(50, 300);
        self.at(boot, Happening::MapBeat(number));
        number
    }

    /// Every second, from its boot on.
    pub(crate) fn map_beats(&mut self, number: u64) {
        let now = self.now;
        let Some(map) = self.maps.get_mut(&number) else { return };
        if map.hung_until > now {
            let wait = map.hung_until - now;
            return self.at(wait, Happening::MapBeat(number));
        }
        map.kept.retain(|_, until| *until > now);
        if map.drain.is_some_and(|at| at <= now) {
            map.drain = None;
            map.players.clear();
        }
        if map.taken() > 0 {
            map.empty_since = now;
        }
        let is_done = map.claimed && now - map.empty_since >= IDLE;
        let (life, server) = (map.life(), map.server.clone());
        let beat = MapBeat {
            life,
            population: u32::try_from(map.players.len()).unwrap(),
            load: 0.0,
            taken: map.taken(),
            claimed: map.claimed,
        };
        let registered = map.registered;
        if is_done {
            map.empty_since = now;
            let stop = Asked::Stop(protocol::backbone::spawners::StopMap { server });
            self.ask(Node::Map(number), stop, Purpose::Nothing);
        }
        if registered {
            self.ask(Node::Map(number), Asked::MapBeat(beat), Purpose::MapBeat);
            self.at(1_000, Happening::MapBeat(number));
        } else {
            self.map_registers(number);
            self.at(500, Happening::MapBeat(number));
        }
    }

    pub(crate) fn map_registers(&mut self, number: u64) {
        let Some(map) = self.maps.get(&number) else { return };
        let register = Asked::RegisterMap(map.described());
        self.ask(Node::Map(number), register, Purpose::MapRegister);
    }

    pub(crate) fn map_hears_answer(
        &mut self,
        number: u64,
        purpose: Purpose,
        answer: Result<Answer, Failure>,
    ) {
        let Some(map) = self.maps.get_mut(&number) else { return };
        match (purpose, answer) {
            (Purpose::MapRegister, Ok(Answer::MapRegistered(registered))) => {
                map.registered = true;
                map.channel = registered.channel;
                let view = registered.view;
                map.view.replace(number_of(view.cluster), view.sequence, &registered.peers);
                self.map_is_ready(number);
            }
            // Another one has its id: it ends.
            (Purpose::MapRegister, Err(failure)) => {
                self.say(|| format!("#{number} is refused: {failure}"));
                self.process_ends(number, false);
            }
            (Purpose::MapBeat, Ok(Answer::BeatHeard(heard))) if !heard.known => {
                self.map_registers(number);
            }
            (Purpose::MapBeat, Ok(Answer::BeatHeard(heard))) => {
                let (cluster, sequence) = (number_of(heard.view.cluster), heard.view.sequence);
                let view = &mut map.view;
                let behind = view.stale || view.cluster < cluster || view.sequence < sequence;
                let owed = view.owed.take().is_some_and(|owed| view.stale || view.sequence < owed);
                if owed {
                    self.ask(Node::Map(number), Asked::Peers(None), Purpose::Peers);
                } else {
                    view.owed = behind.then_some(sequence);
                }
            }
            (Purpose::Peers, Ok(Answer::Peers(peers))) => {
                let view = peers.view;
                map.view.replace(number_of(view.cluster), view.sequence, &peers.maps);
            }
            _ => {}
        }
    }

    pub(crate) fn map_hears(&mut self, number: u64, letter: Letter) {
        let Some(map) = self.maps.get_mut(&number) else { return };
        match letter {
            Letter::Peer(news) if map.registered && map.view.hear(news.clone()) => {
                self.ask(Node::Map(number), Asked::Peers(None), Purpose::Peers);
            }
            Letter::ClusterUp if map.registered => self.map_registers(number),
            Letter::Drain(life, job, drain) if drain.incarnation == incarnation(number) => {
                let now = self.now;
                map.drain = drain.countdown_ms.map(|ms| now + ms);
                self.send(Node::Map(number), Node::Central, Letter::DrainHeard(life, job));
            }
            _ => {}
        }
    }

    /// SIGTERM, unless it hangs.
    pub(crate) fn terminate(&mut self, number: u64) {
        let takes = self.between(50, 300);
        let now = self.now;
        let Some(map) = self.maps.get_mut(&number) else { return };
        if map.ending {
            return;
        }
        if map.hung_until > now {
            let wait = map.hung_until - now;
            return self.at(wait, Happening::Terminate(number));
        }
        map.ending = true;
        map.players.clear();
        let leave = LeaveMap { life: map.life(), reason: "told to stop".to_owned() };
        self.ask(Node::Map(number), Asked::LeaveMap(leave), Purpose::Nothing);
        self.at(takes, Happening::ProcessEnds(number));
    }
}

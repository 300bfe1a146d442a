//! Map Servers: registration, beats, silence, view numbers.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    time::Duration,
};

use protocol::{
    Channel, Code, Failure, Incarnation, MapName, ServerId, SpawnerId,
    backbone::{
        Life, View,
        events::{MapChanged, MapDown, MapUp},
        maps::{BeatHeard, LeaveMap, MapBeat, MapRegistered, MapServer, PAGE},
    },
};

use crate::{
    LINGER, REMOVED, SUSPECT,
    event::{Effect, Fate, News},
};

/// Lives remembered as over, so that a late message of one is known for what it is.
const OVER_REMEMBERED: usize = 1024;

#[derive(Debug)]
struct Known {
    server: MapServer,
    heard: Duration,
    /// Characters sent its way since its last beat, which does not count them.
    sent: u32,
    /// Places taken as of its last beat, those of players on their way included.
    taken: u32,
    /// Since when nobody is there and nobody was sent.
    empty_since: Option<Duration>,
}

impl Known {
    fn new(server: MapServer, now: Duration) -> Self {
        let empty_since = (server.population == 0).then_some(now);
        Self { heard: now, sent: 0, taken: server.population, empty_since, server }
    }
}

/// Every Map Server that lives, and the number of the view.
#[derive(Debug)]
pub struct Registry {
    view: View,
    known: BTreeMap<ServerId, Known>,
    over: VecDeque<Life>,
    /// Removed for their silence, and when.
    silenced: VecDeque<(Life, Duration)>,
}

impl Registry {
    /// An empty registry of this life of the Cluster.
    pub fn new(life: Incarnation) -> Self {
        let view = View { cluster: life, sequence: 0 };
        Self { view, known: BTreeMap::new(), over: VecDeque::new(), silenced: VecDeque::new() }
    }

    /// The number of the present state.
    pub fn view(&self) -> View {
        self.view
    }

    /// Every Map Server, by id.
    pub fn maps(&self) -> impl Iterator<Item = &MapServer> {
        self.known.values().map(|known| &known.server)
    }

    /// The Map Servers after one, by id, as many as fit into a message; and whether there are more.
    pub fn page(&self, after: Option<&ServerId>) -> (Vec<MapServer>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.known.range::<ServerId, _>((from, Bound::Unbounded));
        let page = rest.by_ref().take(PAGE).map(|(_, known)| known.server.clone()).collect();
        (page, rest.next().is_some())
    }

    /// Every Map Server whose beats come in time, by id.
    pub fn healthy(&self, now: Duration) -> impl Iterator<Item = &MapServer> {
        let fresh = move |known: &&Known| now.saturating_sub(known.heard) < SUSPECT;
        self.known.values().filter(fresh).map(|known| &known.server)
    }

    /// Players on a Map Server, places kept for those on their way, and those who were sent since
    /// it told of either.
    pub fn crowd(&self, server: &MapServer) -> u32 {
        let known = self.known.get(&server.server);
        known.map_or(server.population, |known| known.taken.saturating_add(known.sent))
    }

    /// Places that were free on a Map Server at its last beat.
    pub fn room(&self, server: &MapServer) -> u32 {
        let taken = self.known.get(&server.server).map_or(server.population, |known| known.taken);
        server.capacity.saturating_sub(taken)
    }

    /// Since when nobody is on a Map Server and nobody was sent there; `None` while somebody is.
    pub fn empty_since(&self, server: &ServerId) -> Option<Duration> {
        self.known.get(server)?.empty_since
    }

    /// Notes that so many characters were sent to a Map Server.
    pub fn send(&mut self, server: &ServerId, characters: u32) {
        if let Some(known) = self.known.get_mut(server) {
            known.sent = known.sent.saturating_add(characters);
            known.empty_since = None;
        }
    }

    /// The maps that each spawner runs, one entry for each Map Server; a spawner that runs none is
    /// left out.
    pub fn run_by(&self) -> BTreeMap<&SpawnerId, Vec<&MapName>> {
        let mut run = BTreeMap::<_, Vec<_>>::new();
        for server in self.maps() {
            if let Some(spawner) = &server.spawner {
                run.entry(spawner).or_default().push(&server.map);
            }
        }
        run
    }

    /// One of them.
    pub fn get(&self, server: &ServerId) -> Option<&MapServer> {
        self.known.get(server).map(|known| &known.server)
    }

    /// The Map Server that has a channel of a map.
    pub fn channel(&self, map: &MapName, channel: Channel) -> Option<&MapServer> {
        self.maps().find(|server| server.map == *map && server.channel == channel)
    }

    /// Whether a channel of a map is some server's.
    pub fn is_taken(&self, map: &MapName, channel: Channel) -> bool {
        self.channel(map, channel).is_some()
    }

    /// The lowest channel of a map that is no server's and not otherwise spoken for.
    pub fn free_channel(&self, map: &MapName, is_spoken_for: impl Fn(Channel) -> bool) -> Channel {
        let of_map = self.maps().filter(|server| server.map == *map);
        let taken: BTreeSet<Channel> = of_map.map(|server| server.channel).collect();
        let is_free = |channel: &Channel| !taken.contains(channel) && !is_spoken_for(*channel);
        // Not so many servers of one map can live as there are numbers.
        (1..=u16::MAX).map(Channel).find(is_free).unwrap_or(Channel(u16::MAX))
    }

    /// Takes in a Map Server, or the same one again. It gets the channel that it would like, or
    /// the next that is free.
    ///
    /// # Errors
    /// [`Code::IdInUse`] while another life of that id beats, [`Code::Fenced`] for a life that is
    /// known to be over.
    pub fn register(
        &mut self,
        mut server: MapServer,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<MapRegistered, Failure> {
        if self.over.contains(&server.life()) {
            let message = format!("{} was reported to have ended; it stays out", server.life());
            return Err(Failure::new(Code::Fenced, message));
        }
        self.make_way(&server, now, out)?;
        let known = self.known.remove(&server.server);
        if self.is_taken(&server.map, server.channel) {
            server.channel = self.free_channel(&server.map, |_| false);
        }
        let (peers, more) = self.page(None);
        if known.as_ref().map(|known| &known.server) != Some(&server) {
            let view = self.advance();
            out.push(Effect::Tell(News::MapUp(MapUp { view, server: server.clone() })));
        }
        let channel = server.channel;
        let id = server.server.clone();
        let known = match known {
            // Who was sent there is on the way still.
            Some(known) => Known { server, heard: now, ..known },
            None => Known::new(server, now),
        };
        self.known.insert(id, known);
        Ok(MapRegistered { view: self.view, channel, peers, more })
    }

    /// Removes an earlier life of the same id, if it is certainly over or has been silent.
    fn make_way(
        &mut self,
        newcomer: &MapServer,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<(), Failure> {
        let Some(known) = self.known.get(&newcomer.server) else { return Ok(()) };
        let present = &known.server;
        if present.incarnation == newcomer.incarnation {
            return Ok(());
        }
        // Two processes cannot have bound the same port: the one that was there is gone.
        let same_port = present.address == newcomer.address && present.port == newcomer.port;
        let silent = now.saturating_sub(known.heard) >= SUSPECT;
        if newcomer.incarnation < present.incarnation || !(same_port || silent) {
            let message = format!(
                "server id {} is in use by another Map Server at {}:{}; give this one another id, \
                 or stop that one",
                newcomer.server, present.address, present.port
            );
            return Err(Failure::new(Code::IdInUse, message));
        }
        self.remove(&newcomer.server.clone(), "replaced by a later start", out);
        Ok(())
    }

    /// Notes that a Map Server lives.
    pub fn beat(&mut self, beat: &MapBeat, now: Duration, out: &mut Vec<Effect>) -> BeatHeard {
        let known = self.known.get_mut(&beat.life.server);
        let Some(known) = known.filter(|known| known.server.incarnation == beat.life.incarnation)
        else {
            return BeatHeard { known: false, view: self.view };
        };
        known.heard = now;
        known.sent = 0;
        known.taken = beat.taken.max(beat.population);
        known.server.claimed |= beat.claimed;
        known.empty_since = (known.taken == 0).then(|| known.empty_since.unwrap_or(now));
        if known.server.population != beat.population {
            known.server.population = beat.population;
            let view = self.advance();
            let (life, population) = (beat.life.clone(), beat.population);
            out.push(Effect::Tell(News::MapChanged(MapChanged { view, life, population })));
        }
        BeatHeard { known: true, view: self.view }
    }

    /// Removes a Map Server that said so itself, or whose spawner saw it end.
    pub fn leave(&mut self, leave: &LeaveMap, out: &mut Vec<Effect>) {
        if self.over.len() >= OVER_REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back(leave.life.clone());
        let present = self.get(&leave.life.server);
        if present.is_some_and(|server| server.incarnation == leave.life.incarnation) {
            self.remove(&leave.life.server, &leave.reason, out);
        }
    }

    /// Takes everybody for heard just now.
    pub fn hear_all(&mut self, now: Duration) {
        self.known.values_mut().for_each(|known| known.heard = now);
    }

    /// Whether a life goes on.
    pub fn fate(&self, life: &Life, now: Duration) -> Fate {
        match self.get(&life.server) {
            Some(present) if present.incarnation == life.incarnation => return Fate::Alive,
            Some(present) if present.incarnation > life.incarnation => return Fate::Gone,
            _ => {}
        }
        if self.over.contains(life) {
            return Fate::Gone;
        }
        let silenced = self.silenced.iter().rfind(|(silenced, _)| silenced == life);
        let since = silenced.map_or(Duration::ZERO, |(_, at)| *at);
        if now.saturating_sub(since) < LINGER { Fate::Unsure } else { Fate::Gone }
    }

    /// Removes those whose beats have stopped, and returns them.
    pub fn remove_silent(&mut self, now: Duration, out: &mut Vec<Effect>) -> Vec<MapServer> {
        let silent = |known: &&Known| now.saturating_sub(known.heard) >= REMOVED;
        let gone: Vec<MapServer> =
            self.known.values().filter(silent).map(|known| known.server.clone()).collect();
        for server in &gone {
            if self.silenced.len() >= OVER_REMEMBERED {
                self.silenced.pop_front();
            }
            self.silenced.push_back((server.life(), now));
            self.remove(&server.server, "silent for three beats", out);
        }
        gone
    }

    fn remove(&mut self, server: &ServerId, reason: &str, out: &mut Vec<Effect>) {
        let Some(Known { server, .. }) = self.known.remove(server) else { return };
        let view = self.advance();
        out.push(Effect::Tell(News::MapDown(MapDown {
            view,
            life: server.life(),
            map: server.map,
            channel: server.channel,
            reason: reason.to_owned(),
        })));
    }

    fn advance(&mut self) -> View {
        self.view.sequence += 1;
        self.view
    }
}

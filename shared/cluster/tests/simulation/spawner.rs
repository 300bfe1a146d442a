//! A Map Spawn Server: a small model of what the real one promises.

use std::collections::BTreeMap;

use cluster::{Answer, Asked, Job};
use protocol::{
    Channel, Code, Failure, MapName, ServerId, SpawnerId,
    backbone::{
        maps::LeaveMap,
        spawners::{
            ChildState, Machine, MapSpawned, Pending, Pinned, Spawner, SpawnerBeat, StartChild,
            StopChild,
        },
    },
};

use crate::{
    letter::{Letter, Node},
    mind::incarnation,
    theatre::{CAPACITY, Happening, Purpose, Theatre},
};

const START_DEADLINE: u64 = 10_000;
const STOP_GRACE: u64 = 3_000;
const HUNG_GRACE: u64 = 1_000;
const CRASHES: usize = 5;

#[derive(Debug)]
pub(crate) struct SpawnerModel {
    pub(crate) life: u64,
    pub(crate) alive: bool,
    pub(crate) known: bool,
    pub(crate) slots: u32,
    pub(crate) maps: Vec<MapName>,
    pub(crate) pinned: Vec<Pinned>,
    pub(crate) children: BTreeMap<ServerId, Child>,
    pub(crate) numbers: BTreeMap<MapName, u32>,
    pub(crate) epoch: u64,
    stood: bool,
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) process: Option<u64>,
    pub(crate) map: MapName,
    pub(crate) channel: Channel,
    pub(crate) state: ChildState,
    /// Told to stop: it does not return.
    for_good: bool,
    standing: bool,
    was_ready: bool,
    cost: u32,
    capacity: u32,
    crashes: Vec<u64>,
    /// Who waits: the Cluster's life, and its job.
    starts: Vec<(u64, Job)>,
    stops: Vec<(u64, Job)>,
}

impl SpawnerModel {
    pub(crate) fn new(slots: u32, maps: Vec<MapName>, pinned: Vec<Pinned>) -> Self {
        Self {
            life: 0,
            alive: true,
            known: false,
            slots,
            maps,
            pinned,
            children: BTreeMap::new(),
            numbers: BTreeMap::new(),
            epoch: 0,
            stood: false,
        }
    }

    fn used(&self) -> u32 {
        self.children.values().map(|child| child.cost).sum()
    }

    fn pending(&self, spawner: &SpawnerId) -> Vec<Pending> {
        let not_ready = |child: &&(&ServerId, &Child)| child.1.state != ChildState::Ready;
        let children: Vec<_> = self.children.iter().collect();
        let pending = children.iter().filter(not_ready).map(|(server, child)| Pending {
            spawner: spawner.clone(),
            server: (*server).clone(),
            map: child.map.clone(),
            channel: child.channel,
            // One that is ended because it hangs is on its way back.
            state: match child.state {
                ChildState::Stopping if !child.for_good => ChildState::Waiting,
                state => state,
            },
        });
        pending.collect()
    }
}

impl Theatre {
    /// A spawner's process starts: it adopts what runs, and registers.
    pub(crate) fn spawner_starts(&mut self, id: &SpawnerId) {
        self.lives += 1;
        let life = self.lives;
        self.say(|| format!("{id} starts"));
        let Some(spawner) = self.spawners.get_mut(id) else { return };
        (spawner.life, spawner.alive, spawner.known, spawner.stood) = (life, true, false, false);
        spawner.epoch = 0;
        spawner.children.clear();
        for map in self.maps.values().filter(|map| map.spawner == *id) {
            let child = Child {
                process: Some(map.number),
                map: map.map.clone(),
                channel: map.channel,
                state: if map.registered { ChildState::Ready } else { ChildState::Starting },
                for_good: map.ending,
                standing: false,
                was_ready: map.registered,
                cost: 1,
                capacity: map.capacity,
                crashes: Vec::new(),
                starts: Vec::new(),
                stops: Vec::new(),
            };
            spawner.children.insert(map.server.clone(), child);
        }
        let adopted: Vec<(ServerId, u64)> = spawner
            .children
            .iter()
            .filter(|(_, child)| child.state == ChildState::Starting)
            .filter_map(|(server, child)| Some((server.clone(), child.process?)))
            .collect();
        for (server, process) in adopted {
            let late = Happening::StartLate(id.clone(), server, process);
            self.at(START_DEADLINE, late);
        }
        self.at(0, Happening::SpawnerBeat(id.clone(), life));
    }

    pub(crate) fn spawner_dies(&mut self, id: &SpawnerId) {
        self.say(|| format!("{id} is killed"));
        if let Some(spawner) = self.spawners.get_mut(id) {
            spawner.alive = false;
            spawner.children.clear();
        }
    }

    /// Every second.
    pub(crate) fn spawner_beats(&mut self, id: &SpawnerId, life: u64) {
        let Some(spawner) = self.spawners.get(id) else { return };
        if !spawner.alive || spawner.life != life {
            return;
        }
        if spawner.known {
            let beat = SpawnerBeat {
                spawner: id.clone(),
                incarnation: incarnation(life),
                used: spawner.used(),
                machine: Machine::default(),
                pending: spawner.pending(id),
            };
            let node = Node::Spawner(id.clone());
            self.ask(node, Asked::SpawnerBeat(beat), Purpose::SpawnerBeat(life));
            self.at(1_000, Happening::SpawnerBeat(id.clone(), life));
        } else {
            self.spawner_registers(id);
            self.at(500, Happening::SpawnerBeat(id.clone(), life));
        }
    }

    pub(crate) fn spawner_registers(&mut self, id: &SpawnerId) {
        let Some(spawner) = self.spawners.get(id) else { return };
        let address = "127.0.0.1".to_owned();
        let described = Spawner {
            used: spawner.used(),
            pinned: spawner.pinned.clone(),
            pending: spawner.pending(id),
            ..Spawner::new(
                id.clone(),
                incarnation(spawner.life),
                address,
                spawner.maps.clone(),
                spawner.slots,
            )
        };
        let purpose = Purpose::SpawnerRegister(spawner.life);
        self.ask(Node::Spawner(id.clone()), Asked::RegisterSpawner(described), purpose);
    }

    pub(crate) fn spawner_hears_answer(
        &mut self,
        id: &SpawnerId,
        purpose: &Purpose,
        answer: Result<Answer, Failure>,
    ) {
        let Some(spawner) = self.spawners.get_mut(id) else { return };
        let (Purpose::SpawnerRegister(life) | Purpose::SpawnerBeat(life)) = purpose else {
            return;
        };
        if !spawner.alive || spawner.life != *life {
            return;
        }
        match answer {
            Ok(Answer::SpawnerRegistered(registered)) => {
                spawner.known = true;
                spawner.epoch = spawner.epoch.max(registered.epoch);
                if !std::mem::replace(&mut spawner.stood, true) {
                    self.spawner_stands(id);
                }
            }
            Ok(Answer::BeatHeard(heard)) if !heard.known => self.spawner_registers(id),
            _ => {}
        }
    }

    /// Starts what is missing of its `spawn_maps`.
    fn spawner_stands(&mut self, id: &SpawnerId) {
        let Some(spawner) = self.spawners.get(id) else { return };
        for pinned in spawner.pinned.clone() {
            loop {
                let Some(spawner) = self.spawners.get(id) else { return };
                let of_map = spawner.children.values().filter(|child| child.map == pinned.map);
                let taken: Vec<Channel> = of_map.map(|child| child.channel).collect();
                if taken.len() >= pinned.channels.into() {
                    break;
                }
                let free = (1..).map(Channel).find(|channel| !taken.contains(channel)).unwrap();
                let start = StartChild::new(pinned.map.clone(), Some(free));
                if self.add_child(id, &start, true).is_err() {
                    return;
                }
            }
        }
    }

    fn add_child(
        &mut self,
        id: &SpawnerId,
        start: &StartChild,
        standing: bool,
    ) -> Result<ServerId, Failure> {
        let spawner = self.spawners.get_mut(id).unwrap();
        let here = |child: &Child| child.map == start.map && Some(child.channel) == start.channel;
        if let Some((server, child)) = spawner.children.iter().find(|(_, child)| here(child)) {
            if child.state == ChildState::Stopping {
                return Err(Failure::new(Code::NoSpawner, "it is just stopping"));
            }
            return Ok(server.clone());
        }
        let cost = start.cost.unwrap_or(1);
        if spawner.used() + cost > spawner.slots {
            return Err(Failure::new(Code::NoSpawner, "no slot is left"));
        }
        // A restarted spawner counts on from what it has adopted, or might have.
        let number = spawner.numbers.entry(start.map.clone()).or_default();
        *number += 1;
        let server: ServerId = format!("{id}-{}-{number}", start.map).parse().unwrap();
        let child = Child {
            process: None,
            map: start.map.clone(),
            channel: start.channel.unwrap(),
            state: ChildState::Waiting,
            for_good: false,
            standing,
            was_ready: false,
            cost,
            capacity: start.capacity.unwrap_or(CAPACITY),
            crashes: Vec::new(),
            starts: Vec::new(),
            stops: Vec::new(),
        };
        spawner.children.insert(server.clone(), child);
        self.launch_child(id, &server);
        Ok(server)
    }

    pub(crate) fn launch_child(&mut self, id: &SpawnerId, server: &ServerId) {
        let Some(child) = self.child(id, server) else { return };
        if child.state != ChildState::Waiting {
            return;
        }
        child.state = ChildState::Starting;
        let (map, channel, capacity) = (child.map.clone(), child.channel, child.capacity);
        let process = self.launch(server.clone(), map, channel, id.clone(), capacity);
        if let Some(child) = self.child(id, server) {
            child.process = Some(process);
        }
        let late = Happening::StartLate(id.clone(), server.clone(), process);
        self.at(START_DEADLINE, late);
    }

    fn child(&mut self, id: &SpawnerId, server: &ServerId) -> Option<&mut Child> {
        let spawner = self.spawners.get_mut(id).filter(|spawner| spawner.alive)?;
        spawner.children.get_mut(server)
    }

    /// A Map Server says that it has registered: its spawner, if it lives, hears of it.
    pub(crate) fn map_is_ready(&mut self, number: u64) {
        let Some(map) = self.maps.get(&number) else { return };
        let (id, server, channel) = (map.spawner.clone(), map.server.clone(), map.channel);
        let spawned = MapSpawned {
            life: map.life(),
            spawner: id.clone(),
            map: map.map.clone(),
            channel,
            port: 1,
        };
        let Some(child) = self.child(&id, &server) else { return };
        if child.process != Some(number) || child.state == ChildState::Stopping {
            return;
        }
        (child.state, child.channel, child.was_ready) = (ChildState::Ready, channel, true);
        for (life, job) in std::mem::take(&mut child.starts) {
            let started = Letter::Started(life, job, Ok(spawned.clone()));
            self.send(Node::Spawner(id.clone()), Node::Central, started);
        }
    }

    pub(crate) fn start_is_late(&mut self, id: &SpawnerId, server: &ServerId, process: u64) {
        let Some(child) = self.child(id, server) else { return };
        if child.process == Some(process) && child.state == ChildState::Starting {
            child.state = ChildState::Stopping;
            child.for_good = !child.standing;
            self.fail_starts(id, server, "it never registered");
            self.terminate(process);
            self.at(STOP_GRACE, Happening::Kill(process));
        }
    }

    fn fail_starts(&mut self, id: &SpawnerId, server: &ServerId, why: &str) {
        let Some(child) = self.child(id, server) else { return };
        for (life, job) in std::mem::take(&mut child.starts) {
            let failure = Failure::new(Code::SpawnFailed, why);
            let started = Letter::Started(life, job, Err(failure));
            self.send(Node::Spawner(id.clone()), Node::Central, started);
        }
    }

    /// A process has ended; its spawner, if it lives, sees it soon.
    pub(crate) fn process_ends(&mut self, number: u64, at_once: bool) {
        let Some(map) = self.maps.remove(&number) else { return };
        self.say(|| format!("{} #{number} has ended", map.server));
        self.ended.insert(number, self.now);
        let seen = if at_once { 1 } else { self.between(1, 150) };
        let life = map.registered.then(|| map.life());
        self.at(seen, Happening::EndSeen(map.spawner, map.server, number, life));
    }

    pub(crate) fn end_is_seen(
        &mut self,
        id: &SpawnerId,
        server: &ServerId,
        process: u64,
        life: Option<protocol::backbone::Life>,
    ) {
        let now = self.now;
        let Some(child) = self.child(id, server).filter(|child| child.process == Some(process))
        else {
            return;
        };
        child.process = None;
        let returns = !child.for_good && (child.standing || child.was_ready);
        let stops = std::mem::take(&mut child.stops);
        self.fail_starts(id, server, "it has ended");
        for (life, job) in stops {
            self.send(Node::Spawner(id.clone()), Node::Central, Letter::Stopped(life, job, Ok(())));
        }
        if let Some(life) = life {
            for _ in 0..2 {
                let leave =
                    LeaveMap { life: life.clone(), reason: "it was seen to end".to_owned() };
                self.ask(Node::Spawner(id.clone()), Asked::LeaveMap(leave), Purpose::Nothing);
            }
        }
        let Some(child) = self.child(id, server) else { return };
        if !returns {
            self.spawners.get_mut(id).unwrap().children.remove(server);
            return;
        }
        child.crashes.push(now);
        child.crashes.retain(|at| now - at < 60_000);
        if child.crashes.len() >= CRASHES {
            child.state = ChildState::Held;
            return;
        }
        child.state = ChildState::Waiting;
        let wait = 200 << child.crashes.len();
        self.at(wait, Happening::Relaunch(id.clone(), server.clone()));
    }

    pub(crate) fn spawner_hears(&mut self, id: &SpawnerId, letter: Letter) {
        let Some(spawner) = self.spawners.get_mut(id).filter(|spawner| spawner.alive) else {
            return;
        };
        let epoch = match &letter {
            Letter::Start(_, start) => start.epoch,
            Letter::Stop(_, stop) => stop.epoch,
            Letter::Hung(hung) => hung.epoch,
            _ => None,
        };
        // A Cluster's life is its term.
        let life = epoch.unwrap_or(0);
        spawner.epoch = spawner.epoch.max(life);
        let is_stale = life < spawner.epoch;
        let fenced = || Failure::new(Code::Fenced, "another one leads by now");
        let answer = match letter {
            Letter::ClusterUp => {
                if spawner.known {
                    self.spawner_registers(id);
                }
                return;
            }
            Letter::Start(job, _) if is_stale => Letter::Started(life, job, Err(fenced())),
            Letter::Start(job, start) => match self.add_child(id, &start, false) {
                Ok(server) => {
                    let child = self.child(id, &server).unwrap();
                    child.starts.push((life, job));
                    if child.state == ChildState::Ready {
                        let process = child.process.unwrap();
                        self.map_is_ready(process);
                    }
                    return;
                }
                Err(failure) => Letter::Started(life, job, Err(failure)),
            },
            Letter::Stop(job, _) if is_stale => Letter::Stopped(life, job, Err(fenced())),
            Letter::Stop(job, StopChild { server, .. }) => match self.stop_child(id, &server) {
                Some(child) => {
                    child.stops.push((life, job));
                    return;
                }
                None => Letter::Stopped(life, job, Ok(())),
            },
            Letter::Hung(hung) => {
                if is_stale {
                    return;
                }
                let Some(child) = self.child(id, &hung.life.server) else { return };
                let process = child.process.filter(|_| child.state == ChildState::Ready);
                let process =
                    process.filter(|process| hung.life.incarnation == incarnation(*process));
                if let Some(process) = process {
                    child.state = ChildState::Stopping;
                    self.terminate(process);
                    self.at(HUNG_GRACE, Happening::Kill(process));
                }
                return;
            }
            _ => return,
        };
        self.send(Node::Spawner(id.clone()), Node::Central, answer);
    }

    /// Stops a child for good; `None`: there is none, or it does not run.
    fn stop_child(&mut self, id: &SpawnerId, server: &ServerId) -> Option<&mut Child> {
        let child = self.child(id, server)?;
        child.for_good = true;
        let Some(process) = child.process else {
            self.spawners.get_mut(id)?.children.remove(server);
            return None;
        };
        if child.state != ChildState::Stopping {
            child.state = ChildState::Stopping;
            self.terminate(process);
            self.at(STOP_GRACE, Happening::Kill(process));
        }
        self.fail_starts(id, server, "it was told to stop");
        self.child(id, server)
    }
}

//! Time, the bus, and whom a message reaches.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use cluster::{Answer, Asked, Caller, Effect, Event, Job, News};
use protocol::{
    Code, Failure, MapName, ServerId, SpawnerId,
    backbone::{
        desired::{Desired, DesiredState},
        operations::{Drain, Target},
        spawners::Pinned,
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    letter::{Letter, Node, PeerNews},
    map::MapModel,
    mind::{Bug, Mind},
    plan::{self, Fault},
    players::Player,
    run::Broken,
    spawner::SpawnerModel,
};

/// Until then, something may go wrong.
pub(crate) const CHAOS: u64 = 30_000;
/// From then on, all is well: the last fault is over.
pub(crate) const CALM: u64 = CHAOS + 12_000;
/// Players a map takes if nothing else is said.
pub(crate) const CAPACITY: u32 = 10;
/// How long a command may take.
const ERRAND: u64 = 12_000;
/// How long any other request may take.
const REQUEST: u64 = 1_000;
const TICK: u64 = 200;

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Happening {
    Deliver {
        from: Node,
        to: Node,
        letter: Letter,
        deadline: u64,
    },
    Tick(u64),
    MapBeat(u64),
    Terminate(u64),
    Kill(u64),
    ProcessEnds(u64),
    EndSeen(SpawnerId, ServerId, u64, Option<protocol::backbone::Life>),
    Relaunch(SpawnerId, ServerId),
    StartLate(SpawnerId, ServerId, u64),
    SpawnerBeat(SpawnerId, u64),
    SpawnerBack(SpawnerId),
    CentralBack,
    OutageOver,
    /// What this life of the Cluster has to be emptied reaches the disk, or does not.
    Written(u64, Job, Vec<Drain>, bool),
    /// The Cluster hears of it.
    Kept(u64, Job, Result<(), Failure>),
    ErrandLate(u64, Job, Errand),
    Fault(Fault),
    Undrain(SpawnerId),
    Player(u64),
    PlayerArrives(u64, u64),
    PlayerLeaves(u64, u64),
}

/// Which command is late.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Errand {
    Start,
    Stop,
    Drain,
}

/// Why somebody asked, for what to do with the answer.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    MapRegister,
    MapBeat,
    Peers,
    /// Of this life of a spawner.
    SpawnerRegister(u64),
    SpawnerBeat(u64),
    Player(u64),
    /// Somebody wants a Map Server of a map that is not desired.
    Spawn,
    Party,
    /// An operator has this emptied.
    Drain(Target),
    Nothing,
}

struct Entry {
    at: u64,
    number: u64,
    what: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

pub(crate) struct Theatre {
    pub(crate) now: u64,
    pub(crate) aloud: bool,
    pub(crate) keeps: bool,
    pub(crate) lines: Vec<String>,
    pub(crate) rng: StdRng,
    queue: BinaryHeap<Reverse<Entry>>,
    entries: u64,
    bug: Option<Bug>,
    pub(crate) desired: Desired,
    pub(crate) mind: Option<Mind>,
    /// The Cluster's life, also of the last one.
    pub(crate) life: u64,
    central_paused_until: u64,
    outage_until: u64,
    cut_off: BTreeMap<Node, u64>,
    /// Lost messages, in a thousand, while things go wrong.
    losses: u32,
    pub(crate) spawners: BTreeMap<SpawnerId, SpawnerModel>,
    pub(crate) maps: BTreeMap<u64, MapModel>,
    pub(crate) players: BTreeMap<u64, Player>,
    pub(crate) processes: u64,
    pub(crate) lives: u64,
    callers: u64,
    asked: BTreeMap<Caller, (Node, Purpose)>,
    /// Map Servers that somebody asked for and got.
    pub(crate) granted: BTreeSet<ServerId>,
    /// A Cluster that ended may have left starts behind that nobody knows of.
    pub(crate) left_behind: bool,
    /// When processes ended, by number.
    pub(crate) ended: BTreeMap<u64, u64>,
    /// What is to be emptied, as it is on the disk: by which life of the Cluster, when each
    /// countdown ends.
    kept: (u64, Vec<(u64, Drain)>),
}

fn desired(rng: &mut StdRng) -> Desired {
    let placement = if rng.random() { "pack" } else { "spread" };
    let json = format!(
        r#"{{"placement":"{placement}",
            "maps":{{
              "town":{{"min_channels":2,"max_channels":4,"soft_cap":6,"hard_cap":8,"idle_s":4}},
              "forest":{{"max_channels":2,"hard_cap":6,"idle_s":4,"start":{{"cost":2}}}}}},
            "instances":{{"crypt":{{"spares":1,"max":4,"idle_s":4}}}}}}"#
    );
    serde_json::from_str(&json).unwrap()
}

impl Theatre {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let desired = desired(&mut rng);
        let losses = rng.random_range(0..60);
        let plan = plan::draw(&mut rng, CHAOS);
        let mut theatre = Self {
            now: 0,
            aloud: false,
            keeps: false,
            lines: Vec::new(),
            rng,
            queue: BinaryHeap::new(),
            entries: 0,
            bug,
            desired,
            mind: None,
            life: 0,
            central_paused_until: 0,
            outage_until: 0,
            cut_off: BTreeMap::new(),
            losses,
            spawners: BTreeMap::new(),
            maps: BTreeMap::new(),
            players: BTreeMap::new(),
            processes: 0,
            lives: 1_000_000,
            callers: 0,
            asked: BTreeMap::new(),
            granted: BTreeSet::new(),
            left_behind: false,
            ended: BTreeMap::new(),
            kept: (0, Vec::new()),
        };
        theatre.central_starts();
        let maps: Vec<MapName> =
            ["town", "forest", "crypt", "cave"].iter().map(|map| map.parse().unwrap()).collect();
        for (id, slots) in [("s1", 8), ("s2", 6), ("s3", 10)] {
            let id: SpawnerId = id.parse().unwrap();
            let town = Pinned { map: maps[0].clone(), channels: 1 };
            let pinned = if id.as_str() == "s1" { vec![town] } else { Vec::new() };
            theatre.spawners.insert(id.clone(), SpawnerModel::new(slots, maps.clone(), pinned));
            theatre.spawner_starts(&id);
        }
        for (at, fault) in plan {
            theatre.at(at, Happening::Fault(fault));
        }
        theatre
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if self.aloud || self.keeps {
            let line = format!("{:>6} {}", self.now, line());
            if self.aloud {
                println!("{line}");
            }
            self.lines.push(line);
        }
    }

    pub(crate) fn at(&mut self, after: u64, what: Happening) {
        self.entries += 1;
        let entry = Entry { at: self.now + after, number: self.entries, what };
        self.queue.push(Reverse(entry));
    }

    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.rng.random_range(from..to)
    }

    fn is_cut_off(&self, node: &Node) -> bool {
        *node != Node::Outside
            && (self.now < self.outage_until
                || self.cut_off.get(node).is_some_and(|until| self.now < *until))
    }

    /// Sends a message: it is lost, or comes late, or both of two come.
    pub(crate) fn send(&mut self, from: Node, to: Node, letter: Letter) {
        let patience = match &letter {
            Letter::Start(..) | Letter::Stop(..) | Letter::Started(..) | Letter::Stopped(..) => {
                ERRAND
            }
            Letter::Peer(_) | Letter::ClusterUp => u64::MAX / 2,
            _ => REQUEST,
        };
        let deadline = self.now + patience;
        if self.is_cut_off(&from) || self.is_cut_off(&to) {
            return;
        }
        let goes_wrong = self.now < CHAOS;
        if goes_wrong && self.rng.random_range(0..1000) < self.losses {
            return;
        }
        let copies = 1 + u32::from(goes_wrong && is_repeatable(&letter) && self.chance(20));
        for _ in 0..copies {
            let delay = match self.rng.random_range(0..1000) {
                0..10 if goes_wrong => self.between(50, 2_500),
                _ => self.between(1, 8),
            };
            let (from, to, letter) = (from.clone(), to.clone(), letter.clone());
            self.at(delay, Happening::Deliver { from, to, letter, deadline });
        }
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.rng.random_range(0..1000) < per_mille
    }

    /// Asks the Cluster.
    pub(crate) fn ask(&mut self, from: Node, asked: Asked, purpose: Purpose) {
        self.callers += 1;
        let caller = Caller(self.callers);
        if !matches!(purpose, Purpose::Nothing) {
            self.asked.insert(caller, (from.clone(), purpose));
        }
        self.send(from, Node::Central, Letter::Ask(caller, Box::new(asked)));
    }

    pub(crate) fn run_until(&mut self, end: u64) -> Result<(), Broken> {
        while self.queue.peek().is_some_and(|Reverse(entry)| entry.at <= end) {
            let Some(Reverse(entry)) = self.queue.pop() else { break };
            self.now = entry.at;
            self.happen(entry.what)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Result<(), Broken> {
        match what {
            Happening::Deliver { from, to, letter, deadline } => {
                self.deliver(from, to, letter, deadline)?;
            }
            Happening::Tick(life) => self.tick(life)?,
            Happening::MapBeat(number) => self.map_beats(number),
            Happening::Terminate(number) => self.terminate(number),
            Happening::Kill(number) | Happening::ProcessEnds(number) => {
                self.process_ends(number, true);
            }
            Happening::EndSeen(id, server, process, life) => {
                self.end_is_seen(&id, &server, process, life);
            }
            Happening::Relaunch(id, server) => {
                if self.spawners.get(&id).is_some_and(|spawner| spawner.alive) {
                    self.launch_child(&id, &server);
                }
            }
            Happening::StartLate(id, server, process) => self.start_is_late(&id, &server, process),
            Happening::SpawnerBeat(id, life) => self.spawner_beats(&id, life),
            Happening::SpawnerBack(id) => {
                if self.spawners.get(&id).is_some_and(|spawner| !spawner.alive) {
                    self.spawner_starts(&id);
                }
            }
            Happening::CentralBack => {
                if self.mind.is_none() {
                    self.central_starts();
                }
            }
            Happening::OutageOver => {
                if let Some(mind) = &mut self.mind {
                    mind.thaw(self.now);
                }
                self.event(Event::Resumed)?;
            }
            Happening::Written(life, job, drains, done) => {
                self.written(life, job, drains, done);
            }
            Happening::Kept(life, job, result) => self.is_kept(life, job, result)?,
            Happening::ErrandLate(life, job, errand) => self.errand_is_late(life, job, errand)?,
            Happening::Fault(fault) => self.fault(fault),
            Happening::Undrain(id) => {
                let target = protocol::backbone::operations::Target::Spawner(id);
                let abort = protocol::backbone::operations::AbortDrain { target };
                self.ask(Node::Outside, Asked::AbortDrain(abort), Purpose::Nothing);
            }
            Happening::Player(player) => self.player_asks(player),
            Happening::PlayerArrives(player, map) => self.player_arrives(player, map),
            Happening::PlayerLeaves(player, map) => self.player_leaves(player, map),
        }
        Ok(())
    }

    fn central_starts(&mut self) {
        self.life += 1;
        let state = DesiredState { revision: 1, desired: self.desired.clone() };
        let left = self.kept.1.iter().map(|(ends, drain)| {
            let left = ends.saturating_sub(self.now).div_ceil(1000);
            Drain { countdown_s: u32::try_from(left).unwrap(), ..drain.clone() }
        });
        self.mind = Some(Mind::new(self.life, state, left.collect(), self.bug, self.now));
        self.central_paused_until = 0;
        if let Some(mind) = self.mind.as_mut().filter(|_| self.now < self.outage_until) {
            mind.freeze(self.now);
        }
        let life = self.life;
        self.say(|| format!("a Cluster is up: life {life}"));
        self.at(TICK, Happening::Tick(life));
        self.tell_all(&Letter::ClusterUp);
    }

    fn tell_all(&mut self, letter: &Letter) {
        let maps = self.maps.keys().copied().map(Node::Map);
        let spawners = self.spawners.keys().cloned().map(Node::Spawner);
        let peers_only = matches!(letter, Letter::Peer(_));
        let spawners = spawners.filter(|_| !peers_only);
        for node in maps.chain(spawners).collect::<Vec<_>>() {
            self.send(Node::Central, node, letter.clone());
        }
    }

    fn tick(&mut self, life: u64) -> Result<(), Broken> {
        if self.life != life || self.mind.is_none() {
            return Ok(());
        }
        if self.central_paused_until > self.now {
            let wait = self.central_paused_until - self.now;
            self.at(wait, Happening::Tick(life));
            return Ok(());
        }
        self.at(TICK, Happening::Tick(life));
        if self.now < self.outage_until {
            return Ok(()); // its clock stands still
        }
        self.event(Event::Tick)
    }

    fn event(&mut self, event: Event) -> Result<(), Broken> {
        let now = self.now;
        let Some(mind) = &mut self.mind else { return Ok(()) };
        let (life, effects) = (mind.life, mind.handle(event, now)?);
        for effect in effects {
            self.carry_out(life, effect)?;
        }
        Ok(())
    }

    /// The disk is slow, and sometimes fails; by then it may have been done.
    fn written(&mut self, life: u64, job: Job, drains: Vec<Drain>, done: bool) {
        if (done || self.chance(500)) && life >= self.kept.0 {
            let ends = |drain: Drain| (self.now + u64::from(drain.countdown_s) * 1000, drain);
            self.kept = (life, drains.into_iter().map(ends).collect());
        }
        let failed = || Failure::new(Code::Unavailable, "the disk does not answer");
        let result = if done { Ok(()) } else { Err(failed()) };
        self.at(0, Happening::Kept(life, job, result));
    }

    fn is_kept(&mut self, life: u64, job: Job, result: Result<(), Failure>) -> Result<(), Broken> {
        if self.central_paused_until > self.now {
            let wait = self.central_paused_until - self.now;
            self.at(wait, Happening::Kept(life, job, result));
            return Ok(());
        }
        if self.life == life { self.event(Event::Kept(job, result)) } else { Ok(()) }
    }

    /// Who was told that something is emptied may rely on it, whoever leads.
    fn is_remembered(&self, target: &Target) -> Result<(), Broken> {
        let drains = self.mind.as_ref().is_some_and(|mind| mind.drains(target));
        if drains && !self.kept.1.iter().any(|(_, kept)| kept.target == *target) {
            return Err(Broken::Forgotten(format!("{target:?}")));
        }
        Ok(())
    }

    fn carry_out(&mut self, life: u64, effect: Effect) -> Result<(), Broken> {
        if !matches!(&effect, Effect::Answer(_, Ok(Answer::BeatHeard(_)))) {
            self.say(|| format!("{effect:?}"));
        }
        match effect {
            Effect::Answer(caller, answer) => {
                let Some((node, purpose)) = self.asked.get(&caller) else { return Ok(()) };
                if let (Purpose::Spawn, Ok(Answer::MapSpawned(spawned))) = (purpose, &answer) {
                    self.granted.insert(spawned.life.server.clone());
                }
                if let (Purpose::Drain(target), Ok(_)) = (purpose, &answer) {
                    self.is_remembered(target)?;
                }
                let answer = Letter::Answer(caller, Box::new(answer));
                self.send(Node::Central, node.clone(), answer);
            }
            Effect::Tell(News::MapUp(up)) => {
                let (sequence, server) = (up.view.sequence, up.server.server);
                let news = PeerNews { cluster: life, sequence, server, is_there: true };
                self.tell_all(&Letter::Peer(news));
            }
            Effect::Tell(News::MapChanged(changed)) => {
                let (sequence, server) = (changed.view.sequence, changed.life.server);
                let news = PeerNews { cluster: life, sequence, server, is_there: true };
                self.tell_all(&Letter::Peer(news));
            }
            Effect::Tell(News::MapDown(down)) => {
                let (sequence, server) = (down.view.sequence, down.life.server);
                let news = PeerNews { cluster: life, sequence, server, is_there: false };
                self.tell_all(&Letter::Peer(news));
            }
            Effect::Tell(_) => {}
            Effect::Start(job, spawner, child) => {
                self.at(ERRAND, Happening::ErrandLate(life, job, Errand::Start));
                self.send(Node::Central, Node::Spawner(spawner), Letter::Start(job, child));
            }
            Effect::Stop(job, spawner, stop) => {
                self.at(ERRAND, Happening::ErrandLate(life, job, Errand::Stop));
                self.send(Node::Central, Node::Spawner(spawner), Letter::Stop(job, stop));
            }
            Effect::Keep(job, drains) => {
                let delay = self.between(1, 60);
                let done = self.now >= CHAOS || !self.chance(100);
                self.at(delay, Happening::Written(life, job, drains, done));
            }
            Effect::EndHung(spawner, hung) => {
                self.send(Node::Central, Node::Spawner(spawner), Letter::Hung(hung));
            }
            Effect::Drain(job, server, drain) => {
                self.at(REQUEST, Happening::ErrandLate(life, job, Errand::Drain));
                let to: Vec<u64> = self
                    .maps
                    .values()
                    .filter(|map| map.server == server)
                    .map(|map| map.number)
                    .collect();
                for number in to {
                    let letter = Letter::Drain(life, job, drain.clone());
                    self.send(Node::Central, Node::Map(number), letter);
                }
            }
        }
        Ok(())
    }

    fn errand_is_late(&mut self, life: u64, job: Job, errand: Errand) -> Result<(), Broken> {
        if self.life != life {
            return Ok(());
        }
        if self.central_paused_until > self.now {
            let wait = self.central_paused_until - self.now;
            self.at(wait, Happening::ErrandLate(life, job, errand));
            return Ok(());
        }
        let failure = Failure::new(Code::DeadlinePassed, "no answer came");
        self.event(match errand {
            Errand::Start => Event::Started(job, Err(failure)),
            Errand::Stop => Event::Stopped(job, Err(failure)),
            Errand::Drain => Event::DrainHeard(job, Err(failure)),
        })
    }

    fn deliver(
        &mut self,
        from: Node,
        to: Node,
        letter: Letter,
        deadline: u64,
    ) -> Result<(), Broken> {
        if self.now > deadline || self.is_cut_off(&from) || self.is_cut_off(&to) {
            return Ok(());
        }
        let stands_still_until = match &to {
            Node::Central => self.central_paused_until,
            Node::Map(number) => self.maps.get(number).map_or(0, |map| map.hung_until),
            _ => 0,
        };
        if stands_still_until > self.now {
            // It waits in the socket.
            let wait = stands_still_until - self.now;
            self.at(wait, Happening::Deliver { from, to, letter, deadline });
            return Ok(());
        }
        match (to, letter) {
            (Node::Central, letter) => self.central_hears(letter)?,
            (_, Letter::Answer(caller, answer)) => self.hear_answer(caller, *answer),
            (Node::Spawner(id), letter) => self.spawner_hears(&id, letter),
            (Node::Map(number), letter) => self.map_hears(number, letter),
            (Node::Outside, _) => {}
        }
        Ok(())
    }

    fn central_hears(&mut self, letter: Letter) -> Result<(), Broken> {
        let life = self.life;
        match letter {
            Letter::Ask(caller, asked) => {
                self.say(|| format!("{caller:?} asks {asked:?}"));
                self.event(Event::Asked(caller, *asked))
            }
            Letter::Started(of, job, result) if of == life => {
                self.event(Event::Started(job, result))
            }
            Letter::Stopped(of, job, result) if of == life => {
                self.event(Event::Stopped(job, result))
            }
            Letter::DrainHeard(of, job) if of == life => self.event(Event::DrainHeard(job, Ok(()))),
            _ => Ok(()),
        }
    }

    fn hear_answer(&mut self, caller: Caller, answer: Result<Answer, Failure>) {
        let Some((node, purpose)) = self.asked.remove(&caller) else { return };
        match (node, &purpose) {
            (Node::Map(number), _) => self.map_hears_answer(number, purpose, answer),
            (Node::Spawner(id), _) => self.spawner_hears_answer(&id, &purpose, answer),
            (_, Purpose::Player(player)) => self.player_hears(*player, answer),
            (_, Purpose::Party) => self.party_hears(answer),
            _ => {}
        }
    }

    fn any_map(&mut self) -> Option<u64> {
        let numbers: Vec<u64> = self.maps.keys().copied().collect();
        (!numbers.is_empty()).then(|| numbers[self.rng.random_range(0..numbers.len())])
    }

    fn any_spawner(&mut self) -> SpawnerId {
        let ids: Vec<SpawnerId> = self.spawners.keys().cloned().collect();
        ids[self.rng.random_range(0..ids.len())].clone()
    }

    fn fault(&mut self, fault: Fault) {
        self.say(|| format!("fault: {fault:?}"));
        let now = self.now;
        match fault {
            Fault::KillMap => {
                if let Some(number) = self.any_map() {
                    self.process_ends(number, false);
                }
            }
            Fault::HangMap { ms } => {
                if let Some(map) = self.any_map().and_then(|number| self.maps.get_mut(&number)) {
                    map.hung_until = now + ms;
                }
            }
            Fault::KillSpawner { back_ms } => {
                let id = self.any_spawner();
                self.spawner_dies(&id);
                self.at(back_ms, Happening::SpawnerBack(id));
            }
            Fault::KillCentral { back_ms } => {
                self.mind = None;
                self.left_behind = true;
                self.at(back_ms, Happening::CentralBack);
            }
            Fault::PauseCentral { ms } => {
                self.central_paused_until = self.central_paused_until.max(now + ms);
                if let Some(mind) = &mut self.mind {
                    mind.was_paused(ms);
                }
            }
            Fault::CutOffMap { ms } => {
                if let Some(number) = self.any_map() {
                    self.cut_off.insert(Node::Map(number), now + ms);
                }
            }
            Fault::CutOffSpawner { ms } => {
                let id = self.any_spawner();
                self.cut_off.insert(Node::Spawner(id), now + ms);
            }
            Fault::Outage { ms } => {
                if self.outage_until <= now {
                    self.outage_until = now + ms;
                    if let Some(mind) = &mut self.mind {
                        mind.freeze(now);
                    }
                    self.at(ms, Happening::OutageOver);
                }
            }
            Fault::Spawn { patience_ms } => self.operator_spawns(patience_ms),
            Fault::Instance => self.party_asks(),
            Fault::Crowd { players } => self.crowd_comes(players),
            Fault::DrainSpawner { countdown_s, back_ms } => {
                let id = self.any_spawner();
                self.drain_spawner(&id, countdown_s);
                self.at(back_ms, Happening::Undrain(id));
            }
            Fault::DrainMap { countdown_s } => {
                if let Some(number) = self.any_map() {
                    let server = self.maps[&number].server.clone();
                    self.drain_server(server, countdown_s);
                }
            }
            Fault::Rebalance => {
                self.ask(Node::Outside, Asked::Rebalance, Purpose::Nothing);
            }
        }
    }
}

/// What the services would answer once although it came twice is not sent twice.
fn is_repeatable(letter: &Letter) -> bool {
    match letter {
        Letter::Ask(_, asked) => matches!(
            **asked,
            Asked::MapBeat(_) | Asked::SpawnerBeat(_) | Asked::LeaveMap(_) | Asked::RegisterMap(_)
        ),
        Letter::Peer(_) | Letter::ClusterUp => true,
        _ => false,
    }
}

//! The one way in, [`Cluster::handle`].

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use protocol::{
    Channel, Code, Failure, Incarnation, MapName, SpawnerId,
    backbone::{
        desired::DesiredState,
        maps::{BeatHeard, MapServer, Peers, Route, Routed},
        operations::{Drain, Draining, Enqueue, Placed},
        spawners::{EndHungChild, MapSpawned, SpawnMap, SpawnerRegistered, StopChild, StopMap},
    },
};

use crate::{
    SETTLING,
    drains::Drains,
    errands::Errands,
    event::{Answer, Asked, Caller, Effect, Event, Job},
    fleet::{Fleet, Start},
    orders::Order,
    parties::Parties,
    placement::Scene,
    queue::{Queue, Standing},
    reconcile::Efforts,
    registry::Registry,
};

/// A tick that comes so late means that this process stood still: what was said meanwhile is still
/// to be heard.
const STOOD_STILL: Duration = Duration::from_millis(1000);
/// How long a Map Server is looked for whose start was given up.
const UNWANTED_FOR: Duration = Duration::from_secs(60);
/// Starts that were given up and are remembered.
const UNWANTED: usize = 1024;

/// The state machine.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) registry: Registry,
    pub(crate) fleet: Fleet,
    pub(crate) drains: Drains,
    pub(crate) queue: Queue,
    pub(crate) parties: Parties,
    pub(crate) efforts: Efforts,
    pub(crate) errands: Errands,
    pub(crate) desired: DesiredState,
    /// Stops that somebody waits for.
    stops: BTreeMap<Job, Caller>,
    /// Starts that were given up: should one come to something after all, nobody wants it.
    unwanted: VecDeque<Unwanted>,
    settled_at: Duration,
    ticked_at: Duration,
}

#[derive(Debug)]
struct Unwanted {
    spawner: SpawnerId,
    map: MapName,
    channel: Channel,
    until: Duration,
}

impl Cluster {
    /// A Cluster that knows nobody yet, in its term as the leader.
    ///
    /// `drains` is what the leader before it was told to empty, each with what is left of its
    /// countdown. The first term of all has no predecessor that anybody was registered with, so it
    /// may start what is desired at once.
    pub fn new(life: Incarnation, epoch: u64, desired: DesiredState, drains: Vec<Drain>) -> Self {
        Self {
            registry: Registry::new(life),
            fleet: Fleet::default(),
            drains: Drains::new(drains),
            queue: Queue::default(),
            parties: Parties::default(),
            efforts: Efforts::default(),
            errands: Errands::new(epoch),
            desired,
            stops: BTreeMap::new(),
            unwanted: VecDeque::new(),
            settled_at: if epoch <= 1 { Duration::ZERO } else { SETTLING },
            ticked_at: Duration::ZERO,
        }
    }

    /// The Map Servers that live.
    pub fn maps(&self) -> impl Iterator<Item = &MapServer> {
        self.registry.maps()
    }

    /// What somebody ordered to be emptied.
    pub fn orders(&self) -> &[Order] {
        self.drains.orders().all()
    }

    /// Takes what happened at `now`, a time since start that never goes back, and returns what to
    /// do about it.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Asked(caller, asked) => self.asked(caller, asked, now, &mut out),
            Event::Started(job, result) => self.started(job, result, now, &mut out),
            Event::Stopped(job, result) => {
                self.drains.answered(job, result.is_ok(), now);
                if let Some(caller) = self.stops.remove(&job) {
                    out.push(Effect::Answer(caller, result.map(|()| Answer::Done)));
                }
            }
            Event::DrainHeard(job, result) => self.drains.answered(job, result.is_ok(), now),
            Event::Kept(job, result) => {
                self.drains.orders_mut().written(job, &result, now, &mut out);
            }
            Event::Tick => self.tick(now, &mut out),
            Event::Resumed => self.hear_all(now),
        }
        self.drains.orders_mut().write(&mut self.errands, now, &mut out);
        out
    }

    /// Takes everybody for heard just now: their silence was not theirs.
    fn hear_all(&mut self, now: Duration) {
        self.registry.hear_all(now);
        self.fleet.hear_all(now);
        self.efforts.forget_what_is_missing();
    }

    pub(crate) fn scene(&self, now: Duration) -> Scene<'_> {
        Scene {
            registry: &self.registry,
            fleet: &self.fleet,
            drains: &self.drains,
            desired: &self.desired.desired,
            now,
        }
    }

    /// Whether it has listened for long enough to know who lives.
    pub(crate) fn is_settled(&self, now: Duration) -> bool {
        now >= self.settled_at
    }

    fn tick(&mut self, now: Duration, out: &mut Vec<Effect>) {
        if now.saturating_sub(self.ticked_at) >= STOOD_STILL && !self.ticked_at.is_zero() {
            self.hear_all(now);
        }
        self.ticked_at = now;
        for gone in self.registry.remove_silent(now, out) {
            // Its spawner lives: the Map Server hangs, or cannot be heard.
            if let Some(spawner) = &gone.spawner
                && self.fleet.is_healthy(spawner, now)
            {
                let (life, epoch) = (gone.life(), Some(self.errands.epoch()));
                out.push(Effect::EndHung(spawner.clone(), EndHungChild { life, epoch }));
            }
        }
        self.fleet.remove_silent(now, out);
        for job in self.fleet.late(now) {
            let failure = Failure::new(Code::SpawnFailed, "the spawner did not answer in time");
            self.started(job, Err(failure), now, out);
        }
        self.queue.forget_the_gone(now);
        self.reconcile(now, out);
        let settled = self.is_settled(now);
        self.drains.go_on(&self.registry, &self.fleet, &mut self.errands, settled, now, out);
    }

    fn asked(&mut self, caller: Caller, asked: Asked, now: Duration, out: &mut Vec<Effect>) {
        let answer = match asked {
            Asked::RegisterMap(server) => {
                self.registry.register(server, now, out).map(Answer::MapRegistered)
            }
            Asked::MapBeat(beat) => Ok(Answer::BeatHeard(self.registry.beat(&beat, now, out))),
            Asked::LeaveMap(leave) => {
                self.registry.leave(&leave, out);
                Ok(Answer::Done)
            }
            Asked::RegisterSpawner(spawner) => self.fleet.register(spawner, now, out).map(|()| {
                let (view, epoch) = (self.registry.view(), self.errands.epoch());
                Answer::SpawnerRegistered(SpawnerRegistered { view, epoch })
            }),
            Asked::SpawnerBeat(beat) => {
                let known = self.fleet.beat(beat, now);
                Ok(Answer::BeatHeard(BeatHeard { known, view: self.registry.view() }))
            }
            Asked::LeaveSpawner(leave) => {
                self.fleet.leave(&leave, out);
                Ok(Answer::Done)
            }
            Asked::Peers(after) => {
                let (maps, more) = self.registry.page(after.as_ref());
                let spawners = match after {
                    None => self.fleet.spawners().cloned().collect(),
                    Some(_) => Vec::new(),
                };
                Ok(Answer::Peers(Peers { view: self.registry.view(), maps, spawners, more }))
            }
            Asked::Route(route) => self.route(&route, now).map(Answer::Routed),
            Asked::Enqueue(ask) => self.enqueue(&ask, now).map(Answer::Placed),
            Asked::Fate(life) => Ok(Answer::Fate(self.registry.fate(&life, now))),
            Asked::Status => Ok(Answer::Status(self.status(now))),
            Asked::Desire(desired) => {
                self.desired = desired;
                Ok(Answer::Done)
            }
            Asked::Drain(drain) => {
                match self.drains.order(drain, &self.registry, &self.fleet, now) {
                    Ok(servers) => return self.drains.orders_mut().answer(caller, servers),
                    Err(failure) => Err(failure),
                }
            }
            Asked::AbortDrain(abort) => {
                match self.drains.abort(&abort.target, &self.registry, now) {
                    Ok(servers) => return self.drains.orders_mut().answer(caller, servers),
                    Err(failure) => Err(failure),
                }
            }
            Asked::Rebalance => Ok(Answer::Draining(Draining { servers: self.rebalance(now) })),
            Asked::Spawn(spawn, patience) => {
                match self.spawn(caller, &spawn, now, now + patience, out) {
                    Ok(None) => return,
                    Ok(Some(spare)) => Ok(Answer::MapSpawned(spare)),
                    Err(failure) => Err(failure),
                }
            }
            Asked::Stop(stop) => match self.stop(caller, &stop, out) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
        };
        out.push(Effect::Answer(caller, answer));
    }

    fn route(&mut self, route: &Route, now: Duration) -> Result<Routed, Failure> {
        let server = self.scene(now).route(route)?.clone();
        self.registry.send(&server.server, route.party.max(1));
        Ok(Routed { server })
    }

    /// A place for a character whose player waits, in the order that they came.
    fn enqueue(&mut self, ask: &Enqueue, now: Duration) -> Result<Placed, Failure> {
        let Enqueue { map, channel, beside, .. } = ask.clone();
        let route = Route { map, channel, party: 1, beside };
        let scene = self.scene(now);
        let found = scene.route(&route).cloned();
        match &found {
            Err(failure) if failure.code == Code::MapFull => {}
            // It is meant to run, so it comes.
            Err(failure)
                if failure.code == Code::NoServer
                    && ask.channel.is_none()
                    && self.desired.desired.maps.contains_key(&ask.map) => {}
            Err(failure) => return Err(failure.clone()),
            Ok(_) => {}
        }
        let room = scene.room(&ask.map, ask.channel);
        match (self.queue.ask(ask, room, now)?, found) {
            (Standing::Now, Ok(server)) => {
                self.registry.send(&server.server, 1);
                Ok(Placed::Go(Box::new(server)))
            }
            // There is room only where somebody serves.
            (Standing::Now, Err(failure)) => Err(failure),
            (Standing::Waits { position, of }, _) => Ok(Placed::Wait { position, of }),
        }
    }

    /// Has a Map Server started, or gives a party a spare instance.
    fn spawn(
        &mut self,
        caller: Caller,
        spawn: &SpawnMap,
        now: Duration,
        until: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<Option<MapSpawned>, Failure> {
        if let Some(channel) = spawn.channel
            && self.is_taken(&spawn.map, channel)
        {
            let message =
                format!("{} channel {channel} lives already or is being started", spawn.map);
            return Err(Failure::new(Code::IdInUse, message));
        }
        if self.drains.covers_map(&spawn.map) {
            let message = format!("{} is being emptied; try again later", spawn.map);
            return Err(Failure::new(Code::Draining, message));
        }
        if spawn.instance {
            if let Some(spare) = self.spare(&spawn.map, now) {
                self.parties.promise(spare.life.clone(), now);
                return Ok(Some(spare));
            }
            self.has_room_for_instance(&spawn.map, now)?;
        }
        self.start(Some(caller), &spawn.map, spawn.channel, spawn.instance, until, now, out)?;
        Ok(None)
    }

    fn spare(&self, map: &MapName, now: Duration) -> Option<MapSpawned> {
        self.desired.desired.instances.get(map)?;
        let open = self.registry.healthy(now).filter(|map| !self.drains.covers(&map.server));
        let spare = self.parties.spare(map, open)?;
        Some(MapSpawned {
            life: spare.life(),
            spawner: spare.spawner.clone()?,
            map: spare.map.clone(),
            channel: spare.channel,
            port: spare.port,
        })
    }

    fn has_room_for_instance(&self, map: &MapName, now: Duration) -> Result<(), Failure> {
        let Some(instances) = self.desired.desired.instances.get(map) else { return Ok(()) };
        let living = self.registry.maps().filter(|server| server.map == *map).count();
        let coming = self.scene(now).to_come().filter(|start| start.child.map == *map).count();
        if living + coming >= usize::from(instances.max) {
            let message =
                format!("all {} instances of {map} are taken; try again later", instances.max);
            return Err(Failure::new(Code::MapFull, message));
        }
        Ok(())
    }

    fn is_taken(&self, map: &MapName, channel: Channel) -> bool {
        self.registry.is_taken(map, channel) || self.fleet.has_spoken_for(map, channel)
    }

    /// A start was answered, or given up.
    fn started(
        &mut self,
        job: Job,
        result: Result<MapSpawned, Failure>,
        now: Duration,
        out: &mut Vec<Effect>,
    ) {
        let Some(start) = self.fleet.end(job) else { return };
        match &result {
            Ok(spawned) => {
                self.efforts.succeeded(&start.child.map);
                if start.instance {
                    self.parties.promise(spawned.life.clone(), now);
                }
            }
            Err(failure) => {
                if start.caller.is_none() {
                    self.efforts.failed(&start.child.map, failure, now);
                }
                self.give_up(&start, now);
            }
        }
        if let Some(caller) = start.caller {
            out.push(Effect::Answer(caller, result.map(Answer::MapSpawned)));
        }
    }

    /// It may come to something after all; then nobody wants it, unless it is desired.
    fn give_up(&mut self, start: &Start, now: Duration) {
        let desired = &self.desired.desired;
        let map = &start.child.map;
        let Some(channel) = start.child.channel else { return };
        if desired.maps.contains_key(map) || desired.instances.contains_key(map) {
            return;
        }
        if self.unwanted.len() >= UNWANTED {
            self.unwanted.pop_front();
        }
        let (spawner, map) = (start.spawner.clone(), map.clone());
        self.unwanted.push_back(Unwanted { spawner, map, channel, until: now + UNWANTED_FOR });
    }

    /// A channel whose start was given up is wanted after all.
    pub(crate) fn want_again(&mut self, spawner: &SpawnerId, map: &MapName, channel: Channel) {
        self.unwanted.retain(|unwanted| {
            (&unwanted.spawner, &unwanted.map, unwanted.channel) != (spawner, map, channel)
        });
    }

    /// Lets Map Servers go that came after their start was given up.
    pub(crate) fn let_go_unwanted(&mut self, now: Duration) {
        let (registry, drains) = (&self.registry, &mut self.drains);
        self.unwanted.retain(|unwanted| {
            let late = registry.channel(&unwanted.map, unwanted.channel);
            let late = late.filter(|server| server.spawner.as_ref() == Some(&unwanted.spawner));
            // It may crash and come back before it has been stopped.
            if let Some(server) = late.filter(|server| !drains.covers(&server.server)) {
                drains.retire(server, now);
            }
            now < unwanted.until
        });
    }

    fn stop(
        &mut self,
        caller: Caller,
        stop: &StopMap,
        out: &mut Vec<Effect>,
    ) -> Result<(), Failure> {
        let server = self.registry.get(&stop.server).ok_or_else(|| {
            let message =
                format!("no Map Server {} is known; `cluster.peers` lists them", stop.server);
            Failure::new(Code::ServerUnknown, message)
        })?;
        let spawner = server.spawner.clone().ok_or_else(|| {
            let message = format!("{} was started by hand: end its process instead", stop.server);
            Failure::new(Code::NoSpawner, message)
        })?;
        let job = self.errands.number();
        self.stops.insert(job, caller);
        let stop = StopChild { server: stop.server.clone(), epoch: Some(self.errands.epoch()) };
        out.push(Effect::Stop(job, spawner, stop));
        Ok(())
    }
}

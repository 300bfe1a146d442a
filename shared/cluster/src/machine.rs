//! The one way in, [`Cluster::handle`].

use std::time::Duration;

use protocol::{
    Channel, Code, Failure, Incarnation, MapName,
    backbone::{
        desired::DesiredState,
        maps::{BeatHeard, MapServer, Peers, Route, Routed},
        spawners::{SpawnMap, SpawnerRegistered, StartChild, StopMap},
    },
};

use crate::{
    event::{Answer, Asked, Caller, Effect, Event},
    fleet::Fleet,
    placement,
    registry::Registry,
};

/// The state machine.
#[derive(Debug)]
pub struct Cluster {
    registry: Registry,
    fleet: Fleet,
    /// This leader's term.
    epoch: u64,
    desired: DesiredState,
}

impl Cluster {
    /// A Cluster that knows nobody yet, in its term as the leader.
    pub fn new(life: Incarnation, epoch: u64, desired: DesiredState) -> Self {
        Self { registry: Registry::new(life), fleet: Fleet::default(), epoch, desired }
    }

    /// The Map Servers that live.
    pub fn maps(&self) -> impl Iterator<Item = &MapServer> {
        self.registry.maps()
    }

    /// Takes what happened at `now`, a time since start that never goes back, and returns what to
    /// do about it.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Asked(caller, asked) => self.asked(caller, asked, now, &mut out),
            Event::Started(job, result) => self.fleet.started(job, result, &mut out),
            Event::Stopped(caller, result) => {
                out.push(Effect::Answer(caller, result.map(|()| Answer::Done)));
            }
            Event::Tick => {
                self.registry.remove_silent(now, &mut out);
                self.fleet.remove_silent(now, &mut out);
            }
            Event::Resumed => {
                self.registry.hear_all(now);
                self.fleet.hear_all(now);
            }
        }
        out
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
                Answer::SpawnerRegistered(SpawnerRegistered {
                    view: self.registry.view(),
                    epoch: self.epoch,
                })
            }),
            Asked::SpawnerBeat(beat) => {
                let known = self.fleet.beat(&beat, now);
                Ok(Answer::BeatHeard(BeatHeard { known, view: self.registry.view() }))
            }
            Asked::LeaveSpawner(leave) => {
                self.fleet.leave(&leave, out);
                Ok(Answer::Done)
            }
            Asked::Peers => Ok(Answer::Peers(Peers {
                view: self.registry.view(),
                maps: self.registry.maps().cloned().collect(),
                spawners: self.fleet.spawners().cloned().collect(),
            })),
            Asked::Route(route) => self.route(&route, now).map(Answer::Routed),
            Asked::Fate(life) => Ok(Answer::Fate(self.registry.fate(&life, now))),
            Asked::Spawn(spawn, patience) => match self.spawn(caller, spawn, now, patience, out) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
            Asked::Desire(desired) => {
                self.desired = desired;
                Ok(Answer::Done)
            }
            Asked::Stop(stop) => match self.stop(caller, &stop, out) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
        };
        out.push(Effect::Answer(caller, answer));
    }

    fn route(&mut self, route: &Route, now: Duration) -> Result<Routed, Failure> {
        let server = placement::route(&self.registry, &self.fleet, route, now)?;
        self.registry.send(&server.server);
        Ok(Routed { server })
    }

    fn spawn(
        &mut self,
        caller: Caller,
        spawn: SpawnMap,
        now: Duration,
        patience: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<(), Failure> {
        let spawner = placement::spawner(&self.registry, &self.fleet, &spawn.map, now)?;
        let channel = match spawn.channel {
            Some(channel) if self.is_taken(&spawn.map, channel) => {
                let message =
                    format!("{} channel {channel} lives already or is being started", spawn.map);
                return Err(Failure::new(Code::IdInUse, message));
            }
            Some(channel) => channel,
            None => self
                .registry
                .free_channel(&spawn.map, |channel| self.fleet.is_starting(&spawn.map, channel)),
        };
        let start = StartChild {
            map: spawn.map,
            channel: Some(channel),
            capacity: None,
            cost: None,
            restart: None,
            epoch: None,
        };
        self.fleet.start(caller, spawner, start, now + patience, out);
        Ok(())
    }

    fn is_taken(&self, map: &MapName, channel: Channel) -> bool {
        self.registry.is_taken(map, channel) || self.fleet.is_starting(map, channel)
    }

    fn stop(&self, caller: Caller, stop: &StopMap, out: &mut Vec<Effect>) -> Result<(), Failure> {
        let server = self.registry.get(&stop.server).ok_or_else(|| {
            let message =
                format!("no Map Server {} is known; `cluster.peers` lists them", stop.server);
            Failure::new(Code::ServerUnknown, message)
        })?;
        let spawner = server.spawner.clone().ok_or_else(|| {
            let message = format!("{} was started by hand: end its process instead", stop.server);
            Failure::new(Code::NoSpawner, message)
        })?;
        out.push(Effect::Stop(caller, spawner, stop.server.clone()));
        Ok(())
    }
}

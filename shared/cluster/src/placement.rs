//! Which Map Server for a character, which spawner for a map.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use protocol::{
    Channel, Code, Failure, MapName, SpawnerId,
    backbone::{
        desired::{Desired, Placement, StartRules},
        maps::{MapServer, Route},
        spawners::Spawner,
    },
};

use crate::{
    drains::Drains,
    fleet::{Fleet, Start},
    registry::Registry,
};

/// Above this share of its machine's processors, in percent, a spawner comes last.
const BUSY_CPU: u8 = 85;
/// Above this share of its machine's memory, in percent, a spawner comes last.
const BUSY_MEMORY: u8 = 90;

/// All that a decision may look at.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) fleet: &'a Fleet,
    pub(crate) drains: &'a Drains,
    pub(crate) desired: &'a Desired,
    pub(crate) now: Duration,
}

impl<'a> Scene<'a> {
    /// Map Servers that take players for a map, on one channel of it or on all.
    fn open(
        self,
        map: &MapName,
        channel: Option<Channel>,
    ) -> impl Iterator<Item = &'a MapServer> + use<'a, '_> {
        self.registry.healthy(self.now).filter(move |server| {
            server.map == *map
                && channel.is_none_or(|channel| channel == server.channel)
                && !self.drains.covers(&server.server)
        })
    }

    /// Players that a Map Server is filled up to before the next one is.
    pub(crate) fn soft_cap(self, server: &MapServer) -> u32 {
        let told = self.desired.maps.get(&server.map).and_then(|map| map.soft_cap);
        let fifths = || u32::try_from(u64::from(server.capacity) * 4 / 5).unwrap_or(u32::MAX);
        told.unwrap_or_else(fifths).min(server.capacity).max(1)
    }

    /// The one beside somebody, if that has room; otherwise the fullest Map Server of the map that
    /// is under its soft cap; when all are over it, the one with the fewest. A party goes to one
    /// that has room for all of it, and each for itself where there is none.
    ///
    /// Who was sent its way since its last beat counts for where the next one goes, but does not
    /// keep anybody from trying: many come and leave again between two beats, and a Map Server
    /// itself refuses whom it has no seat for.
    ///
    /// # Errors
    /// [`Code::NoServer`] or [`Code::MapFull`], each with what to do.
    pub(crate) fn route(self, route: &Route) -> Result<&'a MapServer, Failure> {
        let map = &route.map;
        if self.open(map, route.channel).next().is_none() {
            return Err(self.nobody(route));
        }
        let crowd = |server: &&MapServer| self.registry.crowd(server);
        let fits = |server: &MapServer, party: u32, cap: u32| {
            self.registry.crowd(server).saturating_add(party) <= cap
        };
        let emptiest = |has_room: &dyn Fn(&MapServer) -> bool| {
            let with_room = self.open(map, route.channel).filter(|server| has_room(server));
            with_room.min_by_key(|server| (crowd(server), server.channel))
        };
        let together = |party: u32| {
            let beside = self.open(map, route.channel).find(|server| {
                route.beside.as_ref() == Some(&server.server)
                    && fits(server, party, server.capacity)
            });
            let under = || {
                self.open(map, route.channel)
                    .filter(|server| fits(server, party, self.soft_cap(server)))
                    .max_by_key(|server| (crowd(server), Reverse(server.channel)))
            };
            let over = || emptiest(&|server| fits(server, party, server.capacity));
            beside.or_else(under).or_else(over)
        };
        let apart = || (route.party > 1).then(|| together(1)).flatten();
        let for_some = || emptiest(&|server| self.registry.room(server) > 0);
        together(route.party.max(1)).or_else(apart).or_else(for_some).ok_or_else(|| {
            let message = format!("every channel of {map} is full; try again shortly");
            Failure::new(Code::MapFull, message)
        })
    }

    /// Places that are free on a map, for who was sent as well as for who is there.
    pub(crate) fn room(self, map: &MapName, channel: Option<Channel>) -> u32 {
        let room = |server: &MapServer| server.capacity.saturating_sub(self.registry.crowd(server));
        self.open(map, channel).map(room).fold(0, u32::saturating_add)
    }

    fn nobody(self, route: &Route) -> Failure {
        let map = &route.map;
        let mut living = self.registry.maps().filter(|server| server.map == *map).peekable();
        let lives = living.peek().is_some();
        let drained = |server: &MapServer| self.drains.covers(&server.server);
        if lives && route.channel.is_none() && living.all(drained) {
            let message = format!("{map} is being emptied; try again later");
            return Failure::new(Code::Draining, message);
        }
        let message = match route.channel {
            Some(channel) if lives => {
                format!("{map} has no channel {channel} now; choose another or none")
            }
            _ if lives
                || self.fleet.maps().contains(map)
                || self.desired.maps.contains_key(map) =>
            {
                format!("no Map Server for {map} is up yet; try again shortly")
            }
            _ => format!("no Map Server for {map} is up, and no spawner may start one"),
        };
        Failure::new(Code::NoServer, message)
    }

    /// The spawner that is to start a Map Server of this map.
    ///
    /// It may run the map, has the labels and the slots, and is not being emptied. Of those, the
    /// ones on busy machines come last; then it is the one with the least share of its slots in
    /// use ([`Placement::Spread`]) or with the greatest ([`Placement::Pack`]); then the one whose
    /// machine has the least to do.
    ///
    /// # Errors
    /// [`Code::MapUnknown`] naming the maps that can be run, or [`Code::NoSpawner`].
    pub(crate) fn spawner(self, map: &MapName) -> Result<SpawnerId, Failure> {
        let known = self.fleet.maps();
        if known.is_empty() {
            return Err(Failure::new(Code::NoSpawner, "no spawner is up; start a map-spawn"));
        }
        if !known.contains(map) {
            let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            let message = format!("no spawner may run {map}; known maps: {}", names.join(", "));
            return Err(Failure::new(Code::MapUnknown, message));
        }
        let rules = self.rules(map);
        let cost = self.cost(map);
        let labels = rules.map_or(&[][..], |rules| &rules.labels);
        let placement = rules.and_then(|rules| rules.placement);
        let placement = placement.unwrap_or(self.desired.placement);
        let run = self.registry.run_by();
        let able = self
            .able(map)
            .map(|spawner| (spawner, self.load(spawner, &run)))
            .filter(|(spawner, load)| load.saturating_add(cost) <= spawner.slots);
        let best = able.min_by_key(|&(spawner, load)| {
            let machine = spawner.machine;
            let busy = machine.cpu > BUSY_CPU || machine.memory > BUSY_MEMORY;
            let share = share(load.into(), spawner);
            let rank = match placement {
                Placement::Spread => share,
                Placement::Pack => -share,
            };
            // The id settles a tie the same way always.
            (busy, rank, machine.cpu.max(machine.memory), &spawner.spawner)
        });
        best.map(|(spawner, _)| spawner.spawner.clone()).ok_or_else(|| {
            let message = if labels.is_empty() {
                format!("every spawner that may run {map} is full or silent; add a spawner")
            } else {
                let labels: Vec<&str> = labels.iter().map(|label| label.as_str()).collect();
                format!(
                    "every spawner that may run {map} and has the labels {} is full or silent; \
                     add one",
                    labels.join(", ")
                )
            };
            Failure::new(Code::NoSpawner, message)
        })
    }

    /// Spawners that may start a Map Server of this map, slots left aside: it is one of their maps,
    /// they have the labels, and they are not being emptied.
    pub(crate) fn able<'b>(
        self,
        map: &'b MapName,
    ) -> impl Iterator<Item = &'a Spawner> + use<'a, 'b> {
        let labels = self.rules(map).map_or(&[][..], |rules| &rules.labels);
        self.fleet.healthy(self.now).filter(move |spawner| {
            spawner.maps.contains(map)
                && labels.iter().all(|label| spawner.labels.contains(label))
                && !self.drains.covers_spawner(&spawner.spawner)
        })
    }

    /// How a map that is desired is started.
    pub(crate) fn rules(self, map: &MapName) -> Option<&'a StartRules> {
        let maps = self.desired.maps.get(map).map(|map| &map.start);
        maps.or_else(|| self.desired.instances.get(map).map(|instances| &instances.start))
    }

    /// Slots that a Map Server of a map takes.
    pub(crate) fn cost(self, map: &MapName) -> u32 {
        self.rules(map).map_or(1, |rules| rules.cost)
    }

    /// Slots of a spawner that are in use: those it told of, those of Map Servers it is known to
    /// run, and those of what it was told to start since its last beat.
    pub(crate) fn load(self, spawner: &Spawner, run: &Run<'_>) -> u32 {
        let runs = run
            .get(&spawner.spawner)
            .map_or(0, |maps| maps.iter().map(|map| self.cost(map)).fold(0, u32::saturating_add));
        let to_come = self
            .to_come()
            .filter(|start| start.spawner == spawner.spawner)
            .map(|start| start.child.cost.unwrap_or(1))
            .fold(0, u32::saturating_add);
        spawner.used.max(runs).saturating_add(to_come)
    }

    /// Starts that nothing shows yet: neither does the spawner's beat tell of the Map Server, nor
    /// has it registered while the spawner's answer is still to come.
    pub(crate) fn to_come(self) -> impl Iterator<Item = &'a Start> {
        self.fleet.unheard_starts().filter(move |start| {
            let here =
                start.child.channel.and_then(|it| self.registry.channel(&start.child.map, it));
            here.is_none_or(|server| server.spawner.as_ref() != Some(&start.spawner))
        })
    }
}

/// The share of a spawner's slots that a load is, in millionths, so that the shares of any two
/// numbers of slots differ.
pub(crate) fn share(load: i64, spawner: &Spawner) -> i64 {
    load * 1_000_000 / i64::from(spawner.slots.max(1))
}

/// The maps that each spawner runs, one entry for each Map Server.
pub(crate) type Run<'a> = BTreeMap<&'a SpawnerId, Vec<&'a MapName>>;

//! Emptying a part of the cluster: nobody is sent there any more, players are told and moved, and
//! then the Map Servers are stopped.

use std::{collections::BTreeMap, time::Duration};

use protocol::{
    Code, Failure, Incarnation, MapName, ServerId, SpawnerId,
    backbone::{
        maps::MapServer,
        operations::{Drain, DrainMap, Target},
        spawners::StopChild,
    },
};

use crate::{
    BEAT,
    errands::Errands,
    event::{Effect, Job},
    fleet::Fleet,
    orders::{Order, Orders},
    registry::Registry,
};

/// How long players that are being moved may hold up the end of their Map Server.
const MOVING: Duration = Duration::from_secs(10);
/// Before an idle Map Server is stopped, a beat must have shown that nobody was on the way.
const IDLE_FOR_SURE: Duration = Duration::from_millis(1200);
/// Between two tries to reach a server.
const RETRY: Duration = Duration::from_secs(1);

/// What is being emptied.
#[derive(Debug, Default)]
pub struct Drains {
    orders: Orders,
    servers: BTreeMap<ServerId, Draining>,
}

/// One Map Server that is being emptied.
#[derive(Debug)]
struct Draining {
    incarnation: Incarnation,
    why: Why,
    /// A command on its way to it, or to its spawner.
    errand: Option<Job>,
    not_before: Duration,
}

#[derive(Debug)]
enum Why {
    /// Nobody is there and it is needed no more: called off when somebody comes.
    Idle { since: Duration },
    /// An order. `heard`: the Map Server tells its players.
    Ordered { until: Duration, reason: String, heard: bool },
    /// The order was taken back; the Map Server has not heard of it.
    Recalled,
}

/// What is done next about a Map Server that is being emptied.
enum Next {
    Wait,
    /// Have it tell its players; without a countdown, that it is called off.
    Tell {
        countdown: Option<Duration>,
        reason: String,
    },
    /// Have it stopped.
    Stop,
}

impl Why {
    fn next(&self, crowd: u32, now: Duration) -> Next {
        match self {
            Self::Idle { since } if now < *since + IDLE_FOR_SURE => Next::Wait,
            Self::Idle { .. } => Next::Stop,
            Self::Ordered { until, reason, heard } => {
                // Nobody who is there is cut off before it had its time to move.
                let waits = now < *until || (crowd > 0 && now < *until + MOVING);
                match (waits, heard) {
                    (false, _) => Next::Stop,
                    (true, true) => Next::Wait,
                    (true, false) => {
                        let countdown = Some(until.saturating_sub(now));
                        Next::Tell { countdown, reason: reason.clone() }
                    }
                }
            }
            Self::Recalled => Next::Tell { countdown: None, reason: String::new() },
        }
    }
}

fn covers(target: &Target, server: &MapServer) -> bool {
    match target {
        Target::Server(id) => *id == server.server,
        Target::Map(map) => *map == server.map,
        Target::Spawner(spawner) => server.spawner.as_ref() == Some(spawner),
        Target::All => true,
    }
}

impl Drains {
    /// Goes on with what an earlier leader has left.
    pub fn new(left: Vec<Drain>) -> Self {
        Self { orders: Orders::left(left), servers: BTreeMap::new() }
    }

    /// What is ordered, and its copy.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The same, to be answered and written down.
    pub fn orders_mut(&mut self) -> &mut Orders {
        &mut self.orders
    }

    /// Whether a Map Server takes nobody because it is being emptied.
    pub fn covers(&self, server: &ServerId) -> bool {
        let draining = self.servers.get(server);
        draining.is_some_and(|draining| !matches!(draining.why, Why::Recalled))
    }

    /// Whether a spawner gets nothing new because it is being emptied.
    pub fn covers_spawner(&self, spawner: &SpawnerId) -> bool {
        self.orders.all().iter().any(|order| match &order.target {
            Target::Spawner(id) => id == spawner,
            Target::All => true,
            _ => false,
        })
    }

    /// Whether a map is being emptied on all its channels.
    pub fn covers_map(&self, map: &MapName) -> bool {
        self.orders.all().iter().any(|order| match &order.target {
            Target::Map(name) => name == map,
            Target::All => true,
            _ => false,
        })
    }

    /// Every Map Server that is being emptied.
    pub fn servers(&self) -> impl Iterator<Item = &ServerId> {
        self.servers.keys().filter(|server| self.covers(server))
    }

    /// Begins an order, or changes its countdown; returns the Map Servers that it is about.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`] when there is nothing of that name.
    pub fn order(
        &mut self,
        drain: Drain,
        registry: &Registry,
        fleet: &Fleet,
        now: Duration,
    ) -> Result<Vec<ServerId>, Failure> {
        let Drain { target, countdown_s, reason } = drain;
        let covered = registry.maps().filter(|server| covers(&target, server));
        let covered: Vec<ServerId> = covered.map(|server| server.server.clone()).collect();
        let is_there = match &target {
            Target::Spawner(spawner) => fleet.get(spawner).is_some(),
            Target::Map(map) => fleet.maps().contains(map),
            Target::All => true,
            Target::Server(_) => false,
        };
        if covered.is_empty() && !is_there {
            let message = "nothing of that name is known; `mmo status` lists what there is";
            return Err(Failure::new(Code::ServerUnknown, message));
        }
        let until = now + Duration::from_secs(countdown_s.into());
        for server in registry.maps().filter(|server| covers(&target, server)) {
            self.begin(server, until, &reason, now);
        }
        self.orders.add(Order { target, until, reason }, now);
        Ok(covered)
    }

    /// Takes an order back; returns the Map Servers that stay.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`] when there is no such order.
    pub fn abort(
        &mut self,
        target: &Target,
        registry: &Registry,
        now: Duration,
    ) -> Result<Vec<ServerId>, Failure> {
        if !self.orders.retain(|order| order.target != *target, now) {
            let message = "that is not being drained; `mmo status` lists what is";
            return Err(Failure::new(Code::ServerUnknown, message));
        }
        let mut stay = Vec::new();
        for server in registry.maps().filter(|server| covers(target, server)) {
            let still = self.orders.all().iter().any(|order| covers(&order.target, server));
            let Some(draining) = self.servers.get_mut(&server.server) else { continue };
            if !still && matches!(draining.why, Why::Ordered { .. }) {
                draining.why = Why::Recalled;
                draining.errand = None;
                draining.not_before = now;
                stay.push(server.server.clone());
            }
        }
        Ok(stay)
    }

    /// Lets an empty Map Server go that is needed no more.
    pub fn retire(&mut self, server: &MapServer, now: Duration) {
        let why = Why::Idle { since: now };
        self.add(server, why, now);
    }

    fn begin(&mut self, server: &MapServer, until: Duration, reason: &str, now: Duration) {
        let why = Why::Ordered { until, reason: reason.to_owned(), heard: false };
        self.add(server, why, now);
    }

    fn add(&mut self, server: &MapServer, why: Why, now: Duration) {
        let incarnation = server.incarnation;
        let draining = Draining { incarnation, why, errand: None, not_before: now };
        self.servers.insert(server.server.clone(), draining);
    }

    /// A Map Server or a spawner has answered a command of this drain.
    pub fn answered(&mut self, job: Job, done: bool, now: Duration) {
        let found = self.servers.iter_mut().find(|(_, draining)| draining.errand == Some(job));
        let Some((server, draining)) = found else { return };
        draining.errand = None;
        draining.not_before = now + RETRY;
        match &mut draining.why {
            Why::Ordered { heard, .. } if done => {
                // The answer to a stop means that it has ended: then it is gone from the registry.
                *heard = true;
                draining.not_before = now;
            }
            Why::Recalled if done => {
                let server = server.clone();
                self.servers.remove(&server);
            }
            _ => {}
        }
    }

    /// Goes on with all that is being emptied. Until it is `settled` who lives, what is not known
    /// may still come.
    pub fn go_on(
        &mut self,
        registry: &Registry,
        fleet: &Fleet,
        errands: &mut Errands,
        settled: bool,
        now: Duration,
        out: &mut Vec<Effect>,
    ) {
        self.take_up_newcomers(registry, now);
        self.forget_the_gone(registry, fleet, settled, now);
        for (id, draining) in &mut self.servers {
            let Some(server) = registry.get(id) else { continue };
            if draining.errand.is_some() || now < draining.not_before {
                continue;
            }
            match draining.why.next(registry.crowd(server), now) {
                Next::Wait => {}
                Next::Tell { countdown, reason } => {
                    let job = errands.number();
                    draining.errand = Some(job);
                    let countdown_ms =
                        countdown.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
                    let incarnation = draining.incarnation;
                    let drain = DrainMap { incarnation, countdown_ms, reason };
                    out.push(Effect::Drain(job, id.clone(), drain));
                }
                Next::Stop => {
                    let spawner = server.spawner.as_ref();
                    // One that was started by hand stays, empty: nobody can stop it from here.
                    let Some(spawner) = spawner.filter(|id| fleet.is_healthy(id, now)) else {
                        continue;
                    };
                    let job = errands.number();
                    draining.errand = Some(job);
                    let stop = StopChild { server: id.clone(), epoch: Some(errands.epoch()) };
                    out.push(Effect::Stop(job, spawner.clone(), stop));
                }
            }
        }
    }

    /// Map Servers that came after an order covers them are emptied, too.
    fn take_up_newcomers(&mut self, registry: &Registry, now: Duration) {
        if self.orders.all().is_empty() {
            return;
        }
        for server in registry.maps() {
            let mut orders = self.orders.all().iter();
            let Some(order) = orders.find(|order| covers(&order.target, server)) else { continue };
            let ordered = self.servers.get(&server.server).is_some_and(|draining| {
                matches!(draining.why, Why::Ordered { .. })
                    && draining.incarnation == server.incarnation
            });
            if !ordered {
                let order = order.clone();
                self.begin(server, order.until.max(now), &order.reason, now);
            }
        }
    }

    fn forget_the_gone(
        &mut self,
        registry: &Registry,
        fleet: &Fleet,
        settled: bool,
        now: Duration,
    ) {
        self.servers.retain(|id, draining| {
            let present = registry.get(id);
            let present = present.filter(|server| server.incarnation == draining.incarnation);
            // Somebody came after all, as long as nobody was told to stop it.
            let needed = |server| {
                matches!(draining.why, Why::Idle { .. })
                    && draining.errand.is_none()
                    && registry.crowd(server) > 0
            };
            present.is_some_and(|server| !needed(server))
        });
        if !settled {
            return;
        }
        let is_there = |order: &Order| match &order.target {
            Target::Server(id) => registry.get(id).is_some(),
            Target::Spawner(id) => {
                fleet.get(id).is_some() || registry.maps().any(|map| covers(&order.target, map))
            }
            Target::Map(_) | Target::All => true,
        };
        self.orders.retain(is_there, now);
    }
}

const _: () = assert!(IDLE_FOR_SURE.as_millis() > BEAT.as_millis());

//! Which Map Servers this spawner runs, and what to do next. No I/O and no clock: an event and the
//! time since the start come in, effects come out, so that any story can be tested in no time.
//!
//! # Layout
//! - [`event`]: what comes in, what goes out.
//! - [`child`]: one child: how it is, and who waits for it.
//! - [`orders`]: start and stop commands. [`care`]: commands about one that hangs or is held.
//! - [`terms`]: which leader's commands are obeyed.
//! - [`lives`]: how a child registers, ends and returns. [`adoption`]: those that ran before.
//! - [`drain`]: stopping all of them, in order.
//! - [`upkeep`]: what a child takes. [`backoff`]: how long a dead one waits for its restart.

mod adoption;
mod backoff;
mod care;
mod child;
mod drain;
mod event;
mod lives;
mod orders;
#[cfg(test)]
mod properties;
mod terms;
#[cfg(test)]
mod tests;
mod upkeep;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use protocol::{
    Failure, MapName, ServerId, SpawnerId,
    backbone::spawners::{self, MapSpawned, Pending},
};
use rand::{SeedableRng, rngs::StdRng};

use self::{
    child::{Child, Phase, Waiter},
    drain::Drain,
    terms::Terms,
};
pub(crate) use self::{
    event::{Effect, Event, Found, Launch, Sign, WaiterId},
    orders::server_id,
    upkeep::Upkeep,
};

/// What a nursery holds to.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Whose children these are: the first word of their ids.
    pub(crate) spawner: SpawnerId,
    /// The maps it may run.
    pub(crate) maps: BTreeSet<MapName>,
    /// What children may take together, dead ones waiting for their restart included.
    pub(crate) slots: u32,
    /// From a launch to its registration.
    pub(crate) start_deadline: Duration,
    /// From SIGTERM to SIGKILL.
    pub(crate) stop_grace: Duration,
}

/// The children of one spawner.
#[derive(Debug)]
pub(crate) struct Nursery {
    limits: Limits,
    children: BTreeMap<ServerId, Child>,
    /// The number of the newest child of each map; numbers are not used twice.
    numbers: BTreeMap<MapName, u32>,
    /// How many were started or found, restarts not counted.
    started: u64,
    terms: Terms,
    drain: Option<Drain>,
    /// For the backoff's jitter.
    rng: StdRng,
    effects: Vec<Effect>,
}

impl Nursery {
    /// An empty one. `seed` is for the jitter alone.
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            children: BTreeMap::new(),
            numbers: BTreeMap::new(),
            started: 0,
            terms: Terms::default(),
            drain: None,
            rng: StdRng::seed_from_u64(seed),
            effects: Vec::new(),
        }
    }

    /// Takes an event that happens `now`, a time since the start that never goes back, and says
    /// what to do, in this order.
    pub(crate) fn handle(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        match event {
            Event::Found(found) => self.found(found),
            Event::Stand(pinned) => self.stand(&pinned, now),
            Event::Start { order, waiter } => self.start(&order, waiter, now),
            Event::Stop { order, waiter } => self.stop(&order, waiter, now),
            Event::Hung { order, waiter } => self.hung(&order, waiter, now),
            Event::Clear { server, waiter } => self.clear(&server, waiter, now),
            Event::Term(term) => self.terms.hear(term),
            Event::Launched { server, pid } => self.launched(server, pid),
            Event::Ready(ready) => self.ready(ready, now),
            Event::Peers(peers) => self.introduce(&peers, now),
            Event::Ended { server, how } => self.ended(server, &how, now),
            Event::Told { server } => self.told(&server),
            Event::Drain { patience } => self.begin_drain(patience, now),
            Event::Tick => {}
        }
        self.meet_deadlines(now);
        self.go_on_draining(now);
        std::mem::take(&mut self.effects)
    }

    /// When it wants [`Event::Tick`] at the latest; `None`: nothing is due by itself.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let children = self.children.values().filter_map(Child::next_deadline);
        children.chain(self.next_turn()).min()
    }

    /// Whether it is draining and all children have ended.
    pub(crate) fn is_drained(&self) -> bool {
        self.drain.is_some() && self.children.is_empty()
    }

    /// Slots in use.
    pub(crate) fn used(&self) -> u32 {
        self.children.values().fold(0, |used, child| used.saturating_add(child.upkeep.cost))
    }

    /// Every child that does not serve now, by server id.
    pub(crate) fn pending(&self) -> impl Iterator<Item = Pending> {
        let spawner = &self.limits.spawner;
        self.children.iter().filter_map(move |(server, child)| child.pending(spawner, server))
    }

    /// Every child, by server id.
    pub(crate) fn children(&self) -> impl Iterator<Item = spawners::Child> {
        self.children.iter().map(|(server, child)| child.shown(server))
    }

    /// Does what each child's own deadlines ask for.
    fn meet_deadlines(&mut self, now: Duration) {
        let due = |child: &Child| child.next_deadline().is_some_and(|deadline| deadline <= now);
        let servers: Vec<ServerId> = self
            .children
            .iter()
            .filter(|(_, child)| due(child))
            .map(|(server, _)| server.clone())
            .collect();
        for server in servers {
            self.give_up_waiting(&server, now);
            match self.children.get(&server).map(|child| &child.phase) {
                Some(Phase::Starting { deadline }) if *deadline <= now => {
                    self.give_up_starting(&server, now);
                }
                Some(Phase::Waiting { until, told: true }) if *until <= now => {
                    self.relaunch(&server, now);
                }
                Some(Phase::Stopping { kill_at: Some(at), .. }) if *at <= now => {
                    self.kill(&server);
                }
                _ => {}
            }
        }
    }

    fn answer_starts(&mut self, waiters: Vec<Waiter>, outcome: &Result<MapSpawned, Failure>) {
        let answers = waiters.into_iter().map(|waiter| Effect::Spawned(waiter.id, outcome.clone()));
        self.effects.extend(answers);
    }

    fn answer_stops(&mut self, waiters: Vec<Waiter>, outcome: &Result<(), Failure>) {
        let answers = waiters.into_iter().map(|waiter| Effect::Done(waiter.id, outcome.clone()));
        self.effects.extend(answers);
    }
}

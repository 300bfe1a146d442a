//! Two Map Servers, Central and players, simulated: real hosts, and a network that loses, delays
//! and repeats what is said between them, in every order or by seed. Without I/O or clock.
//!
//! After every step holds: what a player was told to be durable is stored, what it was told to be
//! refused is not, and each character's coins are the sum of its ledger. In the end everybody can
//! play again. `WAYSTONE_SEEDS=n` tries so many seeds, `WAYSTONE_SEED=x` one of them.
//!
//! # Layout
//! - `tests`: what is tried. `run`: one run. `schedule`: who decides.
//! - `maps`: the hosts. `central`, `store`: Central. `clients`, `game`: the players.
//! - `network`: what is on its way.
//!
//! Not simulated: Redis and sessions, instances, recovery files, drains.

mod central;
mod clients;
mod game;
mod maps;
mod network;
mod run;
mod schedule;
mod store;
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use protocol::{Code, Failure};

use self::{
    central::Select,
    clients::Client,
    game::Verdict,
    maps::Map,
    network::{Answer, Ask, Body, Call, CallId, Caller, Message, Network, Party, Said},
    store::Store,
};

/// What is made wrong on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// The store saves without a look at owner, epoch and version.
    SaveAtAnyEpoch,
    /// Every third commit is answered and not done.
    CommitForgotten,
    /// Of a commit, only the first character is saved.
    HalfCommit,
    /// A transfer that was lost is answered as if it were done.
    LostTransferIsDone,
    /// A release gives the character up first, and what was to be saved is refused then.
    ReleaseBeforeSave,
    /// A change that is repeated is refused instead of answered again.
    RepetitionRefused,
    /// Anybody gives a character up, not only its owner.
    AbandonOfAnybody,
}

impl Planted {
    const ALL: [Self; 7] = [
        Self::SaveAtAnyEpoch,
        Self::CommitForgotten,
        Self::HalfCommit,
        Self::LostTransferIsDone,
        Self::ReleaseBeforeSave,
        Self::RepetitionRefused,
        Self::AbandonOfAnybody,
    ];
}

struct Simulation {
    begun: Instant,
    now: Instant,
    planted: Planted,
    store: Store,
    maps: Vec<Map>,
    clients: Vec<Client>,
    network: Network,
    selects: BTreeMap<usize, Select>,
    /// The first answers to calls, which a repeated call gets.
    answers: BTreeMap<CallId, Answer>,
    central_away_until: Option<Instant>,
    /// Changes asked for.
    changes: u64,
    /// What the game was told of those that must last.
    told: BTreeMap<u64, Verdict>,
    /// Those that were given, to be saved by and by.
    found: BTreeSet<u64>,
    /// Players that were told to go to another map.
    warps: u32,
    /// A server has lost its memory, or was passed over: then what was to be saved by and by may be
    /// lost, and a copy be of no use.
    is_lossy: bool,
    /// What has happened, for whoever looks for the reason.
    log: Option<Vec<String>>,
}

impl Simulation {
    fn new(players: u128, planted: Planted) -> Self {
        let now = Instant::now();
        let mut store = Store::new(planted);
        let clients: Vec<Client> = (1..=players).map(|it| Client::new(it, now)).collect();
        for client in &clients {
            store.create(client.character, client.account);
        }
        Self {
            begun: now,
            now,
            planted,
            store,
            maps: ["town", "forest"].map(|name| Map::new(name, now)).into(),
            clients,
            network: Network::default(),
            selects: BTreeMap::new(),
            answers: BTreeMap::new(),
            central_away_until: None,
            changes: 0,
            told: BTreeMap::new(),
            found: BTreeSet::new(),
            warps: 0,
            is_lossy: false,
            log: None,
        }
    }

    fn note(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.log.is_some() {
            let line = format!("{:.2} s: {}", (self.now - self.begun).as_secs_f32(), what(self));
            self.log.get_or_insert_default().push(line);
        }
    }

    fn is_central_away(&self) -> bool {
        self.central_away_until.is_some_and(|until| self.now < until)
    }

    fn is_reachable(&self, party: Party) -> bool {
        match party {
            Party::Central => !self.is_central_away(),
            Party::Map(index) => {
                let map = &self.maps[index];
                map.host.is_some() && !map.is_cut(self.now)
            }
        }
    }

    /// Somebody asks; `by` is the Map Server, or none for Central.
    fn call(
        &mut self,
        caller: Caller,
        by: Option<usize>,
        to: Party,
        ask: Ask,
        patience: (u64, u32),
    ) {
        let by = by.map_or(Party::Central, Party::Map);
        let reachable = self.is_reachable(by) && self.is_reachable(to);
        self.network.call(caller, to, ask, patience, reachable, self.now);
    }

    /// A message comes.
    fn deliver(&mut self, index: usize) {
        let Some(Message { call, body, .. }) = self.network.take(index, self.now) else { return };
        match body {
            Body::Request { to, .. } if !self.is_reachable(to) => {}
            Body::Request { to, ask, anew } => {
                let first = self.answers.get(&call).filter(|_| !anew).cloned();
                let answer = first.or_else(|| match to {
                    Party::Central => Some(self.serve_central(ask)),
                    Party::Map(map) => self.serve_map(map, call, ask),
                });
                // One that is not answered yet, an eviction, is not asked for twice.
                if let Some(answer) = answer {
                    self.answers.insert(call, answer.clone());
                    self.network.reply(call, answer, self.now);
                }
            }
            Body::Reply(answer) => {
                let asked = self.network.calls.get(&call);
                if asked.is_some_and(|call| self.is_reachable(call.caller.party()))
                    && let Some(call) = self.network.calls.remove(&call)
                {
                    self.hear(call, answer);
                }
            }
        }
        self.after();
    }

    fn hear(&mut self, call: Call, answer: Answer) {
        match call.caller {
            Caller::Host(map, life, told) if self.maps[map].own.incarnation == life => {
                self.with_host(map, |host, now| host.outcome(told(answer), now));
            }
            Caller::Admission(map, life, client) if self.maps[map].own.incarnation == life => {
                self.loaded(client, map, answer);
            }
            Caller::Select(client) => self.select_answered(client, answer),
            Caller::Host(..) | Caller::Admission(..) | Caller::Nobody => {}
        }
    }

    /// What follows from a step at once.
    fn after(&mut self) {
        let (central, now) = (!self.is_central_away(), self.now);
        let up = |map: &Map| map.host.is_some() && !map.is_cut(now);
        let maps: Vec<bool> = self.maps.iter().map(up).collect();
        let is_up = |party| match party {
            Party::Central => central,
            Party::Map(index) => maps[index],
        };
        let reachable = |call: &Call| is_up(call.to) && is_up(call.caller.party());
        for (call, failure) in self.network.give_up(now, reachable) {
            let done = self.planted == Planted::LostTransferIsDone
                && matches!(call.ask, Ask::Transfer(_))
                && failure.code == Code::DeadlinePassed;
            let answer: Result<Said, Failure> = if done { Ok(Said::Done) } else { Err(failure) };
            self.note(|_| format!("no answer to {:?}: {answer:?}", call.ask));
            self.hear(call, answer);
        }
        self.tick_clients();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.tick_maps();
        self.after();
        let now = self.now;
        for map in &mut self.maps {
            map.cut.take_if(|(_, until)| *until <= now);
        }
    }
}

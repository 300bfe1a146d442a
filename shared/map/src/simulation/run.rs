//! One run: choices that are somebody else's, then everything is healed and everybody must be able
//! to play on, keep what is durable, and leave.

use std::{ops::AddAssign, time::Duration};

use protocol::play::PlayInput;

use super::{
    Planted, Simulation,
    clients::State,
    game::{Verdict, Wish},
    schedule::{Dice, Exhaustive},
};

/// How late a request may be heard that was given up: machines' clocks differ by up to a second.
const LATE: Duration = Duration::from_millis(900);
/// Within so long after everything is well again, everybody is on a map.
const HEALED: Duration = Duration::from_secs(45);
const STEP: Duration = Duration::from_millis(100);
/// The same where nothing is tried any more.
const LONG_STEP: Duration = Duration::from_millis(250);
/// Within so long a change is durable when all is well, and who leaves is saved.
const WELL: Duration = Duration::from_secs(10);

impl Simulation {
    /// Delivers everything at once, until it is as it is wanted. False when it takes too long.
    fn until(&mut self, within: Duration, step: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + within;
        while !is_so(self) {
            if let Some(&index) = self.network.ready(self.now).first() {
                self.step(Step::Deliver(index));
            } else if self.now < end {
                self.pass(step);
            } else {
                return false;
            }
        }
        true
    }

    fn is_well(&self) -> bool {
        let hosts = self.maps.iter().filter_map(|map| map.host.as_ref());
        let at_play: u32 = hosts.map(crate::host::Host::population).sum();
        self.clients.iter().all(super::clients::Client::is_playing)
            && at_play as usize == self.clients.len()
            && self.network.is_quiet()
            && self.maps.iter().all(super::maps::Map::is_settled)
    }

    /// A change that nobody has asked for before.
    fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// The end of every run; tells what is wrong.
    fn judge(&mut self) -> Result<(), String> {
        self.central_away_until = None;
        for map in &mut self.maps {
            map.cut = None;
        }
        for client in &mut self.clients {
            client.way = Duration::ZERO;
        }
        self.note(|_| "healed".to_owned());
        if !self.until(HEALED, LONG_STEP, Self::is_well) {
            return self.verdict("somebody cannot play, or waits for ever");
        }
        let last: Vec<u64> = (0..self.clients.len()).map(|_| self.change()).collect();
        for (client, change) in last.iter().enumerate() {
            self.wish(client, &Wish::Bank(*change));
        }
        let are_done = |sim: &Self| last.iter().all(|it| sim.told.get(it) == Some(&Verdict::Done));
        if !self.until(WELL, LONG_STEP, are_done) {
            return self.verdict("a change is not made durable though all is well");
        }
        for client in 0..self.clients.len() {
            self.input(client, PlayInput::Leave);
            self.clients[client].state = State::Done;
        }
        let all_left = |sim: &Self| {
            let mut hosts = sim.maps.iter().filter_map(|map| map.host.as_ref());
            let free =
                |client: &super::clients::Client| sim.store.row(client.character).owner.is_none();
            hosts.all(crate::host::Host::is_empty) && sim.clients.iter().all(free)
        };
        if !self.until(WELL * 2, LONG_STEP, all_left) {
            return self.verdict("somebody who left is not given up");
        }
        let lost =
            |told: &(&u64, &Verdict)| *told.1 == Verdict::Done && !self.store.is_stored(*told.0);
        if let Some((change, _)) = self.told.iter().find(lost) {
            return Err(format!("the change {change} was durable and is gone"));
        }
        let lost = self.found.iter().find(|change| !self.store.is_stored(**change));
        if let Some(change) = lost.filter(|_| !self.is_lossy) {
            return Err(format!("{change} was found and never saved, though no server ended"));
        }
        self.verdict("").or_else(|what| if what.is_empty() { Ok(()) } else { Err(what) })
    }

    /// The first rule that was broken, or else this.
    fn verdict(&self, what: &str) -> Result<(), String> {
        Err(self.store.broken.clone().unwrap_or_else(|| what.to_owned()))
    }
}

/// What may go wrong in one run at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    pub(super) crashes: u32,
    pub(super) losses: u32,
    /// For how many losses a message counts that comes after it was given up.
    pub(super) delay: u32,
}

/// One character that wishes this, and then to the forest, with so many faults. Tells how it failed.
pub(super) fn warp(
    choices: &mut Exhaustive,
    first: &[fn(u64) -> Wish],
    faults: Faults,
    planted: Planted,
    log: bool,
) -> Result<Tally, Failed> {
    let mut sim = Simulation::new(1, planted);
    assert!(sim.until(WELL, STEP, Simulation::is_well));
    sim.log = log.then(Vec::new);
    for wish in first {
        let change = sim.change();
        sim.wish(0, &wish(change));
    }
    sim.wish(0, &Wish::Warp("forest".parse().unwrap()));
    let (Faults { mut losses, mut crashes, delay }, mut steps) = (faults, 0);
    // Beyond so many steps it is all over: what comes then is the way back in.
    while sim.store.broken.is_none() && steps < 60 && !(steps > 0 && sim.is_well()) {
        steps += 1;
        let ready = sim.network.ready(sim.now);
        let Some(&first) = ready.first() else {
            sim.pass(STEP);
            continue;
        };
        // Which of two comes first matters; the third has its turn later.
        let mut possible: Vec<Step> = ready.iter().take(2).map(|it| Step::Deliver(*it)).collect();
        if losses > 0 {
            possible.push(Step::Lose(first));
        }
        if losses >= delay && !sim.network.is_slow(first) {
            possible.push(Step::Delay(first));
        }
        if crashes > 0 {
            possible.extend([Step::Crash(0), Step::Crash(1)]);
        }
        let step = possible[choices.choose(possible.len())];
        losses -= match step {
            Step::Lose(_) => 1,
            Step::Delay(_) => delay,
            _ => 0,
        };
        crashes -= u32::from(matches!(step, Step::Crash(_)));
        sim.step(step);
    }
    finish(sim)
}

/// What may happen next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A message comes, is lost, comes after it was given up, or comes twice.
    Deliver(usize),
    Lose(usize),
    Delay(usize),
    Duplicate(usize),
    /// A Map Server ends, or is cut off.
    Crash(usize),
    Cut(usize, Duration),
    CentralAway(Duration),
}

impl Simulation {
    fn step(&mut self, step: Step) {
        self.note(|sim| match step {
            Step::Deliver(index)
            | Step::Lose(index)
            | Step::Delay(index)
            | Step::Duplicate(index) => {
                let (message, what) = (&sim.network.flight[index], format!("{step:?}"));
                format!("{} {message:?}", what.split('(').next().unwrap())
            }
            step => format!("{step:?}"),
        });
        match step {
            Step::Deliver(index) => self.deliver(index),
            Step::Lose(index) => drop(self.network.flight.remove(index)),
            Step::Delay(index) => {
                self.network.slow(index, LATE);
            }
            Step::Duplicate(index) => self.network.duplicate(index),
            Step::Crash(map) => self.crash(map),
            Step::Cut(map, time) => self.maps[map].cut = Some((self.now, self.now + time)),
            Step::CentralAway(time) => {
                self.central_away_until = Some(self.now + time);
                // Another one serves then, or the same after a restart.
                self.answers.clear();
            }
        }
        self.after();
    }
}

/// What there was in a run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) done: usize,
    pub(super) refused: usize,
    pub(super) not_known: usize,
    pub(super) warps: u32,
    pub(super) lossy: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.refused += other.refused;
        self.not_known += other.not_known;
        self.warps += other.warps;
        self.lossy += other.lossy;
    }
}

/// How a run failed, and what happened in it where that was asked for.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) why: String,
    pub(super) log: Vec<String>,
}

fn finish(mut sim: Simulation) -> Result<Tally, Failed> {
    let verdict = match sim.store.broken.clone() {
        Some(broken) => Err(broken),
        None => sim.judge(),
    };
    let told = |verdict| sim.told.values().filter(|told| **told == verdict).count();
    let tally = Tally {
        done: told(Verdict::Done),
        refused: told(Verdict::Refused),
        not_known: told(Verdict::NotKnown),
        warps: sim.warps,
        lossy: usize::from(sim.is_lossy),
    };
    verdict.map(|()| tally).map_err(|why| Failed { why, log: sim.log.take().unwrap_or_default() })
}

/// Some players, and whatever the dice say.
pub(super) fn seed(seed: u64, planted: Planted, log: bool) -> Result<Tally, Failed> {
    let mut dice = Dice::new(seed);
    let mut sim = Simulation::new(2 + u128::from(dice.once_in(2)), planted);
    sim.log = log.then(Vec::new);
    // Some runs have few faults: only those show what is lost without need.
    let rough = [400, 60, 25][dice.below(3)];
    for _ in 0..100 + dice.below(150) {
        sim.happen(&mut dice, rough);
        if sim.store.broken.is_some() {
            break;
        }
    }
    finish(sim)
}

impl Simulation {
    /// One step by the dice.
    fn happen(&mut self, dice: &mut Dice, rough: usize) {
        if dice.once_in(rough) {
            self.fault(dice);
        }
        let ready = self.network.ready(self.now);
        match dice.below(10) {
            0..6 if !ready.is_empty() => {
                let index = ready[dice.below(ready.len())];
                self.step(Step::Deliver(index));
            }
            6..8 => self.play(dice),
            _ => {
                let passed = [50, 100, 400][dice.below(3)];
                self.pass(Duration::from_millis(passed));
            }
        }
    }

    /// Something goes wrong.
    fn fault(&mut self, dice: &mut Dice) {
        let ready = self.network.ready(self.now);
        let (fault, map) = (dice.below(14), dice.below(2));
        let time = Duration::from_millis([900, 4000, 9000][dice.below(3)]);
        match fault {
            0 => self.step(Step::Crash(map)),
            1 => self.step(Step::Cut(map, time)),
            2 => self.step(Step::CentralAway(time)),
            _ if ready.is_empty() => {}
            _ => {
                let index = ready[dice.below(ready.len())];
                self.step(match fault {
                    3..10 => Step::Lose(index),
                    10..12 => Step::Delay(index),
                    _ => Step::Duplicate(index),
                });
            }
        }
    }

    /// Somebody does something.
    fn play(&mut self, dice: &mut Dice) {
        let client = dice.below(self.clients.len());
        self.clients[client].way = Duration::from_secs([0, 0, 0, 0, 3, 12][dice.below(6)]);
        let change = self.change();
        let did = dice.below(20);
        self.note(|_| format!("client {client} does {did}, as change {change}"));
        match did {
            0..5 => self.wish(client, &Wish::Bank(change)),
            5..10 => self.wish(client, &Wish::Share(change)),
            10..13 => self.wish(client, &Wish::Find(change)),
            13..17 => {
                let here = self.clients[client].map().unwrap_or_default();
                let to = ["forest", "town"][here].parse().unwrap();
                self.wish(client, &Wish::Warp(to));
            }
            17 => self.input(client, PlayInput::Leave),
            18 => self.lose_link(client, Some(Duration::from_secs(dice.below(8) as u64))),
            _ => self.lose_link(client, None),
        }
        self.after();
    }
}

//! What holds in every story, however events fall.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{collection::vec, prelude::*};
use protocol::{
    Channel, Code, ServerId,
    backbone::{
        Life,
        desired::RestartPolicy,
        spawners::{ChildState, EndHungChild, Pinned, StartChild, StopChild},
    },
};

use super::{
    Effect, Event, Nursery, Sign, WaiterId,
    tests::{found, limits, peers, ready},
};

#[derive(Debug, Clone)]
enum Step {
    Start { map: &'static str, channel: Option<u16>, cost: u32, epoch: Option<u64> },
    Stand { map: &'static str, channels: u16 },
    Stop(usize),
    Hung(usize),
    Clear(usize),
    Peers { mask: u8 },
    Term(u64),
    Ready(usize),
    End(usize),
    Tell,
    Pass(u64),
    Drain(u64),
}

const MAPS: [&str; 3] = ["town", "forest", "moon"];

fn step() -> impl Strategy<Value = Step> {
    let map = || prop::sample::select(MAPS.to_vec());
    prop_oneof![
        4 => (map(), prop::option::of(0..4_u16), 0..3_u32, prop::option::of(0..4_u64))
            .prop_map(|(map, channel, cost, epoch)| Step::Start { map, channel, cost, epoch }),
        1 => (map(), 1..3_u16).prop_map(|(map, channels)| Step::Stand { map, channels }),
        2 => (0..8_usize).prop_map(Step::Stop),
        1 => (0..8_usize).prop_map(Step::Hung),
        2 => (0..8_usize).prop_map(Step::Clear),
        1 => any::<u8>().prop_map(|mask| Step::Peers { mask }),
        1 => (0..4_u64).prop_map(Step::Term),
        4 => (0..8_usize).prop_map(Step::Ready),
        6 => (0..8_usize).prop_map(Step::End),
        3 => Just(Step::Tell),
        4 => (1..15_000_u64).prop_map(Step::Pass),
        1 => (0..12_000_u64).prop_map(Step::Drain),
    ]
}

/// What the world knows of the nursery, from its effects alone.
#[derive(Default)]
struct World {
    now: Duration,
    /// Processes, and whether they were told to end.
    processes: BTreeMap<ServerId, bool>,
    /// Lives that have registered.
    lives: BTreeMap<ServerId, Life>,
    /// Who crashed too often, and was not cleared since.
    held: BTreeSet<ServerId>,
    /// The greatest term that was heard of.
    term: u64,
    /// Commands of older terms.
    fenced: BTreeSet<WaiterId>,
    /// Ends that the Cluster is being told of.
    telling: BTreeSet<ServerId>,
    /// Who waits, and until when.
    waiting: BTreeMap<WaiterId, Duration>,
    waiters: WaiterId,
    draining: bool,
}

impl World {
    fn waiter(&mut self, patience: Duration) -> WaiterId {
        self.waiters += 1;
        self.waiting.insert(self.waiters, self.now + patience);
        self.waiters
    }

    /// Takes note of whether a command of this term may be obeyed.
    fn command(&mut self, waiter: WaiterId, epoch: Option<u64>) {
        let Some(epoch) = epoch else { return };
        if epoch < self.term {
            self.fenced.insert(waiter);
        }
        self.term = self.term.max(epoch);
    }

    fn event(&mut self, step: &Step) -> Option<Event> {
        let process = |n: &usize| self.processes.keys().cycle().nth(*n).cloned();
        Some(match step {
            Step::Start { map, channel, cost, epoch } => {
                let waiter = self.waiter(limits().start_deadline);
                self.command(waiter, *epoch);
                let restart = RestartPolicy { crashes_a_minute: 2, ..RestartPolicy::default() };
                let start = StartChild::new(map.parse().unwrap(), channel.map(Channel));
                let (cost, restart, epoch) = (Some(*cost), Some(restart), *epoch);
                Event::Start { order: StartChild { cost, restart, epoch, ..start }, waiter }
            }
            Step::Stand { map, channels } => {
                Event::Stand(Pinned { map: map.parse().unwrap(), channels: *channels })
            }
            Step::Stop(n) => {
                let server = process(n).or_else(|| self.telling.first().cloned())?;
                let waiter = self.waiter(limits().stop_grace + Duration::from_secs(2));
                Event::Stop { order: StopChild { server, epoch: None }, waiter }
            }
            Step::Hung(n) => {
                let life = self.lives.values().nth(*n)?.clone();
                let waiter = self.waiter(Duration::ZERO);
                Event::Hung { order: EndHungChild { life, epoch: None }, waiter }
            }
            Step::Clear(n) => {
                let held = self.held.iter().nth(*n).cloned();
                let server = held.or_else(|| process(n))?;
                self.held.remove(&server);
                Event::Clear { server, waiter: self.waiter(Duration::ZERO) }
            }
            Step::Peers { mask } => {
                let all = ["s-town-7", "s-forest-7", "s-town-9"];
                let known = all.iter().enumerate().filter(|(n, _)| mask & (1 << n) != 0);
                let known: Vec<&str> = known.map(|(_, id)| *id).collect();
                peers("0198c0de-0000-7000-8000-000000000001".parse().unwrap(), &known)
            }
            Step::Term(term) => {
                self.term = self.term.max(*term);
                Event::Term(*term)
            }
            Step::Ready(n) => {
                let event = ready(&process(n)?, Channel(1));
                if let Event::Ready(ready) = &event {
                    self.lives.insert(ready.life.server.clone(), ready.life.clone());
                }
                event
            }
            Step::End(n) => {
                let server = process(n)?;
                self.processes.remove(&server);
                self.lives.remove(&server);
                Event::Ended { server, how: "ended".into() }
            }
            Step::Tell => Event::Told { server: self.telling.pop_first()? },
            Step::Drain(patience) => {
                self.draining = true;
                Event::Drain { patience: Duration::from_millis(*patience) }
            }
            Step::Pass(_) => return None,
        })
    }

    fn heed(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Launch(launch) => {
                    prop_assert!(!self.draining, "{launch:?} in a drain");
                    prop_assert!(!self.telling.contains(&launch.server), "{launch:?} too early");
                    prop_assert!(!self.held.contains(&launch.server), "{launch:?} is held");
                    let twice = self.processes.insert(launch.server.clone(), false);
                    prop_assert_eq!(twice, None, "{:?} runs already", launch);
                }
                Effect::Signal(server, sign) => {
                    let told = self.processes.get_mut(&server);
                    prop_assert!(told.is_some(), "{server} does not run");
                    let told = told.map(|told| std::mem::replace(told, true));
                    prop_assert_eq!(told, Some(sign == Sign::Kill), "{:?} out of order", sign);
                }
                Effect::Leave(leave) => {
                    self.telling.insert(leave.life.server);
                }
                Effect::Spawned(waiter, outcome) => {
                    self.answered(waiter)?;
                    let fenced = outcome.is_err_and(|failure| failure.code == Code::Fenced);
                    prop_assert_eq!(fenced, self.fenced.contains(&waiter));
                }
                Effect::Done(waiter, _) => self.answered(waiter)?,
                Effect::Ended(ended) if ended.held => {
                    prop_assert_eq!(ended.restart_in_ms, None);
                    self.held.insert(ended.server);
                }
                Effect::Started(_) | Effect::Ended(_) | Effect::Refused(..) => {}
            }
        }
        let late: Vec<_> = self.waiting.values().filter(|until| **until < self.now).collect();
        prop_assert!(late.is_empty(), "waiters since {late:?}, now {:?}", self.now);
        Ok(())
    }

    fn answered(&mut self, waiter: WaiterId) -> Result<(), TestCaseError> {
        let known = self.waiting.remove(&waiter);
        prop_assert!(known.is_some(), "waiter {waiter} was answered before");
        Ok(())
    }

    /// What the nursery says of itself is what can be seen.
    fn compare(&self, nursery: &Nursery) -> Result<(), TestCaseError> {
        let (slots, used) = (limits().slots, nursery.used());
        prop_assert!(used <= slots, "{used} of {slots} slots");
        prop_assert!(self.processes.len() <= used as usize, "{used} slots: {:?}", self.processes);
        let all: Vec<_> = nursery.children().collect();
        let is_dead = |state| matches!(state, ChildState::Waiting | ChildState::Held);
        let running = all.iter().filter(|child| !is_dead(child.state));
        let running: BTreeSet<_> = running.map(|child| child.server.clone()).collect();
        prop_assert_eq!(running, self.processes.keys().cloned().collect::<BTreeSet<_>>());
        let held = all.iter().filter(|c| c.state == ChildState::Held);
        let held: BTreeSet<_> = held.map(|c| c.server.clone()).collect();
        prop_assert!(held.is_subset(&self.held), "{held:?} of {:?}", self.held);
        let pending = nursery.pending().count();
        let ready = all.iter().filter(|child| child.state == ChildState::Ready).count();
        prop_assert_eq!(pending + ready, all.len());
        Ok(())
    }

    /// Ticks at each deadline, as the shell does, until `end`.
    fn pass(&mut self, nursery: &mut Nursery, end: Duration) -> Result<(), TestCaseError> {
        while let Some(deadline) = nursery.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.heed(nursery.handle(Event::Tick, self.now))?;
            let moved = nursery.next_deadline().is_none_or(|next| next > self.now);
            prop_assert!(moved, "a tick at {:?} left its work undone", self.now);
        }
        self.now = end;
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_story_holds(before in 0..8_u8, steps in vec(step(), 1..80), seed: u64) {
        let (mut nursery, mut world) = (Nursery::new(limits(), seed), World::default());
        for (n, (map, number)) in [("town", 7), ("forest", 7), ("town", 9)].into_iter().enumerate() {
            if before & (1 << n) != 0 {
                let found = found(map, number);
                world.processes.insert(found.server.clone(), false);
                world.heed(nursery.handle(Event::Found(found), world.now))?;
            }
        }
        for step in &steps {
            if let Step::Pass(ms) = step {
                let end = world.now + Duration::from_millis(*ms);
                world.pass(&mut nursery, end)?;
            } else if let Some(event) = world.event(step) {
                let effects = nursery.handle(event, world.now);
                world.heed(effects)?;
            }
            world.compare(&nursery)?;
        }

        // At last it stops: all are told within its patience, and nobody is left waiting.
        let effects = nursery.handle(Event::Drain { patience: Duration::from_secs(9) }, world.now);
        world.draining = true;
        world.heed(effects)?;
        let end = world.now + Duration::from_secs(12);
        world.pass(&mut nursery, end)?;
        prop_assert!(world.processes.values().all(|told| *told), "{:?}", world.processes);
        prop_assert!(world.waiting.is_empty(), "{:?}", world.waiting);
        while let Some((server, _)) = world.processes.pop_first() {
            let effects = nursery.handle(Event::Ended { server, how: "killed".into() }, world.now);
            world.heed(effects)?;
        }
        prop_assert!(nursery.is_drained());
    }
}

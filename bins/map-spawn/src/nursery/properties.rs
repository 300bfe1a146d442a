//! What holds in every story, however events fall.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{collection::vec, prelude::*};
use protocol::{Channel, ServerId};

use super::{
    Effect, Event, Nursery, Sign, WaiterId,
    tests::{limits, ready},
};

#[derive(Debug, Clone)]
enum Step {
    Start { map: &'static str, channel: Option<u16>, standing: bool },
    Stop(usize),
    Ready(usize),
    End(usize),
    Tell,
    Pass(u64),
    Drain(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::sample::select(vec!["town", "forest", "moon"]),
              prop::option::of(0..4_u16), any::<bool>())
            .prop_map(|(map, channel, standing)| Step::Start { map, channel, standing }),
        2 => (0..8_usize).prop_map(Step::Stop),
        4 => (0..8_usize).prop_map(Step::Ready),
        4 => (0..8_usize).prop_map(Step::End),
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

    fn event(&mut self, step: &Step) -> Option<Event> {
        let process = |n: &usize| self.processes.keys().cycle().nth(*n).cloned();
        Some(match step {
            Step::Start { map, channel, standing } => {
                let waiter = (!standing).then(|| self.waiter(limits().start_deadline));
                Event::Start { map: map.parse().unwrap(), channel: channel.map(Channel), waiter }
            }
            Step::Stop(n) => {
                let server = process(n).or_else(|| self.telling.first().cloned())?;
                let waiter = self.waiter(limits().stop_grace + Duration::from_secs(2));
                Event::Stop { server, waiter }
            }
            Step::Ready(n) => ready(&process(n)?, Channel(1)),
            Step::End(n) => {
                let server = process(n)?;
                self.processes.remove(&server);
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
                Effect::Spawned(waiter, _) | Effect::Stopped(waiter, _) => {
                    let known = self.waiting.remove(&waiter);
                    prop_assert!(known.is_some(), "waiter {waiter} was answered before");
                }
                Effect::Started(_) | Effect::Ended(_) | Effect::Refused(..) => {}
            }
        }
        let late: Vec<_> = self.waiting.values().filter(|until| **until < self.now).collect();
        prop_assert!(late.is_empty(), "waiters since {late:?}, now {:?}", self.now);
        prop_assert!(self.processes.len() <= limits().slots as usize);
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
    fn every_story_holds(steps in vec(step(), 1..80), seed: u64) {
        let (mut nursery, mut world) = (Nursery::new(limits(), seed), World::default());
        for step in &steps {
            if let Step::Pass(ms) = step {
                let end = world.now + Duration::from_millis(*ms);
                world.pass(&mut nursery, end)?;
            } else if let Some(event) = world.event(step) {
                let effects = nursery.handle(event, world.now);
                world.heed(effects)?;
            }
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

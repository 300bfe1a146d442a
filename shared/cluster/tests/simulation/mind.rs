//! Central: the machine under test, as is or with a bug planted.

use std::{collections::BTreeMap, time::Duration};

use cluster::{Answer, Asked, Caller, Cluster, Effect, Event, News, TICK};
use protocol::{
    Channel, Code, Incarnation, MapName,
    backbone::{
        Life,
        desired::DesiredState,
        events::MapChanged,
        maps::MapServer,
        operations::{Drain, Placed, Target},
    },
};
use uuid::Uuid;

use crate::run::Broken;

/// Something that a careless change might do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    StartsTwice,
    ForgetsAWaiter,
    GivesAChannelTwice,
    NeverRemoves,
    TellsNoEnd,
    NeverStops,
    SendsPastTheCap,
    GivesUpAfterAFailure,
    ForgetsDrains,
}

/// One life of the Cluster.
pub(crate) struct Mind {
    pub(crate) life: u64,
    cluster: Cluster,
    /// When it began, in the theatre's time.
    born: u64,
    /// Time that does not count: NATS was away.
    stood_still: u64,
    /// Since when NATS is away.
    frozen_at: Option<u64>,
    bug: Option<Bug>,
    /// Who waits, and until when an answer must have come.
    waiting: BTreeMap<Caller, u64>,
    /// What a Map Server said of its places, and who was sent there since by the queue.
    places: BTreeMap<Life, (u32, u32)>,
    failed: bool,
    /// Stops that were never sent, and drains that were never written down, but answered.
    faked: Vec<Event>,
}

pub(crate) fn incarnation(number: u64) -> Incarnation {
    Uuid::from_u128(number.into()).into()
}

impl Mind {
    pub(crate) fn new(
        life: u64,
        desired: DesiredState,
        drains: Vec<Drain>,
        bug: Option<Bug>,
        now: u64,
    ) -> Self {
        Self {
            life,
            cluster: Cluster::new(incarnation(life), life, desired, drains),
            born: now,
            stood_still: 0,
            frozen_at: None,
            bug,
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
            failed: false,
            faked: Vec::new(),
        }
    }

    pub(crate) fn maps(&self) -> impl Iterator<Item = MapServer> {
        let forgets = self.bug == Some(Bug::GivesAChannelTwice);
        self.cluster.maps().cloned().map(move |map| match map.channel {
            Channel(2) if forgets => MapServer { channel: Channel::FIRST, ..map },
            _ => map,
        })
    }

    /// What it was told to empty.
    pub(crate) fn drains(&self, target: &Target) -> bool {
        self.cluster.orders().iter().any(|order| order.target == *target)
    }

    /// NATS is away: its clock stands still.
    pub(crate) fn freeze(&mut self, now: u64) {
        self.frozen_at.get_or_insert(now);
    }

    /// NATS is back.
    pub(crate) fn thaw(&mut self, now: u64) {
        let ms = now - self.frozen_at.take().unwrap_or(now);
        self.stood_still += ms;
        self.was_paused(ms);
    }

    /// Waiters are answered late when the whole process stood still.
    pub(crate) fn was_paused(&mut self, ms: u64) {
        self.waiting.values_mut().for_each(|until| *until += ms);
    }

    pub(crate) fn handle(&mut self, event: Event, now: u64) -> Result<Vec<Effect>, Broken> {
        let clock = self.frozen_at.unwrap_or(now) - self.born - self.stood_still;
        let clock = Duration::from_millis(clock);
        self.note(&event, now);
        let event = self.spoil_event(event);
        let effects = self.cluster.handle(event, clock);
        let mut out = Vec::new();
        for effect in effects {
            self.spoil_effect(effect, &mut out);
        }
        for event in std::mem::take(&mut self.faked) {
            out.extend(self.cluster.handle(event, clock));
        }
        for effect in &out {
            self.check(effect)?;
        }
        let late = self.waiting.iter().find(|(_, until)| now > **until);
        let late = late.filter(|_| self.frozen_at.is_none());
        match late {
            Some((caller, _)) => Err(Broken::Unanswered(*caller)),
            None => Ok(out),
        }
    }

    fn note(&mut self, event: &Event, now: u64) {
        if let Event::Asked(caller, asked) = event {
            let patience = match asked {
                Asked::Spawn(_, patience) => *patience + 2 * TICK,
                // The driver reports after 12 s that a spawner did not answer.
                Asked::Stop(_) => Duration::from_millis(12_500),
                // Each is written down first, and so is what was before it.
                Asked::Drain(_) | Asked::AbortDrain(_) => Duration::from_millis(200),
                _ => Duration::ZERO,
            };
            self.waiting.insert(*caller, now + u64::try_from(patience.as_millis()).unwrap());
            if let Asked::MapBeat(beat) = asked {
                self.places.insert(beat.life.clone(), (beat.taken, 0));
            }
            // Of one that it does not know yet, it is told no more.
            if let Asked::RegisterMap(server) = asked
                && !self.cluster.maps().any(|known| known.life() == server.life())
            {
                self.places.insert(server.life(), (server.population, 0));
            }
        }
    }

    fn check(&mut self, effect: &Effect) -> Result<(), Broken> {
        match effect {
            Effect::Answer(caller, answer) => {
                if self.waiting.remove(caller).is_none() {
                    return Err(Broken::AnsweredTwice(*caller));
                }
                if let Ok(Answer::Placed(Placed::Go(server))) = answer {
                    let (taken, sent) = self.places.entry(server.life()).or_default();
                    *sent += 1;
                    if *taken + *sent > server.capacity {
                        return Err(Broken::OverTheCap(format!("players on {}", server.server)));
                    }
                }
            }
            Effect::Tell(News::MapDown(down)) => {
                self.places.remove(&down.life);
            }
            _ => {}
        }
        let mut channels = std::collections::BTreeSet::new();
        let mut maps = self.maps();
        let twice = maps.find(|server| !channels.insert((server.map.clone(), server.channel)));
        match twice {
            Some(server) => Err(Broken::Twice(format!("{} {}", server.map, server.channel))),
            None => Ok(()),
        }
    }

    fn spoil_event(&mut self, event: Event) -> Event {
        match (self.bug, &event) {
            (Some(Bug::NeverRemoves), Event::Tick) => Event::Resumed,
            (Some(Bug::GivesUpAfterAFailure), Event::Started(_, Err(_))) => {
                self.failed = true;
                event
            }
            _ => event,
        }
    }

    fn spoil_effect(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        match (self.bug, effect) {
            (Some(Bug::StartsTwice), Effect::Start(job, spawner, mut child)) => {
                out.push(Effect::Start(job, spawner.clone(), child.clone()));
                child.channel = child.channel.map(|Channel(channel)| Channel(channel + 20));
                out.push(Effect::Start(job, spawner, child));
            }
            (Some(Bug::ForgetsAWaiter), Effect::Answer(_, Err(failure)))
                if failure.code == Code::SpawnFailed => {}
            (Some(Bug::TellsNoEnd), Effect::Tell(News::MapDown(down))) => {
                // The number is right, so no peer finds out.
                let (view, life) = (down.view, down.life);
                let changed = MapChanged { view, life, population: 0 };
                out.push(Effect::Tell(News::MapChanged(changed)));
            }
            (Some(Bug::NeverStops), Effect::Stop(job, ..)) => {
                self.faked.push(Event::Stopped(job, Ok(())));
            }
            (Some(Bug::ForgetsDrains), Effect::Keep(job, _)) => {
                self.faked.push(Event::Kept(job, Ok(())));
            }
            (Some(Bug::GivesUpAfterAFailure), Effect::Start(..)) if self.failed => {}
            (
                Some(Bug::SendsPastTheCap),
                Effect::Answer(caller, Ok(Answer::Placed(Placed::Wait { .. }))),
            ) => {
                let town: MapName = "town".parse().unwrap();
                let any = self.cluster.maps().find(|server| server.map == town).cloned();
                let answer = match any {
                    Some(server) => Placed::Go(Box::new(server)),
                    None => Placed::Wait { position: 1, of: 1 },
                };
                out.push(Effect::Answer(caller, Ok(Answer::Placed(answer))));
            }
            (_, effect) => out.push(effect),
        }
    }
}

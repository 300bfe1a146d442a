//! Map Spawn Servers, and what they were told to start and to stop.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use protocol::{
    Channel, Code, Failure, MapName, SpawnerId,
    backbone::{
        events::{SpawnerDown, SpawnerUp},
        spawners::{ChildState, LeaveSpawner, Pending, Spawner, SpawnerBeat, StartChild},
    },
};

use crate::{
    REMOVED, SUSPECT,
    event::{Caller, Effect, Job, News},
};

#[derive(Debug)]
struct Known {
    spawner: Spawner,
    heard: Duration,
}

/// A start under way.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who waits for it; `None`: the Cluster itself wants it.
    pub caller: Option<Caller>,
    /// Who was told.
    pub spawner: SpawnerId,
    /// What.
    pub child: StartChild,
    /// When it is given up.
    pub until: Duration,
    /// Whether a party wants it for itself.
    pub instance: bool,
}

/// Every spawner that lives, and what they were told to start.
#[derive(Debug, Default)]
pub struct Fleet {
    known: BTreeMap<SpawnerId, Known>,
    starts: BTreeMap<Job, Start>,
}

impl Fleet {
    /// Every spawner, by id.
    pub fn spawners(&self) -> impl Iterator<Item = &Spawner> {
        self.known.values().map(|known| &known.spawner)
    }

    /// One of them.
    pub fn get(&self, spawner: &SpawnerId) -> Option<&Spawner> {
        self.known.get(spawner).map(|known| &known.spawner)
    }

    /// Whether a spawner's beats come in time.
    pub fn is_healthy(&self, spawner: &SpawnerId, now: Duration) -> bool {
        let known = self.known.get(spawner);
        known.is_some_and(|known| now.saturating_sub(known.heard) < SUSPECT)
    }

    /// Every spawner whose beats come in time.
    pub fn healthy(&self, now: Duration) -> impl Iterator<Item = &Spawner> {
        let fresh = move |known: &&Known| now.saturating_sub(known.heard) < SUSPECT;
        self.known.values().filter(fresh).map(|known| &known.spawner)
    }

    /// Map Servers that spawners have and that do not serve now.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.spawners().flat_map(|spawner| &spawner.pending)
    }

    /// What spawners were told to start and have not answered yet.
    pub fn starts(&self) -> impl Iterator<Item = &Start> {
        self.starts.values()
    }

    /// What a spawner was told to start and does not tell of yet.
    pub fn unheard_starts(&self) -> impl Iterator<Item = &Start> {
        self.starts.values().filter(|start| {
            let pending = self.get(&start.spawner).map_or(&[][..], |spawner| &spawner.pending);
            let is_it = |pending: &Pending| {
                pending.map == start.child.map && Some(pending.channel) == start.child.channel
            };
            !pending.iter().any(is_it)
        })
    }

    /// The maps that some spawner may run.
    pub fn maps(&self) -> BTreeSet<&MapName> {
        self.spawners().flat_map(|spawner| &spawner.maps).collect()
    }

    /// Whether a channel is spoken for by a start under way, or by a Map Server that is dead or
    /// not there yet.
    pub fn has_spoken_for(&self, map: &MapName, channel: Channel) -> bool {
        let starting = self.starts.values().map(|start| &start.child);
        let mut starting =
            starting.filter(|child| child.map == *map && child.channel == Some(channel));
        let comes = |pending: &Pending| pending.state != ChildState::Stopping;
        let mut pending = self
            .pending()
            .filter(|pending| pending.map == *map && pending.channel == channel && comes(pending));
        starting.next().is_some() || pending.next().is_some()
    }

    /// Takes in a spawner, or the same one again.
    ///
    /// # Errors
    /// [`Code::IdInUse`] while another life of that id beats.
    pub fn register(
        &mut self,
        spawner: Spawner,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<(), Failure> {
        if let Some(known) = self.known.get(&spawner.spawner) {
            let same = known.spawner.incarnation == spawner.incarnation;
            let silent = now.saturating_sub(known.heard) >= SUSPECT;
            if !same && (!silent || spawner.incarnation < known.spawner.incarnation) {
                let message = format!(
                    "spawner id {} is in use by another spawner on {}; give this one another id, \
                     or stop that one",
                    spawner.spawner, known.spawner.address
                );
                return Err(Failure::new(Code::IdInUse, message));
            }
            if !same {
                self.remove(&spawner.spawner, "replaced by a later start", out);
            }
        }
        let id = spawner.spawner.clone();
        let known = Known { spawner: spawner.clone(), heard: now };
        let before = self.known.insert(id, known).map(|before| before.spawner);
        if before.is_none_or(|before| is_news(&before, &spawner)) {
            out.push(Effect::Tell(News::SpawnerUp(SpawnerUp { spawner })));
        }
        Ok(())
    }

    /// Notes that a spawner lives. False: this Cluster does not know it.
    pub fn beat(&mut self, beat: SpawnerBeat, now: Duration) -> bool {
        let known = self.known.get_mut(&beat.spawner);
        let Some(known) = known.filter(|known| known.spawner.incarnation == beat.incarnation)
        else {
            return false;
        };
        known.heard = now;
        known.spawner.used = beat.used;
        known.spawner.machine = beat.machine;
        known.spawner.pending = beat.pending;
        true
    }

    /// Removes a spawner that said so itself.
    pub fn leave(&mut self, leave: &LeaveSpawner, out: &mut Vec<Effect>) {
        let known = self.known.get(&leave.spawner);
        if known.is_some_and(|known| known.spawner.incarnation == leave.incarnation) {
            self.remove(&leave.spawner, &leave.reason, out);
        }
    }

    /// Takes everybody for heard just now.
    pub fn hear_all(&mut self, now: Duration) {
        self.known.values_mut().for_each(|known| known.heard = now);
    }

    /// Removes those whose beats have stopped.
    pub fn remove_silent(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let silent = |known: &&Known| now.saturating_sub(known.heard) >= REMOVED;
        let gone: Vec<SpawnerId> =
            self.known.values().filter(silent).map(|known| known.spawner.spawner.clone()).collect();
        for spawner in gone {
            self.remove(&spawner, "silent for three beats", out);
        }
    }

    /// Notes that a spawner is told to start a Map Server.
    pub fn begin(&mut self, job: Job, start: Start) {
        self.starts.insert(job, start);
    }

    /// A start was answered; `None`: it was given up before.
    pub fn end(&mut self, job: Job) -> Option<Start> {
        self.starts.remove(&job)
    }

    /// The starts that have waited long enough.
    pub fn late(&self, now: Duration) -> Vec<Job> {
        let late = self.starts.iter().filter(|(_, start)| start.until <= now);
        late.map(|(job, _)| *job).collect()
    }

    fn remove(&mut self, spawner: &SpawnerId, reason: &str, out: &mut Vec<Effect>) {
        let Some(Known { spawner, .. }) = self.known.remove(spawner) else { return };
        out.push(Effect::Tell(News::SpawnerDown(SpawnerDown {
            spawner: spawner.spawner,
            incarnation: spawner.incarnation,
            reason: reason.to_owned(),
        })));
    }
}

/// Whether a spawner that registers again is another one than before, or can do something else.
fn is_news(before: &Spawner, now: &Spawner) -> bool {
    let lasting = |spawner: &Spawner| Spawner {
        used: 0,
        machine: protocol::backbone::spawners::Machine::default(),
        pending: Vec::new(),
        ..spawner.clone()
    };
    lasting(before) != lasting(now)
}

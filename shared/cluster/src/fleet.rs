//! Map Spawn Servers and the spawns under way.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use protocol::{
    Channel, Code, Failure, MapName, SpawnerId,
    backbone::{
        events::{SpawnerDown, SpawnerUp},
        spawners::{LeaveSpawner, MapSpawned, Spawner, SpawnerBeat, StartChild},
    },
};

use crate::{
    REMOVED, SUSPECT,
    event::{Answer, Caller, Effect, Job, News},
};

#[derive(Debug)]
struct Known {
    spawner: Spawner,
    heard: Duration,
}

#[derive(Debug)]
struct Start {
    caller: Caller,
    spawner: SpawnerId,
    child: StartChild,
    until: Duration,
}

/// Every spawner that lives, and what they were told to start.
#[derive(Debug, Default)]
pub struct Fleet {
    known: BTreeMap<SpawnerId, Known>,
    starts: BTreeMap<Job, Start>,
    jobs: u64,
}

impl Fleet {
    /// Every spawner, by id.
    pub fn spawners(&self) -> impl Iterator<Item = &Spawner> {
        self.known.values().map(|known| &known.spawner)
    }

    /// Every spawner whose beats come in time.
    pub fn healthy(&self, now: Duration) -> impl Iterator<Item = &Spawner> {
        let fresh = move |known: &&Known| now.saturating_sub(known.heard) < SUSPECT;
        self.known.values().filter(fresh).map(|known| &known.spawner)
    }

    /// What a spawner was told to start and has not answered yet.
    pub fn starting(&self, spawner: &SpawnerId) -> impl Iterator<Item = &StartChild> {
        let its = self.starts.values().filter(move |start| start.spawner == *spawner);
        its.map(|start| &start.child)
    }

    /// The maps that some spawner may run.
    pub fn maps(&self) -> BTreeSet<&MapName> {
        self.spawners().flat_map(|spawner| &spawner.maps).collect()
    }

    /// Whether a spawner was told to start this channel and has not answered.
    pub fn is_starting(&self, map: &MapName, channel: Channel) -> bool {
        self.starts
            .values()
            .any(|start| start.child.map == *map && start.child.channel == Some(channel))
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
        if before.as_ref() != Some(&spawner) {
            out.push(Effect::Tell(News::SpawnerUp(SpawnerUp { spawner })));
        }
        Ok(())
    }

    /// Notes that a spawner lives. False: this Cluster does not know it.
    pub fn beat(&mut self, beat: &SpawnerBeat, now: Duration) -> bool {
        let known = self.known.get_mut(&beat.spawner);
        let Some(known) = known.filter(|known| known.spawner.incarnation == beat.incarnation)
        else {
            return false;
        };
        known.heard = now;
        known.spawner.used = beat.used;
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

    /// Removes those whose beats have stopped, and answers whoever has waited long enough.
    pub fn remove_silent(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let silent = |known: &&Known| now.saturating_sub(known.heard) >= REMOVED;
        let gone: Vec<SpawnerId> =
            self.known.values().filter(silent).map(|known| known.spawner.spawner.clone()).collect();
        for spawner in gone {
            self.remove(&spawner, "silent for three beats", out);
        }
        let late = self.starts.iter().filter(|(_, start)| start.until <= now);
        for job in late.map(|(job, _)| *job).collect::<Vec<_>>() {
            let failure = Failure::new(Code::SpawnFailed, "the spawner did not answer in time");
            self.started(job, Err(failure), out);
        }
    }

    /// Has a spawner start a Map Server; the caller is answered at `until` at the latest.
    pub fn start(
        &mut self,
        caller: Caller,
        spawner: SpawnerId,
        child: StartChild,
        until: Duration,
        out: &mut Vec<Effect>,
    ) {
        self.jobs += 1;
        let job = Job(self.jobs);
        out.push(Effect::Start(job, spawner.clone(), child.clone()));
        self.starts.insert(job, Start { caller, spawner, child, until });
    }

    /// Passes a spawner's answer on to whoever asked for the start, once.
    pub fn started(
        &mut self,
        job: Job,
        result: Result<MapSpawned, Failure>,
        out: &mut Vec<Effect>,
    ) {
        if let Some(start) = self.starts.remove(&job) {
            out.push(Effect::Answer(start.caller, result.map(Answer::MapSpawned)));
        }
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

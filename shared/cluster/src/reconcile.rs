//! Desired and living compared, and what is done until they agree.

use std::{collections::BTreeMap, time::Duration};

use protocol::{Channel, Failure, MapName, backbone::spawners::StartChild};

use crate::{
    Cluster, START_WITHIN,
    census::{self, Living},
    event::{Caller, Effect},
    fleet::Start,
    wishes::{self, Wish},
};

/// How long a Map Server is missing before another one is started in its place: longer than a
/// beat, by which its spawner tells whether it starts it again itself.
const MISSING_FOR: Duration = Duration::from_millis(1500);
/// After a start that failed. Doubles with each one; a beat tells by then what became of it.
const FIRST_SETBACK: Duration = Duration::from_secs(2);
/// The longest wait after a start that failed.
const LONGEST_SETBACK: Duration = Duration::from_secs(30);

/// What is remembered of each map from one comparison to the next.
#[derive(Debug, Default)]
pub(crate) struct Efforts {
    maps: BTreeMap<MapName, Effort>,
}

#[derive(Debug, Default)]
struct Effort {
    missing_since: Option<Duration>,
    not_before: Duration,
    setback: Option<Duration>,
    trouble: Option<String>,
}

impl Efforts {
    /// A start of this map came to nothing.
    pub(crate) fn failed(&mut self, map: &MapName, failure: &Failure, now: Duration) {
        let effort = self.maps.entry(map.clone()).or_default();
        let wait = effort.setback.map_or(FIRST_SETBACK, |wait| (wait * 2).min(LONGEST_SETBACK));
        effort.setback = Some(wait);
        effort.not_before = now + wait;
        effort.trouble = Some(failure.message.clone());
    }

    /// A start of this map came to something.
    pub(crate) fn succeeded(&mut self, map: &MapName) {
        if let Some(effort) = self.maps.get_mut(map) {
            effort.setback = None;
            effort.not_before = Duration::ZERO;
            effort.trouble = None;
        }
    }

    /// What was missing may have been unheard.
    pub(crate) fn forget_what_is_missing(&mut self) {
        self.maps.values_mut().for_each(|effort| effort.missing_since = None);
    }

    /// What keeps a map from being started.
    pub(crate) fn trouble(&self, map: &MapName) -> Option<&str> {
        self.maps.get(map)?.trouble.as_deref()
    }
}

impl Cluster {
    /// Has started what is missing, and lets go what is needed no more.
    pub(crate) fn reconcile(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let forsaken = self.parties.settle(&self.registry, now);
        if !self.is_settled(now) {
            return;
        }
        for server in forsaken {
            // Of a map that nobody desires: a spare would be let go by its own rule.
            if let Some(server) = self.registry.get(&server)
                && !self.desired.desired.instances.contains_key(&server.map)
            {
                self.drains.retire(server, now);
            }
        }
        self.let_go_unwanted(now);
        let wishes = self.wishes(now);
        self.efforts.maps.retain(|map, _| wishes.iter().any(|(name, _)| name == map));
        for (map, wish) in wishes {
            self.fulfil(&map, wish, now, out);
        }
    }

    /// What each map lacks, or has too much of.
    pub(crate) fn wishes(&self, now: Duration) -> Vec<(MapName, Wish)> {
        let desired = &self.desired.desired;
        if desired.maps.is_empty() && desired.instances.is_empty() {
            return Vec::new(); // nothing to count for, five times a second
        }
        let scene = self.scene(now);
        let census = census::take(scene);
        let nothing = Living::default();
        let mut wishes = Vec::new();
        for (name, map) in &desired.maps {
            if !self.drains.covers_map(name) {
                let living = census.get(name).unwrap_or(&nothing);
                let waiting = self.queue.waiting(name);
                wishes.push((name.clone(), wishes::of_map(map, living, waiting, now)));
            }
        }
        for (name, instances) in &desired.instances {
            if !self.drains.covers_map(name) {
                let living = census.get(name).unwrap_or(&nothing);
                let for_parties = self.fleet.unheard_starts();
                let for_parties =
                    for_parties.filter(|start| start.instance && start.child.map == *name);
                let for_parties = u32::try_from(for_parties.count()).unwrap_or(u32::MAX);
                let promised = |server: &_| self.parties.has(server);
                let wish = wishes::of_instances(instances, living, promised, for_parties, now);
                wishes.push((name.clone(), wish));
            }
        }
        wishes
    }

    fn fulfil(&mut self, map: &MapName, wish: Wish, now: Duration, out: &mut Vec<Effect>) {
        let effort = self.efforts.maps.entry(map.clone()).or_default();
        if wish.missing == 0 {
            effort.missing_since = None;
        }
        let missing_since = match wish.missing {
            0 => now,
            _ => *effort.missing_since.get_or_insert(now),
        };
        let waits = now < effort.not_before || now.saturating_sub(missing_since) < MISSING_FOR;
        if wish.missing == 0 && !wish.more {
            effort.trouble = None;
        }
        let starts = match wish.missing {
            0 => u32::from(wish.more && now >= effort.not_before),
            _ if waits => 0,
            missing => missing,
        };
        if starts > 0 {
            effort.missing_since = None; // what is missing after this is missing anew
        }
        for _ in 0..starts {
            if let Err(failure) = self.start(None, map, None, false, now + START_WITHIN, now, out) {
                self.efforts.failed(map, &failure, now);
                break;
            }
        }
        if let Some(server) = wish.retire.and_then(|server| self.registry.get(&server)) {
            self.drains.retire(server, now);
        }
    }

    /// Has a spawner start a Map Server.
    ///
    /// # Errors
    /// As [`crate::placement::Scene::spawner`].
    #[expect(clippy::too_many_arguments, reason = "one call site for each kind of start")]
    pub(crate) fn start(
        &mut self,
        caller: Option<Caller>,
        map: &MapName,
        channel: Option<Channel>,
        instance: bool,
        until: Duration,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<(), Failure> {
        let scene = self.scene(now);
        let spawner = scene.spawner(map)?;
        let channel = channel.unwrap_or_else(|| {
            self.registry.free_channel(map, |channel| self.fleet.has_spoken_for(map, channel))
        });
        let rules = scene.rules(map);
        let desired = &self.desired.desired;
        let capacity = desired.maps.get(map).and_then(|map| map.hard_cap);
        let capacity = capacity.or_else(|| desired.instances.get(map)?.hard_cap);
        let child = StartChild {
            map: map.clone(),
            channel: Some(channel),
            capacity,
            cost: rules.map(|rules| rules.cost),
            restart: rules.map(|rules| rules.restart),
            epoch: Some(self.errands.epoch()),
        };
        self.want_again(&spawner, map, channel);
        let job = self.errands.number();
        out.push(Effect::Start(job, spawner.clone(), child.clone()));
        self.fleet.begin(job, Start { caller, spawner, child, until, instance });
        Ok(())
    }
}

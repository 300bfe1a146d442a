//! Start and stop commands.

use std::time::Duration;

use protocol::{
    Channel, Code, Failure, MapName, ServerId,
    backbone::spawners::{MapSpawned, Pinned, StartChild, StopChild},
};

use super::{
    Effect, Nursery, Upkeep, WaiterId,
    child::{self, Child, Phase, Reason, Waiter},
};

/// From SIGKILL to the end of the process, with room to spare. Only a process that hangs inside
/// the kernel takes longer.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

impl Nursery {
    /// Sees to it that a map of `spawn_maps` runs on so many channels; those that run from before
    /// are among them.
    pub(super) fn stand(&mut self, pinned: &Pinned, now: Duration) {
        let Pinned { map, channels } = pinned;
        let here = self.children.values_mut().filter(|child| {
            child.map == *map && (child.adopted || child.standing) && !child.is_stopping()
        });
        let mut missing = *channels;
        for child in here.take(usize::from(*channels)) {
            child.standing = true;
            missing = missing.saturating_sub(1);
        }
        for _ in 0..missing {
            let started = self.find_or_add(&StartChild::new(map.clone(), None), now);
            match started.map(|server| self.children.get_mut(&server)) {
                Ok(Some(child)) => child.standing = true,
                Ok(None) => {}
                Err(failure) => self.effects.push(Effect::Refused(map.clone(), failure)),
            }
        }
    }

    /// Starts a map; for a channel that is here already, the command gets that one.
    pub(super) fn start(&mut self, order: &StartChild, waiter: WaiterId, now: Duration) {
        let obeyed = self.terms.check(order.epoch, &self.limits.spawner);
        match obeyed.and_then(|()| self.find_or_add(order, now)) {
            Ok(server) => self.wait_for_start(&server, waiter, now),
            Err(failure) => self.effects.push(Effect::Spawned(waiter, Err(failure))),
        }
    }

    fn find_or_add(&mut self, order: &StartChild, now: Duration) -> Result<ServerId, Failure> {
        let StartChild { map, channel, .. } = order;
        self.check(map, *channel)?;
        let here = self.children.iter().find(|(_, c)| c.map == *map && Some(c.channel) == *channel);
        if let Some((server, child)) = here {
            return self.may_wait_for(server, child).map(|()| server.clone());
        }
        let upkeep = Upkeep::from(order);
        self.find_room(map, upkeep.cost)?;
        let server = self.number(map)?;
        let channel = channel.unwrap_or_else(|| self.free_channel(map));
        let child = Child::new(map.clone(), channel, self.next_order(), upkeep);
        self.children.insert(server.clone(), child);
        self.launch(&server, now);
        Ok(server)
    }

    fn check(&self, map: &MapName, channel: Option<Channel>) -> Result<(), Failure> {
        let spawner = &self.limits.spawner;
        if self.drain.is_some() {
            return Err(self.draining());
        }
        if !self.limits.maps.contains(map) {
            let names: Vec<&str> = self.limits.maps.iter().map(MapName::as_str).collect();
            let names = names.join(", ");
            let message = format!("{spawner} may not run a map `{map}`; it may run: {names}");
            return Err(Failure::new(Code::MapUnknown, message));
        }
        if channel == Some(Channel(0)) {
            return Err(Failure::new(Code::Malformed, "channels count from 1"));
        }
        Ok(())
    }

    /// Whether a child that is here will be what a start command wants.
    fn may_wait_for(&self, server: &ServerId, child: &Child) -> Result<(), Failure> {
        match child.phase {
            Phase::Stopping { .. } => {
                let message = format!("{server} is just stopping; try again shortly");
                Err(Failure::new(Code::NoSpawner, message))
            }
            Phase::Held { .. } => {
                let message = format!(
                    "{server} crashed too often and is held; see its log, then say \
                     `spawner.{}.clear`, or stop it",
                    self.limits.spawner
                );
                Err(Failure::new(Code::SpawnFailed, message))
            }
            _ => Ok(()),
        }
    }

    fn find_room(&self, map: &MapName, cost: u32) -> Result<(), Failure> {
        let (spawner, slots) = (&self.limits.spawner, self.limits.slots);
        let left = slots.saturating_sub(self.used());
        if cost > left {
            let message = format!(
                "{spawner} has {left} of its {slots} slots left, and a Map Server of `{map}` takes \
                 {cost}: stop one, raise its `slots`, or start another spawner"
            );
            return Err(Failure::new(Code::NoSpawner, message));
        }
        Ok(())
    }

    /// The id of the next child of this map.
    fn number(&mut self, map: &MapName) -> Result<ServerId, Failure> {
        let number = self.numbers.entry(map.clone()).or_default();
        let server = server_id(self.limits.spawner.as_str(), map, *number + 1)?;
        *number += 1;
        Ok(server)
    }

    /// The first channel that no child here has. The Cluster has the last word when it registers.
    fn free_channel(&self, map: &MapName) -> Channel {
        let taken = |channel: &Channel| {
            self.children.values().any(|child| child.map == *map && child.channel == *channel)
        };
        (1..=u16::MAX).map(Channel).find(|channel| !taken(channel)).unwrap_or(Channel::FIRST)
    }

    /// The place of one more child in the order of starts.
    pub(super) fn next_order(&mut self) -> u64 {
        self.started += 1;
        self.started
    }

    fn wait_for_start(&mut self, server: &ServerId, id: WaiterId, now: Duration) {
        let deadline = now + self.limits.start_deadline;
        let Some(child) = self.children.get_mut(server) else { return };
        child.starts.push(Waiter { id, deadline });
        self.answer_ready(server);
    }

    /// Answers all who wait for this child's registration with it, if it has registered.
    pub(super) fn answer_ready(&mut self, server: &ServerId) {
        let Some(child) = self.children.get_mut(server) else { return };
        let Phase::Ready { life, port, .. } = &child.phase else { return };
        let waiters = std::mem::take(&mut child.starts);
        let spawned = MapSpawned {
            life: life.clone(),
            spawner: self.limits.spawner.clone(),
            map: child.map.clone(),
            channel: child.channel,
            port: *port,
        };
        self.answer_starts(waiters, &Ok(spawned));
    }

    /// Stops a child for good.
    pub(super) fn stop(&mut self, order: &StopChild, id: WaiterId, now: Duration) {
        if let Err(failure) = self.terms.check(order.epoch, &self.limits.spawner) {
            return self.effects.push(Effect::Done(id, Err(failure)));
        }
        let server = &order.server;
        let deadline = now + self.limits.stop_grace + KILLED_WITHIN;
        let Some(child) = self.children.get_mut(server) else {
            let failure = self.unknown(server);
            return self.effects.push(Effect::Done(id, Err(failure)));
        };
        child.stops.push(Waiter { id, deadline });
        let message = format!("{server} was told to stop before it had registered");
        self.stop_for_good(server, &Failure::new(Code::SpawnFailed, message), now);
    }

    pub(super) fn unknown(&self, server: &ServerId) -> Failure {
        let message = format!(
            "{} runs no Map Server `{server}`; ask its `list` for those it runs",
            self.limits.spawner
        );
        Failure::new(Code::ServerUnknown, message)
    }

    /// Ends a child and its restarts; who waits for its registration hears `why` not.
    pub(super) fn stop_for_good(&mut self, server: &ServerId, why: &Failure, now: Duration) {
        let Some(child) = self.children.get_mut(server) else { return };
        let starts = std::mem::take(&mut child.starts);
        self.answer_starts(starts, &Err(why.clone()));
        let Some(child) = self.children.get_mut(server) else { return };
        match &mut child.phase {
            Phase::Waiting { .. } | Phase::Held { .. } => {
                let stops = std::mem::take(&mut child.stops);
                self.children.remove(server);
                self.answer_stops(stops, &Ok(()));
            }
            Phase::Stopping { reason, .. } => *reason = Reason::Told,
            Phase::Found { .. } | Phase::Starting { .. } | Phase::Ready { .. } => {
                self.terminate(server, Reason::Told, now);
            }
        }
    }

    /// Answers the waiters of a child whose own deadline has come.
    pub(super) fn give_up_waiting(&mut self, server: &ServerId, now: Duration) {
        let Some(child) = self.children.get_mut(server) else { return };
        let starts = child::take_late(&mut child.starts, now);
        let stops = child::take_late(&mut child.stops, now);
        let within = self.limits.start_deadline.as_secs_f64();
        let message = format!("{server} has not registered within {within} s; see its log");
        self.answer_starts(starts, &Err(Failure::new(Code::SpawnFailed, message)));
        let message = format!("{server} was killed and has not ended yet; it will not come back");
        self.answer_stops(stops, &Err(Failure::new(Code::DeadlinePassed, message)));
    }
}

/// The id of a spawner's `number`th child of a map.
///
/// # Errors
/// The names are too long for an id together.
pub(crate) fn server_id(spawner: &str, map: &MapName, number: u32) -> Result<ServerId, Failure> {
    let id = format!("{spawner}-{map}-{number}");
    id.parse().map_err(|_| {
        let (length, most) = (id.len(), protocol::ids::NAME_ID_MAX);
        let message = format!(
            "the server id `{id}` has {length} characters, {most} at most are allowed: give the \
             spawner a shorter `id`"
        );
        Failure::new(Code::NameInvalid, message)
    })
}

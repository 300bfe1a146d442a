//! Start and stop commands.

use std::time::Duration;

use protocol::{
    Channel, Code, Failure, MapName, ServerId,
    backbone::{
        Life,
        spawners::{ChildReady, MapSpawned},
    },
};

use super::{
    Effect, Nursery, WaiterId,
    backoff::Backoff,
    child::{self, Child, Phase, Reason, Waiter},
};

/// From SIGKILL to the end of the process, with room to spare. Only a process that hangs inside
/// the kernel takes longer.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

impl Nursery {
    /// Starts a map; for a channel that is here already, the command gets that one.
    pub(super) fn start(
        &mut self,
        map: MapName,
        channel: Option<Channel>,
        waiter: Option<WaiterId>,
        now: Duration,
    ) {
        match self.find_or_add(&map, channel, waiter.is_none(), now) {
            Ok(server) => {
                if let Some(id) = waiter {
                    self.wait_for_start(&server, id, now);
                }
            }
            Err(failure) => self.effects.push(match waiter {
                Some(id) => Effect::Spawned(id, Err(failure)),
                None => Effect::Refused(map, failure),
            }),
        }
    }

    fn find_or_add(
        &mut self,
        map: &MapName,
        channel: Option<Channel>,
        standing: bool,
        now: Duration,
    ) -> Result<ServerId, Failure> {
        self.check(map, channel)?;
        let here = self.children.iter().find(|(_, c)| c.map == *map && Some(c.channel) == channel);
        if let Some((server, child)) = here {
            if child.is_stopping() {
                let message = format!("{server} is just stopping; try again shortly");
                return Err(Failure::new(Code::NoSpawner, message));
            }
            return Ok(server.clone());
        }
        let slots = self.limits.slots;
        if self.used() >= slots {
            let message = format!(
                "{} runs {slots} Map Servers and has no slot left: stop one, raise its `slots`, \
                 or start another spawner",
                self.limits.spawner
            );
            return Err(Failure::new(Code::NoSpawner, message));
        }
        let server = self.number(map)?;
        let channel = channel.unwrap_or_else(|| self.free_channel(map));
        self.add(server.clone(), map.clone(), channel, standing);
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

    fn add(&mut self, server: ServerId, map: MapName, channel: Channel, standing: bool) {
        self.started += 1;
        let child = Child {
            map,
            channel,
            standing,
            order: self.started,
            phase: Phase::Waiting { until: Duration::ZERO, told: true },
            pid: None,
            restarts: 0,
            registered: false,
            backoff: Backoff::new(),
            starts: Vec::new(),
            stops: Vec::new(),
        };
        self.children.insert(server, child);
    }

    fn wait_for_start(&mut self, server: &ServerId, id: WaiterId, now: Duration) {
        let deadline = now + self.limits.start_deadline;
        let Some(child) = self.children.get_mut(server) else { return };
        child.starts.push(Waiter { id, deadline });
        if let Phase::Ready { ready, .. } = &child.phase {
            let ready = ready.clone();
            self.answer_ready(server, ready);
        }
    }

    /// Answers all who wait for this child's registration with it.
    pub(super) fn answer_ready(&mut self, server: &ServerId, ready: ChildReady) {
        let Some(child) = self.children.get_mut(server) else { return };
        let waiters = std::mem::take(&mut child.starts);
        let spawned = MapSpawned {
            life: Life { server: server.clone(), incarnation: ready.life.incarnation },
            spawner: self.limits.spawner.clone(),
            map: child.map.clone(),
            channel: child.channel,
            port: ready.port,
        };
        self.answer_starts(waiters, &Ok(spawned));
    }

    /// Stops a child for good.
    pub(super) fn stop(&mut self, server: &ServerId, id: WaiterId, now: Duration) {
        let deadline = now + self.limits.stop_grace + KILLED_WITHIN;
        let Some(child) = self.children.get_mut(server) else {
            let message = format!(
                "{} runs no Map Server `{server}`; ask its `list` for those it runs",
                self.limits.spawner
            );
            let failure = Failure::new(Code::ServerUnknown, message);
            return self.effects.push(Effect::Stopped(id, Err(failure)));
        };
        child.stops.push(Waiter { id, deadline });
        let message = format!("{server} was told to stop before it had registered");
        self.stop_for_good(server, &Failure::new(Code::SpawnFailed, message), now);
    }

    /// Ends a child and its restarts; who waits for its registration hears `why` not.
    pub(super) fn stop_for_good(&mut self, server: &ServerId, why: &Failure, now: Duration) {
        let Some(child) = self.children.get_mut(server) else { return };
        let starts = std::mem::take(&mut child.starts);
        self.answer_starts(starts, &Err(why.clone()));
        let Some(child) = self.children.get_mut(server) else { return };
        match &mut child.phase {
            Phase::Waiting { .. } => {
                let stops = std::mem::take(&mut child.stops);
                self.children.remove(server);
                self.answer_stops(stops, &Ok(()));
            }
            Phase::Stopping { reason, .. } => *reason = Reason::Told,
            Phase::Starting { .. } | Phase::Ready { .. } => {
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

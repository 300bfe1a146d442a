//! Children that an earlier life of this spawner has left behind: found in the process table,
//! known by what the Cluster says of them.

use std::time::Duration;

use protocol::{
    Code, Failure, ServerId,
    backbone::maps::{MapServer, Peers},
};

use super::{
    Found, Nursery,
    child::{Child, Missed, Phase, Reason},
    lives::never_registered,
};

impl Nursery {
    /// Takes in a child that runs already. It holds slots, though they may be more than there are.
    pub(super) fn found(&mut self, found: Found) {
        let Found { server, map, channel, pid, upkeep } = found;
        let form = format!("{}-{map}-", self.limits.spawner);
        let number = server.as_str().strip_prefix(&form).and_then(|number| number.parse().ok());
        let newest = self.numbers.entry(map.clone()).or_default();
        *newest = (*newest).max(number.unwrap_or_default());
        let order = self.next_order();
        let child = Child {
            adopted: true,
            phase: Phase::Found { missed: None },
            pid: Some(pid),
            // Most have, and whoever crashes before it is known is to return.
            registered: true,
            ..Child::new(map, channel, order, upkeep)
        };
        self.children.entry(server).or_insert(child);
    }

    /// Whether there are children whose registration the Cluster has still to be asked for.
    pub(crate) fn has_strangers(&self) -> bool {
        self.children.values().any(|child| matches!(child.phase, Phase::Found { .. }))
    }

    /// Learns what the process table does not say. Who is not known to one Cluster for as long as a
    /// start may take is ended: it has hung, or never came up.
    pub(super) fn introduce(&mut self, peers: &Peers, now: Duration) {
        let strangers = self.children.iter_mut().filter_map(|(server, child)| match child.phase {
            Phase::Found { missed } => Some((server.clone(), missed)),
            _ => None,
        });
        let strangers: Vec<_> = strangers.collect();
        let cluster = peers.view.cluster;
        for (server, missed) in strangers {
            let is_it = |map: &&MapServer| {
                map.server == server && map.spawner.as_ref() == Some(&self.limits.spawner)
            };
            if let Some(map) = peers.maps.iter().find(is_it) {
                self.recognise(&server, map.clone(), now);
                continue;
            }
            let missed = missed.filter(|missed| missed.cluster == cluster);
            let missed = missed.unwrap_or(Missed { cluster, since: now });
            if now.saturating_sub(missed.since) >= self.limits.start_deadline {
                self.give_up_stranger(&server, now);
            } else if let Some(child) = self.children.get_mut(&server) {
                child.phase = Phase::Found { missed: Some(missed) };
            }
        }
    }

    fn recognise(&mut self, server: &ServerId, map: MapServer, now: Duration) {
        let Some(child) = self.children.get_mut(server) else { return };
        child.channel = map.channel;
        child.phase = Phase::Ready { since: now, life: map.life(), port: map.port };
        self.answer_ready(server);
    }

    fn give_up_stranger(&mut self, server: &ServerId, now: Duration) {
        let Some(child) = self.children.get_mut(server) else { return };
        child.registered = false;
        let starts = std::mem::take(&mut child.starts);
        let how = never_registered(self.limits.start_deadline);
        let failure = Failure::new(Code::SpawnFailed, format!("{server} {how}; see its log"));
        self.answer_starts(starts, &Err(failure));
        self.terminate(server, Reason::NeverRegistered, now);
    }
}

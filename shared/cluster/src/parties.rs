//! Instances that were given to a party, until the party has claimed them.

use std::{collections::BTreeMap, time::Duration};

use protocol::{
    MapName, ServerId,
    backbone::{Life, maps::MapServer},
};

use crate::registry::Registry;

/// How long a party has from the answer to its first seat.
const PROMISED_FOR: Duration = Duration::from_secs(30);

/// Instances that a party was told of.
#[derive(Debug, Default)]
pub struct Parties {
    promised: BTreeMap<ServerId, Promise>,
}

#[derive(Debug)]
struct Promise {
    life: Life,
    until: Duration,
}

impl Parties {
    /// Gives an instance to a party.
    pub fn promise(&mut self, life: Life, now: Duration) {
        let until = now + PROMISED_FOR;
        self.promised.insert(life.server.clone(), Promise { life, until });
    }

    /// Whether an instance is a party's that has not claimed it yet.
    pub fn has(&self, server: &ServerId) -> bool {
        self.promised.contains_key(server)
    }

    /// A spare instance of this map that serves, is nobody's and is not being emptied.
    pub fn spare<'a>(
        &self,
        map: &MapName,
        open: impl Iterator<Item = &'a MapServer>,
    ) -> Option<&'a MapServer> {
        let spare = |server: &&MapServer| {
            server.map == *map
                && server.spawner.is_some()
                && !server.claimed
                && server.population == 0
                && !self.has(&server.server)
        };
        open.filter(spare).min_by_key(|server| server.channel)
    }

    /// Forgets those that were claimed or have ended, and returns those that nobody came to.
    pub fn settle(&mut self, registry: &Registry, now: Duration) -> Vec<ServerId> {
        let mut forsaken = Vec::new();
        self.promised.retain(|server, promise| {
            let present = registry.get(server);
            let present = present.filter(|present| present.life() == promise.life);
            match present {
                // It has just been started and registers.
                None => now < promise.until,
                Some(present) if present.claimed => false,
                Some(_) if now < promise.until => true,
                Some(_) => {
                    forsaken.push(server.clone());
                    false
                }
            }
        });
        forsaken
    }
}

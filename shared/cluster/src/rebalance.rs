//! Empty Map Servers move to spawners that have less to run, such as new ones.

use std::{collections::BTreeMap, time::Duration};

use protocol::{
    MapName, ServerId, SpawnerId,
    backbone::{
        maps::MapServer,
        spawners::{ChildState, Spawner},
    },
};

use crate::{
    Cluster, census,
    placement::{self, Scene},
};

impl Cluster {
    /// Empty Map Servers that may run elsewhere leave their spawner, as long as another one would
    /// be no fuller with them than theirs is without.
    pub(crate) fn rebalance(&mut self, now: Duration) -> Vec<ServerId> {
        let scene = self.scene(now);
        let mut slots = Slots::to_be(scene);
        // What is missing, since it moves already, is still to get its place.
        for (map, wish) in self.wishes(now) {
            for _ in 0..wish.missing {
                if let Some((to, _)) = slots.emptiest(&map, None) {
                    slots.take(to, slots.cost(&map));
                }
            }
        }
        let census = census::take(scene);
        let serving = census.values().flat_map(|living| &living.serving);
        let idle = serving.filter(|serving| serving.empty_since.is_some() && !serving.claimed);
        let mut moves = Vec::<MapServer>::new();
        for serving in idle {
            let Some(server) = self.registry.get(&serving.server) else { continue };
            let from = serving.spare_of.as_ref().and_then(|id| self.fleet.get(id));
            let (Some(from), Some(_)) = (from, scene.rules(&server.map)) else { continue };
            let cost = slots.cost(&server.map);
            let here = slots.share(from, -cost);
            let to = slots.emptiest(&server.map, Some(&from.spawner));
            if let Some((to, _)) = to.filter(|(_, there)| *there <= here) {
                slots.take(from, -cost);
                slots.take(to, cost);
                moves.push(server.clone());
            }
        }
        for server in &moves {
            self.drains.retire(server, now);
        }
        moves.into_iter().map(|server| server.server).collect()
    }
}

/// Slots that will be in use on each spawner once all that is under way has happened. What the
/// beats tell of is behind that.
struct Slots<'a> {
    scene: Scene<'a>,
    used: BTreeMap<&'a SpawnerId, i64>,
}

impl<'a> Slots<'a> {
    fn to_be(scene: Scene<'a>) -> Self {
        let mut slots = Self { scene, used: BTreeMap::new() };
        let stays = |server: &&MapServer| !scene.drains.covers(&server.server);
        for server in scene.registry.maps().filter(stays) {
            if let Some(spawner) = &server.spawner {
                *slots.used.entry(spawner).or_default() += slots.cost(&server.map);
            }
        }
        for pending in scene.fleet.pending() {
            let stays = pending.state != ChildState::Stopping;
            if stays && scene.registry.get(&pending.server).is_none() {
                *slots.used.entry(&pending.spawner).or_default() += slots.cost(&pending.map);
            }
        }
        for start in scene.to_come() {
            let cost = start.child.cost.unwrap_or(1);
            *slots.used.entry(&start.spawner).or_default() += i64::from(cost);
        }
        slots
    }

    fn cost(&self, map: &MapName) -> i64 {
        self.scene.cost(map).into()
    }

    /// The share of its slots that a spawner uses with so many `more`.
    fn share(&self, spawner: &Spawner, more: i64) -> i64 {
        let used = self.used.get(&spawner.spawner).copied().unwrap_or(0);
        placement::share(used + more, spawner)
    }

    /// The spawner with the least share in use once it runs a map, and that share.
    fn emptiest(&self, map: &MapName, but: Option<&SpawnerId>) -> Option<(&'a Spawner, i64)> {
        let able = self.scene.able(map).filter(|spawner| Some(&spawner.spawner) != but);
        let cost = self.cost(map);
        able.map(|spawner| (spawner, self.share(spawner, cost))).min_by_key(|(_, share)| *share)
    }

    fn take(&mut self, spawner: &'a Spawner, cost: i64) {
        *self.used.entry(&spawner.spawner).or_default() += cost;
    }
}

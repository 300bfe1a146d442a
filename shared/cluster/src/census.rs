//! What lives of each map, counted for the comparison with what is desired.

use std::{collections::BTreeMap, time::Duration};

use protocol::{
    Channel, MapName, ServerId, SpawnerId,
    backbone::{maps::MapServer, spawners::ChildState},
};

use crate::placement::Scene;

/// One map.
#[derive(Debug, Default)]
pub(crate) struct Living {
    /// Map Servers that serve and are not being emptied.
    pub(crate) serving: Vec<Serving>,
    /// Map Servers that will: starting, or dead and to be started again by their spawner.
    pub(crate) coming: u32,
    /// Dead Map Servers that their spawner holds back, since they crashed too often.
    pub(crate) held: u32,
}

/// One Map Server that serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) server: ServerId,
    pub(crate) channel: Channel,
    /// Who is there, expected, or was sent.
    pub(crate) crowd: u32,
    pub(crate) soft_cap: u32,
    pub(crate) empty_since: Option<Duration>,
    /// A party has it for itself.
    pub(crate) claimed: bool,
    /// The Cluster may have it stopped: it has a spawner, which does not keep it for its
    /// `spawn_maps`.
    pub(crate) spare_of: Option<SpawnerId>,
}

impl Living {
    /// All that serve, will, or are held back.
    pub(crate) fn count(&self) -> u32 {
        let serving = u32::try_from(self.serving.len()).unwrap_or(u32::MAX);
        serving.saturating_add(self.coming).saturating_add(self.held)
    }
}

/// Counts what lives.
pub(crate) fn take(scene: Scene<'_>) -> BTreeMap<MapName, Living> {
    let mut census = BTreeMap::<MapName, Living>::new();
    // How many of a map each spawner runs, and how many of them it always does.
    let mut run = BTreeMap::<(&SpawnerId, &MapName), u32>::new();
    let open = |server: &&MapServer| !scene.drains.covers(&server.server);
    for server in scene.registry.maps().filter(open) {
        if let Some(spawner) = &server.spawner {
            *run.entry((spawner, &server.map)).or_default() += 1;
        }
    }
    for spawner in scene.fleet.spawners() {
        for pinned in &spawner.pinned {
            if let Some(count) = run.get_mut(&(&spawner.spawner, &pinned.map)) {
                *count = count.saturating_sub(pinned.channels.into());
            }
        }
    }
    for server in scene.registry.maps().filter(open) {
        let spare = |spawner: &&SpawnerId| run.get(&(*spawner, &server.map)) > Some(&0);
        let serving = Serving {
            server: server.server.clone(),
            channel: server.channel,
            crowd: scene.registry.crowd(server),
            soft_cap: scene.soft_cap(server),
            empty_since: scene.registry.empty_since(&server.server),
            claimed: server.claimed,
            spare_of: server.spawner.as_ref().filter(spare).cloned(),
        };
        census.entry(server.map.clone()).or_default().serving.push(serving);
    }
    for pending in scene.fleet.pending() {
        // A beat that was written before it registered may still list it.
        if scene.registry.get(&pending.server).is_some() {
            continue;
        }
        let living = census.entry(pending.map.clone()).or_default();
        match pending.state {
            ChildState::Stopping => {}
            ChildState::Held => living.held += 1,
            ChildState::Starting | ChildState::Waiting | ChildState::Ready => living.coming += 1,
        }
    }
    for start in scene.to_come() {
        census.entry(start.child.map.clone()).or_default().coming += 1;
    }
    census
}

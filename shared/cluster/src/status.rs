//! How it all stands, for people.

use std::{collections::BTreeSet, time::Duration};

use protocol::{
    MapName,
    backbone::operations::{ClusterStatus, MapStatus},
};

use crate::{
    Cluster,
    census::{self, Living},
};

impl Cluster {
    /// How desired and living agree.
    pub(crate) fn status(&self, now: Duration) -> ClusterStatus {
        let census = census::take(self.scene(now));
        let desired = &self.desired.desired;
        let mut names: BTreeSet<&MapName> = census.keys().collect();
        names.extend(desired.maps.keys().chain(desired.instances.keys()).chain(self.queue.maps()));
        let nothing = Living::default();
        let status = |map: &MapName| {
            let living = census.get(map).unwrap_or(&nothing);
            let min = desired.maps.get(map).map(|map| u32::from(map.min_channels));
            let spares = desired.instances.get(map).map(|map| u32::from(map.spares));
            let ready = u32::try_from(living.serving.len()).unwrap_or(u32::MAX);
            let of_map = self.registry.maps().filter(|server| server.map == *map);
            MapStatus {
                map: map.clone(),
                wanted: min.or(spares).unwrap_or(ready),
                ready,
                players: of_map.map(|server| server.population).fold(0, u32::saturating_add),
                queued: self.queue.waiting(map),
                trouble: self.efforts.trouble(map).map(str::to_owned),
            }
        };
        ClusterStatus {
            cluster: self.registry.view().cluster,
            epoch: self.errands.epoch(),
            settled: self.is_settled(now),
            revision: self.desired.revision,
            maps: names.into_iter().map(status).collect(),
            pending: self.fleet.pending().cloned().collect(),
            draining: self.drains.servers().cloned().collect(),
            drains: self.drains.orders().as_of(now),
        }
    }
}

//! A Cluster that takes note of what spawners tell it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use nats::Backbone;
use protocol::{
    Channel, Code, ConnectionKey, Failure, Incarnation,
    backbone::{
        Done, View,
        maps::{BeatHeard, LeaveMap, ListPeers, MapServer, Peers},
        spawners::{LeaveSpawner, RegisterSpawner, Spawner, SpawnerBeat, SpawnerRegistered},
    },
};

use crate::harness::eventually;

/// What a spawner told the Cluster.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Registered(Spawner),
    Beat(SpawnerBeat),
    MapLeft(LeaveMap),
    Left(LeaveSpawner),
}

#[derive(Clone, Default)]
pub(crate) struct FakeCluster {
    told: Arc<Mutex<Vec<Told>>>,
    /// Whether it refuses to register anybody.
    refuses: Arc<AtomicBool>,
    /// Whether it has just lost its registry.
    forgot: Arc<AtomicBool>,
    /// Map Servers that have registered.
    maps: Arc<Mutex<Vec<MapServer>>>,
}

/// A child of the spawner `s` that has registered, on port 7200.
pub(crate) fn registered_map(server: &str, map: &str, channel: u16) -> MapServer {
    MapServer {
        server: server.parse().unwrap(),
        incarnation: Incarnation::new(),
        map: map.parse().unwrap(),
        channel: Channel(channel),
        address: "127.0.0.1".to_owned(),
        port: 7200,
        connection_key: ConnectionKey::from_bytes([7; 32]),
        population: 1,
        capacity: 200,
        spawner: Some("s".parse().unwrap()),
        version: "0".to_owned(),
        claimed: false,
    }
}

impl FakeCluster {
    pub(crate) async fn start(backbone: &Backbone) -> Self {
        let cluster = Self::default();
        let view = View { cluster: Incarnation::new(), sequence: 1 };
        let mut service = backbone.service("a fake Cluster").await.unwrap();

        let it = cluster.clone();
        let register = move |RegisterSpawner { spawner }| {
            let it = it.clone();
            async move {
                if it.refuses.load(Ordering::SeqCst) {
                    return Err(Failure::new(Code::IdInUse, "it lives on 10.1.1.1"));
                }
                it.note(Told::Registered(spawner));
                Ok(SpawnerRegistered { view, epoch: 1 })
            }
        };
        service.add::<RegisterSpawner, _, _>(&(), register).await.unwrap();
        let it = cluster.clone();
        let peers = move |_: ListPeers| {
            let other = Spawner::new(
                "s".parse().unwrap(),
                Incarnation::new(),
                "10.1.1.1".to_owned(),
                vec![],
                1,
            );
            let refuses = it.refuses.load(Ordering::SeqCst);
            let spawners = refuses.then_some(other).into_iter().collect();
            let maps = it.maps.lock().unwrap().clone();
            async move { Ok(Peers { view, maps, spawners, more: false }) }
        };
        service.add::<ListPeers, _, _>(&(), peers).await.unwrap();
        let it = cluster.clone();
        let beat = move |beat| {
            it.note(Told::Beat(beat));
            let known = !it.forgot.swap(false, Ordering::SeqCst);
            async move { Ok(BeatHeard { known, view }) }
        };
        service.add::<SpawnerBeat, _, _>(&(), beat).await.unwrap();
        let it = cluster.clone();
        let map_left = move |leave| {
            it.note(Told::MapLeft(leave));
            async { Ok(Done {}) }
        };
        service.add::<LeaveMap, _, _>(&(), map_left).await.unwrap();
        let it = cluster.clone();
        let left = move |leave| {
            it.note(Told::Left(leave));
            async { Ok(Done {}) }
        };
        service.add::<LeaveSpawner, _, _>(&(), left).await.unwrap();
        service.ready().await.unwrap();
        tokio::spawn(service.run());
        cluster
    }

    pub(crate) fn refuse(&self) {
        self.refuses.store(true, Ordering::SeqCst);
    }

    pub(crate) fn forget(&self) {
        self.forgot.store(true, Ordering::SeqCst);
    }

    /// From now on it knows these.
    pub(crate) fn knows(&self, maps: Vec<MapServer>) {
        *self.maps.lock().unwrap() = maps;
    }

    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn registrations(&self) -> usize {
        self.told().iter().filter(|told| matches!(told, Told::Registered(_))).count()
    }

    pub(crate) async fn registered(&self) -> Spawner {
        eventually("a registration", async || {
            self.told().into_iter().find_map(|told| match told {
                Told::Registered(spawner) => Some(spawner),
                _ => None,
            })
        })
        .await
    }

    /// A beat that is as wanted.
    pub(crate) async fn beat(&self, wanted: impl Fn(&SpawnerBeat) -> bool) -> SpawnerBeat {
        eventually("a beat as wanted", async || {
            self.told().into_iter().find_map(|told| match told {
                Told::Beat(beat) if wanted(&beat) => Some(beat),
                _ => None,
            })
        })
        .await
    }

    pub(crate) async fn map_left(&self) -> LeaveMap {
        eventually("a map's leave", async || {
            self.told().into_iter().find_map(|told| match told {
                Told::MapLeft(leave) => Some(leave),
                _ => None,
            })
        })
        .await
    }
}

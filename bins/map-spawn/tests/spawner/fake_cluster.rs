//! A Cluster that takes note of what spawners tell it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use nats::Backbone;
use protocol::{
    Code, Failure, Incarnation,
    backbone::{
        Done, View,
        maps::{BeatHeard, LeaveMap, ListPeers, Peers},
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
            async move { Ok(Peers { view, maps: vec![], spawners, more: false }) }
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

//! Whatever happens in whatever order: views have no gap, peers who apply them know the registry,
//! ids and channels stay unique, and everybody who asks is answered once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cluster::{Asked, Caller, Cluster, Effect, Event, News};
use proptest::prelude::*;
use protocol::{
    Channel, ConnectionKey, Incarnation, ServerId,
    backbone::{
        maps::{LeaveMap, MapBeat, MapServer},
        spawners::{SpawnMap, Spawner},
    },
};
use uuid::Uuid;

#[derive(Debug, Clone)]
enum Step {
    Register { id: u8, life: u8, port: u8 },
    Beat { id: u8, life: u8, population: u8 },
    Leave { id: u8, life: u8 },
    Spawner { id: u8 },
    Spawn { channel: Option<u8> },
    Wait { ms: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    let (id, life) = (0..4_u8, 0..3_u8);
    prop_oneof![
        4 => (id.clone(), life.clone(), 0..3_u8).prop_map(|(id, life, port)| Step::Register { id, life, port }),
        6 => (id.clone(), life.clone(), 0..3_u8)
            .prop_map(|(id, life, population)| Step::Beat { id, life, population }),
        1 => (id.clone(), life).prop_map(|(id, life)| Step::Leave { id, life }),
        1 => id.prop_map(|id| Step::Spawner { id }),
        1 => prop::option::of(1..4_u8).prop_map(|channel| Step::Spawn { channel }),
        4 => (0..1500_u16).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn life_of(id: u8, life: u8) -> Incarnation {
    // Later lives have greater ids, as UUIDs of version 7 do.
    Uuid::from_u128((u128::from(life) << 64) | u128::from(id)).into()
}

fn map_server(id: u8, life: u8, port: u8) -> MapServer {
    MapServer {
        server: format!("m-{id}").parse().unwrap(),
        incarnation: life_of(id, life),
        map: "town".parse().unwrap(),
        channel: Channel::FIRST,
        address: "127.0.0.1".to_owned(),
        port: u16::from(id) * 100 + u16::from(port),
        connection_key: ConnectionKey::from_bytes([id; 32]),
        population: 0,
        capacity: 9,
        spawner: None,
        version: "0".to_owned(),
        claimed: false,
    }
}

fn event(step: &Step, caller: Caller) -> Event {
    let asked = match *step {
        Step::Register { id, life, port } => Asked::RegisterMap(map_server(id, life, port)),
        Step::Beat { id, life, population } => Asked::MapBeat(MapBeat {
            life: map_server(id, life, 0).life(),
            population: population.into(),
            load: 0.0,
            taken: 0,
            claimed: false,
        }),
        Step::Leave { id, life } => Asked::LeaveMap(LeaveMap {
            life: map_server(id, life, 0).life(),
            reason: "gone".to_owned(),
        }),
        Step::Spawner { id } => Asked::RegisterSpawner(Spawner::new(
            format!("s-{id}").parse().unwrap(),
            life_of(id, 0),
            "127.0.0.1".to_owned(),
            vec!["town".parse().unwrap()],
            2,
        )),
        Step::Spawn { channel } => {
            let channel = channel.map(|number| Channel(number.into()));
            let spawn = SpawnMap { map: "town".parse().unwrap(), channel, instance: false };
            Asked::Spawn(spawn, Duration::from_secs(2))
        }
        Step::Wait { .. } => return Event::Tick,
    };
    Event::Asked(caller, asked)
}

/// A peer that hears every event.
#[derive(Default)]
struct Peer {
    sequence: u64,
    known: BTreeMap<ServerId, MapServer>,
}

impl Peer {
    fn hear(&mut self, news: &News) {
        let sequence = match news {
            News::MapUp(up) => {
                self.known.insert(up.server.server.clone(), up.server.clone());
                up.view.sequence
            }
            News::MapChanged(changed) => {
                let server =
                    self.known.get_mut(&changed.life.server).expect("an unknown one changed");
                server.population = changed.population;
                changed.view.sequence
            }
            News::MapDown(down) => {
                self.known.remove(&down.life.server).expect("an unknown one went down");
                down.view.sequence
            }
            News::SpawnerUp(_) | News::SpawnerDown(_) => return,
        };
        assert_eq!(sequence, self.sequence + 1, "a gap in the view");
        self.sequence = sequence;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_peer_that_hears_everything_knows_everything(steps in prop::collection::vec(step(), 1..120)) {
        let mut cluster = Cluster::new(Incarnation::new(), 1, Default::default(), Vec::new());
        let (mut peer, mut now) = (Peer::default(), Duration::ZERO);
        let mut waiting: BTreeSet<Caller> = BTreeSet::new();
        let quiet = std::iter::repeat_n(Step::Wait { ms: 1000 }, 3);
        for (number, step) in steps.into_iter().chain(quiet).enumerate() {
            if let Step::Wait { ms } = step {
                now += Duration::from_millis(ms.into());
            }
            let caller = Caller(number as u64);
            let event = event(&step, caller);
            if matches!(event, Event::Asked(..)) {
                waiting.insert(caller);
            }
            for effect in cluster.handle(event, now) {
                match effect {
                    Effect::Answer(caller, _) => prop_assert!(waiting.remove(&caller), "answered twice"),
                    Effect::Tell(news) => peer.hear(&news),
                    Effect::Start(..)
                    | Effect::Stop(..)
                    | Effect::EndHung(..)
                    | Effect::Drain(..)
                    | Effect::Keep(..) => {}
                }
            }
            let known: Vec<&MapServer> = cluster.maps().collect();
            prop_assert!(known.iter().copied().eq(peer.known.values()), "{known:?}");
            let channels: BTreeSet<Channel> = known.iter().map(|server| server.channel).collect();
            prop_assert_eq!(channels.len(), known.len(), "two servers share a channel");
        }
        prop_assert!(waiting.is_empty(), "somebody still waits: {waiting:?}");
    }
}

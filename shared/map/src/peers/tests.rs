use proptest::prelude::*;
use protocol::{
    Channel, ConnectionKey, Incarnation,
    backbone::events::{MapChanged, MapDown, MapUp},
};

use super::*;

/// A Cluster's registry, as the sender keeps it.
struct Registry {
    view: View,
    servers: BTreeMap<ServerId, MapServer>,
}

fn id(n: u8) -> ServerId {
    format!("map-{n}").parse().unwrap()
}

fn server(n: u8) -> MapServer {
    MapServer {
        server: id(n),
        incarnation: Incarnation::new(),
        map: "town".parse().unwrap(),
        channel: Channel::FIRST,
        address: "127.0.0.1".to_owned(),
        port: 7100,
        connection_key: ConnectionKey::from_bytes([n; 32]),
        population: 0,
        capacity: 9,
        spawner: None,
        version: "0".to_owned(),
        claimed: false,
    }
}

impl Registry {
    fn new() -> Self {
        let view = View { cluster: Incarnation::new(), sequence: 0 };
        Self { view, servers: BTreeMap::new() }
    }

    /// Toggles a server, or changes its population.
    fn change(&mut self, n: u8, population: Option<u32>) -> PeerEvent {
        self.view.sequence += 1;
        let view = self.view;
        match (self.servers.get_mut(&id(n)), population) {
            (Some(known), Some(population)) => {
                known.population = population;
                PeerEvent::Changed(MapChanged { view, life: known.life(), population })
            }
            (Some(known), None) => {
                let life = known.life();
                let known = self.servers.remove(&id(n)).unwrap();
                let (map, channel) = (known.map, known.channel);
                PeerEvent::Down(MapDown { view, life, map, channel, reason: "gone".to_owned() })
            }
            (None, _) => {
                let server = server(n);
                self.servers.insert(id(n), server.clone());
                PeerEvent::Up(MapUp { view, server })
            }
        }
    }

    fn list(&self) -> Vec<MapServer> {
        self.servers.values().cloned().collect()
    }
}

fn known(peers: &PeerView) -> Vec<MapServer> {
    peers.servers.values().cloned().collect()
}

#[test]
fn events_in_order_are_applied_and_repeated_ones_ignored() {
    let (mut registry, mut peers) = (Registry::new(), PeerView::new(id(9)));
    peers.replace(registry.view, registry.list());
    let up = registry.change(1, None);
    assert_eq!(peers.hear(up.clone()), Heard::Applied);
    assert_eq!(peers.hear(up), Heard::Late);
    assert_eq!(peers.hear(registry.change(1, Some(5))), Heard::Applied);
    assert_eq!(known(&peers)[0].population, 5);
    assert_eq!(peers.hear(registry.change(1, None)), Heard::Applied);
    assert_eq!(peers.len(), 0);
}

#[test]
fn a_gap_and_a_new_cluster_ask_for_the_full_list_and_nothing_counts_until_then() {
    let (mut registry, mut peers) = (Registry::new(), PeerView::new(id(9)));
    assert_eq!(peers.hear(registry.change(1, None)), Heard::Missed, "no list yet");
    peers.replace(registry.view, registry.list());
    registry.change(2, None);
    assert_eq!(peers.hear(registry.change(3, None)), Heard::Missed);
    assert_eq!(peers.hear(registry.change(4, None)), Heard::Missed, "still a gap before it");
    assert!(peers.is_behind(registry.view));
    peers.replace(registry.view, registry.list());
    assert_eq!((known(&peers), peers.is_behind(registry.view)), (registry.list(), false));

    let mut old = registry;
    let mut registry = Registry::new();
    assert_eq!(peers.hear(registry.change(5, None)), Heard::Missed);
    peers.replace(registry.view, registry.list());
    assert_eq!(peers.hear(old.change(6, None)), Heard::Late, "a dead Cluster's last word");
    assert_eq!(known(&peers), registry.list());
}

#[test]
fn one_does_not_stand_in_its_own_list_but_counts_its_own_events() {
    let (mut registry, mut peers) = (Registry::new(), PeerView::new(id(1)));
    peers.replace(registry.view, registry.list());
    assert_eq!(peers.hear(registry.change(1, None)), Heard::Applied);
    assert_eq!(peers.hear(registry.change(2, None)), Heard::Applied);
    assert_eq!(peers.len(), 1);
}

proptest! {
    /// However events are lost, repeated or overtaken: asking for the list whenever told to, and
    /// once more when a beat shows that the list is behind, ends with the sender's list.
    #[test]
    fn whatever_is_lost_the_list_ends_as_the_senders(
        changes in prop::collection::vec((0_u8..5, prop::option::of(0_u32..9)), 1..60),
        fates in prop::collection::vec(0_u8..5, 60),
    ) {
        let (mut registry, mut peers) = (Registry::new(), PeerView::new(id(200)));
        peers.replace(registry.view, registry.list());
        let mut held_back = Vec::new();
        for ((n, population), fate) in changes.into_iter().zip(fates) {
            let event = registry.change(n, population);
            let arriving = match fate {
                0 => vec![],                              // lost
                1 => vec![event.clone(), event],          // twice
                2 => { held_back.push(event); vec![] }    // overtaken
                _ => { let mut all = vec![event]; all.append(&mut held_back); all }
            };
            for event in arriving {
                if peers.hear(event) == Heard::Missed {
                    peers.replace(registry.view, registry.list());
                }
            }
        }
        if peers.is_behind(registry.view) {
            peers.replace(registry.view, registry.list());
        }
        prop_assert_eq!(known(&peers), registry.list());
    }
}

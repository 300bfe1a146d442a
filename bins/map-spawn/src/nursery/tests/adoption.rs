//! Children that ran before.

use std::time::Duration;

use protocol::{Channel, Code, Incarnation, backbone::spawners::ChildState};

use super::{Story, peers, term};
use crate::nursery::{Effect, Event};

#[test]
fn found_children_count_and_are_not_doubled() {
    let mut story = Story::new();
    story.find("town", 7).find("town", 2).find("forest", 1);
    assert_eq!(story.nursery.used(), 3);
    assert!(story.nursery.has_strangers());
    story.stand("town", 3);
    assert_eq!(story.launches(), [("s-town-8".to_owned(), 2, 0)], "one was missing");
    story.stand("forest", 1);
    assert_eq!(story.launches(), []);
    assert_eq!(story.start("forest", None, 1).refusal().code, Code::NoSpawner);
    let shown: Vec<_> = story.nursery.children().map(|child| child.pid).collect();
    assert_eq!(shown, [Some(1001), Some(1002), Some(1007), None]);
}

#[test]
fn the_cluster_says_who_a_found_child_is() {
    let mut story = Story::new();
    let cluster = Incarnation::new();
    story.find("town", 1).start("town", Some(1), 4);
    assert_eq!((story.launches(), story.spawned()), (vec![], vec![]));
    story.handle(peers(cluster, &["t-town-1"]));
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Starting)]);
    story.handle(peers(cluster, &["s-town-1"]));
    let spawned = story.spawned();
    let [(4, Ok(spawned))] = spawned.as_slice() else { panic!("{spawned:?}") };
    assert_eq!((spawned.channel, spawned.port), (Channel(7), 7107));
    assert!(!story.nursery.has_strangers());
    let child = story.nursery.children().next().unwrap();
    assert_eq!((child.channel, child.port, child.pid), (Channel(7), Some(7107), Some(1001)));
    // From here on it is like any other.
    story.ended("s-town-1");
    assert!(story.effects.iter().any(|effect| matches!(effect, Effect::Leave(_))));
    assert!(matches!(story.ends().as_slice(), [(_, Some(_))]), "{:?}", story.effects);
    story.told("s-town-1").next();
    assert_eq!(story.launches(), [("s-town-1".to_owned(), 7, 1)]);
}

#[test]
fn a_server_of_the_same_id_that_another_started_is_somebody_else() {
    let mut story = Story::new();
    story.find("town", 1);
    let Event::Peers(mut peers) = peers(Incarnation::new(), &["s-town-1"]) else { unreachable!() };
    peers.maps[0].spawner = None;
    story.handle(Event::Peers(peers));
    assert!(story.nursery.has_strangers());
}

#[test]
fn a_found_child_that_one_cluster_does_not_know_for_long_is_ended() {
    let (mut story, cluster) = (Story::new(), Incarnation::new());
    story.find("town", 1).find("forest", 1).stand("forest", 1).after(60.0);
    assert_eq!(story.signals(), [], "nobody could be asked yet");
    story.handle(peers(cluster, &[])).after(9.0);
    // Another Cluster has just begun to hear who is there.
    let next = Incarnation::new();
    story.handle(peers(next, &[])).after(9.9).handle(peers(next, &[]));
    assert_eq!(story.signals(), []);
    story.after(0.1).handle(peers(next, &[]));
    assert_eq!(story.signals(), [term("s-forest-1"), term("s-town-1")]);
    story.ended("s-town-1");
    let how = "never registered within 10 s: was ended by signal 9".to_owned();
    assert_eq!(story.ends(), [(how, None)], "a commanded one is given up");
    story.ended("s-forest-1");
    assert_eq!(story.states(), [("s-forest-1".to_owned(), ChildState::Waiting)]);
}

#[test]
fn a_found_child_of_a_map_that_may_not_run_any_more_does_not_return() {
    let mut story = Story::new();
    story.find("moon", 1).ended("s-moon-1");
    assert!(matches!(story.ends().as_slice(), [(_, None)]), "{:?}", story.effects);
    assert_eq!(story.nursery.used(), 0);
}

#[test]
fn found_children_drain_as_all_others() {
    let mut story = Story::new();
    story.find("town", 1).with_ready("forest", "s-forest-1");
    story.handle(Event::Drain { patience: Duration::from_secs(9) });
    assert_eq!(story.signals(), [term("s-forest-1")]);
    assert_eq!(story.ended("s-forest-1").signals(), [term("s-town-1")]);
    story.ended("s-town-1");
    assert!(story.nursery.is_drained());
}

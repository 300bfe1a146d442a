mod adoption;
mod care;

use std::time::Duration;

use protocol::{
    Channel, Code, ConnectionKey, Failure, Incarnation, ServerId,
    backbone::{
        Life, View,
        maps::{MapServer, Peers},
        spawners::{ChildReady, ChildState, MapSpawned, Pinned, StartChild, StopChild},
    },
};

use super::{Effect, Event, Found, Limits, Nursery, Sign, Upkeep, WaiterId, child::Phase};

pub(super) fn limits() -> Limits {
    Limits {
        spawner: "s".parse().unwrap(),
        maps: ["forest", "town"].map(|name| name.parse().unwrap()).into(),
        slots: 4,
        start_deadline: Duration::from_secs(10),
        stop_grace: Duration::from_secs(8),
    }
}

pub(super) fn ready(server: &ServerId, channel: Channel) -> Event {
    Event::Ready(ChildReady {
        life: Life { server: server.clone(), incarnation: Incarnation::new() },
        channel,
        port: 7100,
        admin: "127.0.0.1:9100".parse().unwrap(),
    })
}

pub(super) fn found(map: &str, number: u32) -> Found {
    Found {
        server: format!("s-{map}-{number}").parse().unwrap(),
        map: map.parse().unwrap(),
        channel: Channel(1),
        pid: 1000 + number,
        upkeep: Upkeep::default(),
    }
}

fn stop(server: &str, epoch: Option<u64>) -> StopChild {
    StopChild { server: server.parse().unwrap(), epoch }
}

/// What a Cluster says that knows these servers, on channel 7 each.
pub(super) fn peers(cluster: Incarnation, servers: &[&str]) -> Event {
    let server = |id: &&str| MapServer {
        server: id.parse().unwrap(),
        incarnation: Incarnation::new(),
        map: "town".parse().unwrap(),
        channel: Channel(7),
        address: "127.0.0.1".to_owned(),
        port: 7107,
        connection_key: ConnectionKey::from_bytes(rand::random()),
        population: 1,
        capacity: 200,
        spawner: Some("s".parse().unwrap()),
        version: "0".to_owned(),
        claimed: false,
    };
    let (view, maps) = (View { cluster, sequence: 9 }, servers.iter().map(server).collect());
    Event::Peers(Peers { view, maps, spawners: Vec::new(), more: false })
}

/// A nursery, its clock, and what it asked for last.
struct Story {
    nursery: Nursery,
    now: Duration,
    effects: Vec<Effect>,
}

impl Story {
    fn new() -> Self {
        Self { nursery: Nursery::new(limits(), 1), now: Duration::ZERO, effects: Vec::new() }
    }

    fn handle(&mut self, event: Event) -> &mut Self {
        self.effects = self.nursery.handle(event, self.now);
        self
    }

    fn after(&mut self, seconds: f64) -> &mut Self {
        self.now += Duration::from_secs_f64(seconds);
        self.handle(Event::Tick)
    }

    /// Goes to the next deadline.
    fn next(&mut self) -> Duration {
        self.now = self.nursery.next_deadline().expect("something is due");
        self.handle(Event::Tick);
        self.now
    }

    fn start(&mut self, map: &str, channel: Option<u16>, waiter: WaiterId) -> &mut Self {
        let order = StartChild::new(map.parse().unwrap(), channel.map(Channel));
        self.handle(Event::Start { order, waiter })
    }

    fn stand(&mut self, map: &str, channels: u16) -> &mut Self {
        self.handle(Event::Stand(Pinned { map: map.parse().unwrap(), channels }))
    }

    fn find(&mut self, map: &str, number: u32) -> &mut Self {
        self.handle(Event::Found(found(map, number)))
    }

    fn stop(&mut self, server: &str, waiter: WaiterId) -> &mut Self {
        self.handle(Event::Stop { order: stop(server, None), waiter })
    }

    fn clear(&mut self, server: &str, waiter: WaiterId) -> &mut Self {
        self.handle(Event::Clear { server: server.parse().unwrap(), waiter })
    }

    /// The present life of a child that is ready.
    fn life(&self, server: &str) -> Life {
        match &self.nursery.children[&server.parse::<ServerId>().unwrap()].phase {
            Phase::Ready { life, .. } => life.clone(),
            other => panic!("{server} is {other:?}"),
        }
    }

    fn ready(&mut self, server: &str, channel: u16) -> &mut Self {
        self.handle(ready(&server.parse().unwrap(), Channel(channel)))
    }

    fn ended(&mut self, server: &str) -> &mut Self {
        let how = "was ended by signal 9".to_owned();
        self.handle(Event::Ended { server: server.parse().unwrap(), how })
    }

    fn told(&mut self, server: &str) -> &mut Self {
        self.handle(Event::Told { server: server.parse().unwrap() })
    }

    /// One more child of `spawn_maps`, which has registered.
    fn with_ready(&mut self, map: &str, server: &str) -> &mut Self {
        let here = self.nursery.children().filter(|child| child.map.as_str() == map).count();
        self.stand(map, u16::try_from(here).unwrap() + 1).ready(server, 1)
    }

    /// Crashes as soon as it runs, and goes to its restart, until it is held.
    fn crash(&mut self, server: &str, times: usize) -> &mut Self {
        for _ in 0..times {
            if self.launches().is_empty() {
                self.next();
            }
            self.ended(server);
        }
        self
    }

    fn launches(&self) -> Vec<(String, u16, u32)> {
        let launch = |effect: &Effect| match effect {
            Effect::Launch(l) => Some((l.server.to_string(), l.channel.0, l.restarts)),
            _ => None,
        };
        self.effects.iter().filter_map(launch).collect()
    }

    fn signals(&self) -> Vec<(String, Sign)> {
        let signal = |effect: &Effect| match effect {
            Effect::Signal(server, sign) => Some((server.to_string(), *sign)),
            _ => None,
        };
        self.effects.iter().filter_map(signal).collect()
    }

    fn spawned(&self) -> Vec<(WaiterId, Result<MapSpawned, Failure>)> {
        let spawned = |effect: &Effect| match effect {
            Effect::Spawned(waiter, outcome) => Some((*waiter, outcome.clone())),
            _ => None,
        };
        self.effects.iter().filter_map(spawned).collect()
    }

    fn refusal(&self) -> Failure {
        match self.spawned().as_slice() {
            [(_, Err(failure))] => failure.clone(),
            other => panic!("no single refusal: {other:?}"),
        }
    }

    fn done(&self) -> Vec<(WaiterId, Result<(), Failure>)> {
        let done = |effect: &Effect| match effect {
            Effect::Done(waiter, outcome) => Some((*waiter, outcome.clone())),
            _ => None,
        };
        self.effects.iter().filter_map(done).collect()
    }

    fn ends(&self) -> Vec<(String, Option<u64>)> {
        let end = |effect: &Effect| match effect {
            Effect::Ended(ended) => Some((ended.how.clone(), ended.restart_in_ms)),
            _ => None,
        };
        self.effects.iter().filter_map(end).collect()
    }

    fn states(&self) -> Vec<(String, ChildState)> {
        self.nursery.children().map(|child| (child.server.to_string(), child.state)).collect()
    }
}

fn term(server: &str) -> (String, Sign) {
    (server.to_owned(), Sign::Term)
}

#[test]
fn a_command_is_answered_when_the_child_has_registered() {
    let mut story = Story::new();
    story.start("town", None, 7);
    assert_eq!(story.launches(), [("s-town-1".to_owned(), 1, 0)]);
    assert_eq!(story.spawned(), []);
    story.ready("s-town-1", 3);
    let spawned = story.spawned();
    let [(7, Ok(spawned))] = spawned.as_slice() else { panic!("{spawned:?}") };
    assert_eq!((spawned.channel, spawned.port), (Channel(3), 7100));
}

#[test]
fn channels_and_numbers_count_up_per_map() {
    let mut story = Story::new();
    story.stand("town", 1).stand("town", 2);
    assert_eq!(story.launches(), [("s-town-2".to_owned(), 2, 0)]);
    story.stand("forest", 1);
    assert_eq!(story.launches(), [("s-forest-1".to_owned(), 1, 0)]);
}

#[test]
fn a_channel_that_is_here_is_not_started_twice() {
    let mut story = Story::new();
    story.start("town", Some(2), 1).start("town", Some(2), 2);
    assert_eq!((story.launches(), story.spawned()), (vec![], vec![]));
    story.ready("s-town-1", 2);
    assert_eq!(story.spawned().len(), 2);
    story.start("town", Some(2), 3);
    assert!(matches!(story.spawned().as_slice(), [(3, Ok(_))]), "{:?}", story.effects);
}

#[test]
fn what_it_may_not_run_and_what_has_no_room_is_refused_with_the_reason() {
    let mut story = Story::new();
    let unknown = story.start("moon", None, 1).refusal();
    assert_eq!(unknown.code, Code::MapUnknown);
    assert!(unknown.message.contains("`moon`; it may run: forest, town"), "{unknown}");
    assert_eq!(story.start("town", Some(0), 1).refusal().code, Code::Malformed);
    story.stand("town", 4);
    assert_eq!(story.start("town", None, 1).refusal().code, Code::NoSpawner);
    story.stand("town", 5);
    assert!(matches!(story.effects.as_slice(), [Effect::Refused(..)]));
}

#[test]
fn an_id_that_would_be_too_long_is_refused() {
    let mut story = Story::new();
    story.nursery.limits.spawner = "spawner-with-a-name-of-some-30".parse().unwrap();
    let refusal = story.start("town", None, 1).refusal();
    assert_eq!(refusal.code, Code::NameInvalid);
    assert!(refusal.message.contains("shorter `id`"), "{refusal}");
    assert_eq!(story.nursery.used(), 0);
}

#[test]
fn a_dead_child_returns_with_the_same_id_after_the_cluster_was_told() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1").after(1.0).ended("s-town-1");
    assert!(story.effects.iter().any(|effect| matches!(effect, Effect::Leave(_))));
    let ends = story.ends();
    let [(how, Some(wait @ 100..=200))] = ends.as_slice() else { panic!("{ends:?}") };
    assert_eq!(how, "was ended by signal 9");
    let wait = *wait;
    // However long the telling takes, the new life comes after it.
    story.after(5.0);
    assert_eq!((story.launches(), story.nursery.next_deadline()), (vec![], None));
    story.told("s-town-1");
    assert_eq!(story.launches(), [("s-town-1".to_owned(), 1, 1)]);

    story.ready("s-town-1", 1).ended("s-town-1").told("s-town-1");
    let died = story.now;
    let waited = story.next() - died;
    assert!(waited > Duration::from_millis(wait), "{waited:?} after {wait} ms");
    assert_eq!(story.launches(), [("s-town-1".to_owned(), 1, 2)]);
}

#[test]
fn health_resets_the_backoff() {
    for (healthy, longest) in [(59.0, 400), (60.0, 200)] {
        let mut story = Story::new();
        story.with_ready("town", "s-town-1").ended("s-town-1").told("s-town-1").after(1.0);
        story.ready("s-town-1", 1).after(healthy).ended("s-town-1");
        let ends = story.ends();
        let [(_, Some(wait))] = ends.as_slice() else { panic!("{ends:?}") };
        assert!((longest / 2..=longest).contains(wait), "{wait} ms after {healthy} s of health");
    }
}

#[test]
fn a_commanded_child_that_never_registers_is_killed_and_given_up() {
    let mut story = Story::new();
    story.start("town", None, 1);
    assert_eq!(story.next(), Duration::from_secs(10));
    let refusal = story.refusal();
    assert_eq!(refusal.code, Code::SpawnFailed);
    assert!(refusal.message.starts_with("s-town-1 "), "{refusal}");
    assert_eq!(story.signals(), [term("s-town-1")]);
    assert_eq!(story.next(), Duration::from_secs(18));
    assert_eq!(story.signals(), [("s-town-1".to_owned(), Sign::Kill)]);
    story.ended("s-town-1");
    let how = "never registered within 10 s: was ended by signal 9".to_owned();
    assert_eq!(story.ends(), [(how, None)]);
    assert_eq!((story.nursery.used(), story.nursery.next_deadline()), (0, None));
}

#[test]
fn a_child_of_spawn_maps_that_never_registers_is_tried_again() {
    let mut story = Story::new();
    story.stand("town", 1).after(10.0).ended("s-town-1");
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Waiting)]);
    story.next();
    assert_eq!(story.launches(), [("s-town-1".to_owned(), 1, 1)]);
    // Its process cannot even be made.
    story.handle(Event::Ended { server: "s-town-1".parse().unwrap(), how: "no file".into() });
    assert!(matches!(story.ends().as_slice(), [(_, Some(200..=400))]), "{:?}", story.effects);
}

#[test]
fn a_commanded_child_that_had_registered_returns_too() {
    let mut story = Story::new();
    story.start("town", None, 1).ready("s-town-1", 1).ended("s-town-1");
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Waiting)]);
}

#[test]
fn a_child_that_ends_before_it_has_registered_answers_at_once() {
    let mut story = Story::new();
    let refusal = story.start("town", None, 1).ended("s-town-1").refusal();
    assert_eq!(refusal.code, Code::SpawnFailed);
    assert!(refusal.message.contains("signal 9 before it had registered"), "{refusal}");
    assert_eq!(story.nursery.used(), 0);
}

#[test]
fn a_stopped_child_ends_for_good() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1").stop("s-town-1", 5);
    assert_eq!((story.signals(), story.done()), (vec![term("s-town-1")], vec![]));
    story.ended("s-town-1");
    assert_eq!((story.done(), story.nursery.used()), (vec![(5, Ok(()))], 0));
    assert!(matches!(story.ends().as_slice(), [(_, None)]));
    story.stop("s-town-1", 6);
    assert!(matches!(story.done().as_slice(),
        [(6, Err(failure))] if failure.code == Code::ServerUnknown));
}

#[test]
fn a_stop_ends_a_start_and_a_wait_for_the_restart() {
    let mut story = Story::new();
    story.start("town", None, 1).stop("s-town-1", 2);
    assert_eq!(story.refusal().code, Code::SpawnFailed);
    story.with_ready("forest", "s-forest-1").ended("s-forest-1").stop("s-forest-1", 3);
    assert_eq!(story.done(), [(3, Ok(()))]);
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Stopping)]);
}

#[test]
fn a_child_that_cannot_be_killed_does_not_hold_the_answer_back() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1").stop("s-town-1", 5).after(8.0).after(2.0);
    assert!(matches!(story.done().as_slice(),
        [(5, Err(failure))] if failure.code == Code::DeadlinePassed));
}

#[test]
fn a_command_does_not_wait_for_ever_for_a_restart() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1").ended("s-town-1").start("town", Some(1), 9);
    assert_eq!(story.next(), Duration::from_secs(10));
    assert_eq!(story.refusal().code, Code::SpawnFailed);
    assert_eq!(story.launches(), [], "the Cluster was not told of its end yet");
    assert_eq!(story.told("s-town-1").launches().len(), 1);
}

#[test]
fn a_late_registration_is_reported_gone() {
    let mut story = Story::new();
    story.start("town", None, 1).after(10.0).ready("s-town-1", 1).ended("s-town-1");
    assert!(story.effects.iter().any(|effect| matches!(effect, Effect::Leave(_))));
}

#[test]
fn a_drain_stops_the_newest_first_and_one_after_another() {
    let mut story = Story::new();
    for (map, server) in [("town", "s-town-1"), ("forest", "s-forest-1"), ("town", "s-town-2")] {
        story.with_ready(map, server);
    }
    let patience = Duration::from_secs(11);
    assert_eq!(story.handle(Event::Drain { patience }).signals(), [term("s-town-2")]);
    assert_eq!(story.ended("s-town-2").signals(), [term("s-forest-1")]);
    // This one takes its time: after its turn of one second the next is told.
    assert_eq!(story.after(0.9).signals(), []);
    assert_eq!(story.after(0.1).signals(), [term("s-town-1")]);
    story.ended("s-town-1");
    assert!(!story.nursery.is_drained());
    story.ended("s-forest-1");
    assert!(story.nursery.is_drained());
}

#[test]
fn a_drain_answers_who_waits_and_starts_nothing() {
    let mut story = Story::new();
    story.with_ready("forest", "s-forest-1").ended("s-forest-1"); // waits for its restart
    story.start("town", None, 1).handle(Event::Drain { patience: Duration::from_secs(9) });
    assert_eq!(story.refusal().code, Code::Draining);
    assert_eq!(story.start("town", None, 2).refusal().code, Code::Draining);
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Stopping)]);
    story.ended("s-town-1");
    assert!(story.nursery.is_drained());
    assert_eq!(story.after(60.0).launches(), []);
}

#[test]
fn a_short_drain_kills_in_its_own_time() {
    let mut story = Story::new();
    story.with_ready("forest", "s-forest-1").with_ready("town", "s-town-1");
    story.stop("s-town-1", 1).handle(Event::Drain { patience: Duration::from_secs(3) });
    assert_eq!(story.signals(), [term("s-forest-1")]);
    story.after(3.0);
    assert_eq!(story.signals().len(), 2, "{:?}", story.effects);
}

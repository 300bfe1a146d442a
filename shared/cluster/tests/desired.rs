//! What is meant to run is compared with what lives, and what is missing or too much is seen to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::time::Duration;

use cluster::{Answer, Asked, Caller, Cluster, Effect, Event, Job, TICK};
use protocol::{
    Channel, CharacterId, Code, ConnectionKey, Failure, Incarnation, ServerId, SpawnerId,
    backbone::{
        desired::DesiredState,
        maps::{LeaveMap, MapBeat, MapServer, Route},
        operations::{AbortDrain, ClusterStatus, Drain, Draining, Enqueue, Placed, Target},
        spawners::{
            ChildState, MapSpawned, Pending, Pinned, SpawnMap, Spawner, SpawnerBeat, StartChild,
            StopChild,
        },
    },
};

/// A Cluster whose spawners do at once what they are told.
struct Bench {
    cluster: Cluster,
    now: Duration,
    spawners: Vec<Spawner>,
    maps: Vec<(MapServer, u32)>,
    callers: u64,
    /// Starts fail.
    fails: bool,
    started: Vec<(SpawnerId, StartChild)>,
    stopped: Vec<ServerId>,
    drained: Vec<(ServerId, Option<u64>)>,
    /// What is written down for the next leader.
    kept: Vec<Drain>,
    epoch: u64,
}

impl Bench {
    fn new(desired: &str) -> Self {
        let desired = DesiredState { revision: 1, desired: serde_json::from_str(desired).unwrap() };
        cluster::desired::check(&desired.desired).unwrap();
        Self {
            cluster: Cluster::new(Incarnation::new(), 1, desired, Vec::new()),
            now: Duration::ZERO,
            spawners: Vec::new(),
            maps: Vec::new(),
            callers: 0,
            fails: false,
            started: Vec::new(),
            stopped: Vec::new(),
            drained: Vec::new(),
            kept: Vec::new(),
            epoch: 1,
        }
    }

    /// Another Central leads, with what is written down.
    fn next_leader(&mut self, desired: DesiredState) {
        self.epoch += 1;
        let drains = self.kept.clone();
        self.cluster = Cluster::new(Incarnation::new(), self.epoch, desired, drains);
        self.now = Duration::ZERO;
    }

    fn spawner(&mut self, id: &str, slots: u32) -> &mut Spawner {
        let maps = ["town", "forest", "crypt"].map(|map| map.parse().unwrap()).to_vec();
        let (address, life) = ("127.0.0.1".to_owned(), Incarnation::new());
        self.spawners.push(Spawner::new(id.parse().unwrap(), life, address, maps, slots));
        self.spawners.last_mut().unwrap()
    }

    fn ask(&mut self, asked: Asked) -> Result<Answer, Failure> {
        self.callers += 1;
        let caller = Caller(self.callers);
        let mut effects = self.cluster.handle(Event::Asked(caller, asked), self.now);
        let mut answer = None;
        while !effects.is_empty() {
            let mut events = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Answer(to, said) if to == caller => answer = Some(said),
                    effect => events.extend(self.carry_out(effect)),
                }
            }
            effects = Vec::new();
            for event in events {
                effects.extend(self.cluster.handle(event, self.now));
            }
        }
        answer.expect("an answer")
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Start(job, spawner, child) => Some(self.start(job, spawner, child)),
            Effect::Stop(job, _, StopChild { server, epoch }) => {
                assert_eq!(epoch, Some(self.epoch));
                let place = self.maps.iter().position(|(map, _)| map.server == server);
                let (map, _) = self.maps.remove(place.expect("it lives"));
                let leave = LeaveMap { life: map.life(), reason: "told to stop".to_owned() };
                self.ask(Asked::LeaveMap(leave)).unwrap();
                self.stopped.push(server);
                Some(Event::Stopped(job, Ok(())))
            }
            Effect::Drain(job, server, drain) => {
                self.drained.push((server, drain.countdown_ms));
                Some(Event::DrainHeard(job, Ok(())))
            }
            Effect::Keep(job, drains) => {
                self.kept = drains;
                Some(Event::Kept(job, Ok(())))
            }
            Effect::Tell(_) | Effect::Answer(..) | Effect::EndHung(..) => None,
        }
    }

    fn start(&mut self, job: Job, spawner: SpawnerId, child: StartChild) -> Event {
        self.started.push((spawner.clone(), child.clone()));
        if self.fails {
            return Event::Started(job, Err(Failure::new(Code::SpawnFailed, "it did not work")));
        }
        let number = self.started.len();
        let map = MapServer {
            server: format!("{spawner}-{}-{number}", child.map).parse().unwrap(),
            incarnation: Incarnation::new(),
            map: child.map.clone(),
            channel: child.channel.unwrap(),
            address: "127.0.0.1".to_owned(),
            port: u16::try_from(number).unwrap(),
            connection_key: ConnectionKey::from_bytes([0; 32]),
            population: 0,
            capacity: child.capacity.unwrap_or(10),
            spawner: Some(spawner.clone()),
            version: String::new(),
            claimed: false,
        };
        let spawned = MapSpawned {
            life: map.life(),
            spawner,
            map: map.map.clone(),
            channel: map.channel,
            port: map.port,
        };
        self.register(map);
        Event::Started(job, Ok(spawned))
    }

    fn register(&mut self, map: MapServer) {
        self.maps.push((map.clone(), 0));
        self.callers += 1;
        let event = Event::Asked(Caller(self.callers), Asked::RegisterMap(map));
        self.cluster.handle(event, self.now);
    }

    /// Time passes; everybody beats.
    fn wait(&mut self, by: Duration) {
        let until = self.now + by;
        while self.now < until {
            if self.now.subsec_millis() == 0 {
                self.beats();
            }
            self.now += TICK;
            let mut effects = self.cluster.handle(Event::Tick, self.now);
            while !effects.is_empty() {
                let events: Vec<Event> =
                    effects.into_iter().filter_map(|effect| self.carry_out(effect)).collect();
                effects = Vec::new();
                for event in events {
                    effects.extend(self.cluster.handle(event, self.now));
                }
            }
        }
    }

    fn beats(&mut self) {
        for spawner in self.spawners.clone() {
            let used =
                self.maps.iter().filter(|(map, _)| map.spawner.as_ref() == Some(&spawner.spawner));
            let beat = SpawnerBeat {
                spawner: spawner.spawner.clone(),
                incarnation: spawner.incarnation,
                used: u32::try_from(used.count()).unwrap(),
                machine: spawner.machine,
                pending: spawner.pending.clone(),
            };
            let heard = self.ask(Asked::SpawnerBeat(beat));
            if matches!(heard, Ok(Answer::BeatHeard(heard)) if !heard.known) {
                self.ask(Asked::RegisterSpawner(spawner)).unwrap();
            }
        }
        for (map, players) in self.maps.clone() {
            self.ask(Asked::MapBeat(MapBeat {
                life: map.life(),
                population: players,
                load: 0.0,
                taken: players,
                claimed: map.claimed,
            }))
            .unwrap();
        }
    }

    fn players(&mut self, server: &ServerId, count: u32) {
        let found = self.maps.iter_mut().find(|(map, _)| map.server == *server);
        found.expect("a Map Server").1 = count;
    }

    fn of(&self, map: &str) -> Vec<ServerId> {
        let of_map = self.maps.iter().filter(|(server, _)| server.map.as_str() == map);
        of_map.map(|(server, _)| server.server.clone()).collect()
    }

    fn channels(&self, map: &str) -> Vec<u16> {
        let of_map = self.maps.iter().filter(|(server, _)| server.map.as_str() == map);
        let mut channels: Vec<u16> = of_map.map(|(server, _)| server.channel.0).collect();
        channels.sort_unstable();
        channels
    }

    fn route(&mut self, map: &str) -> Result<u16, Failure> {
        self.route_to(Route::to(map.parse().unwrap()))
    }

    fn route_to(&mut self, route: Route) -> Result<u16, Failure> {
        match self.ask(Asked::Route(route))? {
            Answer::Routed(routed) => Ok(routed.server.channel.0),
            other => panic!("{other:?}"),
        }
    }

    fn enqueue(&mut self, character: CharacterId) -> Placed {
        let ask = Enqueue { character, map: "town".parse().unwrap(), channel: None, beside: None };
        match self.ask(Asked::Enqueue(ask)).unwrap() {
            Answer::Placed(placed) => placed,
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self) -> ClusterStatus {
        match self.ask(Asked::Status).unwrap() {
            Answer::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    fn drain(&mut self, target: Target, countdown_s: u32) -> Vec<ServerId> {
        let drain = Drain { target, countdown_s, reason: "an update".to_owned() };
        match self.ask(Asked::Drain(drain)).unwrap() {
            Answer::Draining(Draining { servers }) => servers,
            other => panic!("{other:?}"),
        }
    }

    fn instance(&mut self) -> Result<MapSpawned, Failure> {
        let map = "crypt".parse().unwrap();
        let spawn = SpawnMap { map, channel: None, instance: true };
        match self.ask(Asked::Spawn(spawn, SECOND))? {
            Answer::MapSpawned(spawned) => Ok(spawned),
            other => panic!("{other:?}"),
        }
    }

    fn claim(&mut self, server: &ServerId) {
        self.maps.iter_mut().find(|(map, _)| map.server == *server).unwrap().0.claimed = true;
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Two towns at least, five at most, ten players each, eight of them before the next one is filled.
const TOWNS: &str = r#"{"maps":{"town":
    {"min_channels":2,"max_channels":5,"soft_cap":8,"hard_cap":10,"idle_s":5}}}"#;

#[test]
fn what_is_missing_is_started_as_it_is_meant_to_be() {
    let mut bench = Bench::new(TOWNS);
    bench.wait(5 * SECOND);
    assert!(bench.started.is_empty(), "there is no spawner");
    let trouble = bench.status().maps.remove(0).trouble;
    assert!(trouble.is_some_and(|why| why.contains("no spawner is up")));

    bench.spawner("s", 8);
    bench.wait(5 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2]);
    let child = &bench.started[0].1;
    assert_eq!((child.capacity, child.cost, child.epoch), (Some(10), Some(1), Some(1)));
    assert_eq!(child.restart.unwrap().crashes_a_minute, 5);
    let status = bench.status().maps.remove(0);
    assert_eq!((status.wanted, status.ready, status.trouble), (2, 2, None));
}

#[test]
fn one_that_its_spawner_starts_again_or_holds_is_not_replaced() {
    for (state, count) in [
        (ChildState::Waiting, 1),
        (ChildState::Starting, 1),
        (ChildState::Held, 1),
        (ChildState::Stopping, 2),
    ] {
        let mut bench = Bench::new(r#"{"maps":{"town":{}}}"#);
        bench.spawner("s", 8);
        bench.wait(3 * SECOND);
        let (map, _) = bench.maps.remove(0);
        let pending = Pending {
            spawner: "s".parse().unwrap(),
            server: map.server.clone(),
            map: map.map.clone(),
            channel: map.channel,
            state,
        };
        bench.spawners[0].pending = vec![pending];
        bench.wait(10 * SECOND);
        assert_eq!(bench.started.len(), count, "{state:?}");
    }
}

#[test]
fn one_that_is_lost_right_after_its_start_is_waited_for_as_long_as_any_other() {
    let mut bench = Bench::new(r#"{"maps":{"town":{}}}"#);
    bench.spawner("s", 8);
    while bench.started.is_empty() {
        bench.wait(TICK);
    }
    let (map, _) = bench.maps.remove(0);
    let reason = "it crashed".to_owned();
    bench.ask(Asked::LeaveMap(LeaveMap { life: map.life(), reason })).unwrap();
    bench.wait(SECOND);
    assert_eq!(bench.started.len(), 1, "its spawner may be about to start it again");
    bench.wait(SECOND);
    assert_eq!(bench.started.len(), 2);
}

#[test]
fn a_start_that_fails_is_tried_again_ever_more_slowly() {
    let mut bench = Bench::new(r#"{"maps":{"town":{}}}"#);
    bench.spawner("s", 8);
    bench.fails = true;
    bench.wait(70 * SECOND);
    // After 2, 4, 8, 16 and 30 s.
    assert_eq!(bench.started.len(), 6);
    let trouble = bench.status().maps.remove(0).trouble;
    assert_eq!(trouble.as_deref(), Some("it did not work"));
    bench.fails = false;
    bench.wait(32 * SECOND);
    assert_eq!(bench.channels("town"), [1]);
}

#[test]
fn players_fill_one_channel_after_the_other_and_a_new_one_comes_before_all_are_full() {
    let mut bench = Bench::new(TOWNS);
    bench.spawner("s", 8);
    bench.wait(4 * SECOND);
    let sent: Vec<u16> = (0..9).map(|_| bench.route("town").unwrap()).collect();
    assert_eq!(sent, [1, 1, 1, 1, 1, 1, 1, 1, 2]);

    let towns = bench.of("town");
    bench.players(&towns[0], 8);
    bench.players(&towns[1], 5);
    bench.wait(2 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2], "one is not near its soft cap");
    bench.players(&towns[1], 7);
    bench.wait(2 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2, 3]);
    bench.wait(3 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2, 3], "one at a time is enough");
    // Under its soft cap the fullest, and not the empty one.
    assert_eq!(bench.route("town").unwrap(), 2);
}

#[test]
fn an_extra_channel_that_stays_empty_is_stopped_but_not_one_that_is_pinned() {
    let mut bench = Bench::new(TOWNS);
    bench.spawner("s", 8);
    bench.wait(4 * SECOND);
    for town in bench.of("town") {
        bench.players(&town, 8);
    }
    bench.wait(2 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2, 3]);
    for town in bench.of("town") {
        bench.players(&town, 0);
    }
    bench.wait(4 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2, 3], "not before its time");
    bench.wait(5 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2], "the newest has gone");

    let mut bench = Bench::new(r#"{"maps":{"town":{"max_channels":5,"idle_s":1}}}"#);
    bench.spawner("s", 8).pinned = vec![Pinned { map: "town".parse().unwrap(), channels: 3 }];
    bench.wait(SECOND);
    for _ in 0..3 {
        let map = "town".parse().unwrap();
        bench.ask(Asked::Spawn(SpawnMap { map, channel: None, instance: false }, SECOND)).unwrap();
    }
    bench.wait(10 * SECOND);
    assert_eq!(bench.channels("town"), [1, 2, 3]);
}

#[test]
fn who_comes_while_an_idle_channel_is_let_go_keeps_it() {
    let mut bench = Bench::new(r#"{"maps":{"town":{"max_channels":2,"hard_cap":4,"idle_s":1}}}"#);
    bench.spawner("s", 8);
    bench.wait(3 * SECOND);
    let map = "town".parse().unwrap();
    bench.ask(Asked::Spawn(SpawnMap { map, channel: None, instance: false }, SECOND)).unwrap();
    let mut idle = Vec::new();
    for _ in 0..20 {
        bench.wait(TICK);
        idle = bench.status().draining;
        if !idle.is_empty() {
            break;
        }
    }
    // Somebody who was sent before arrives.
    bench.players(&idle[0], 1);
    bench.wait(10 * SECOND);
    assert!(bench.of("town").contains(&idle[0]), "{:?} stopped", bench.stopped);
    assert_eq!(bench.status().draining, []);
}

#[test]
fn spread_takes_the_emptiest_spawner_and_pack_the_fullest_and_a_busy_machine_comes_last() {
    let of = |bench: &Bench| -> Vec<String> {
        bench.started.iter().map(|(spawner, _)| spawner.to_string()).collect()
    };
    let mut bench = Bench::new(r#"{"maps":{"town":{"min_channels":4,"max_channels":4}}}"#);
    bench.spawner("a", 8);
    bench.spawner("b", 4);
    bench.wait(4 * SECOND);
    assert_eq!(of(&bench), ["a", "b", "a", "a"], "shares of slots count");

    let pack = r#"{"placement":"pack","maps":{"town":{"min_channels":5,"max_channels":5}}}"#;
    let mut bench = Bench::new(pack);
    bench.spawner("a", 8);
    bench.spawner("b", 4);
    bench.wait(4 * SECOND);
    assert_eq!(of(&bench), ["a", "a", "a", "a", "a"]);

    let mut bench = Bench::new(r#"{"maps":{"town":{"min_channels":3,"max_channels":3}}}"#);
    bench.spawner("a", 8).machine.cpu = 95;
    bench.spawner("b", 2);
    bench.wait(4 * SECOND);
    assert_eq!(of(&bench), ["b", "b", "a"], "busy only as long as others have room");
}

#[test]
fn only_a_spawner_with_the_labels_and_the_slots_is_taken() {
    let mut bench = Bench::new(
        r#"{"maps":{"town":{"min_channels":2,"max_channels":2,
            "start":{"labels":["big"],"cost":3}}}}"#,
    );
    bench.spawner("plain", 100);
    bench.spawner("big", 5).labels = vec!["big".parse().unwrap()];
    bench.wait(5 * SECOND);
    assert_eq!(bench.started.len(), 1, "{:?}", bench.started);
    assert_eq!(bench.started[0].0.as_str(), "big");
    let trouble = bench.status().maps.remove(0).trouble.unwrap();
    assert!(trouble.contains("has the labels big"), "{trouble}");
}

#[test]
fn a_party_gets_a_spare_at_once_and_the_next_one_is_made_ready() {
    let mut bench = Bench::new(r#"{"instances":{"crypt":{"spares":1,"max":2,"idle_s":5}}}"#);
    bench.spawner("s", 8);
    bench.wait(4 * SECOND);
    let spare = bench.of("crypt");
    assert_eq!(spare.len(), 1);
    let first = bench.instance().unwrap().life.server;
    assert_eq!((&first, bench.started.len()), (&spare[0], 1));
    bench.claim(&first);
    bench.wait(3 * SECOND);
    assert_eq!(bench.started.len(), 2, "the next spare");
    let second = bench.instance().unwrap().life.server;
    assert_ne!(first, second);
    bench.wait(3 * SECOND);
    assert_eq!(bench.started.len(), 2, "no more than two");
    let refused = bench.instance().unwrap_err();
    assert_eq!(refused.code, Code::MapFull, "{refused}");

    // The second party never came: after its time it is a spare again, and stays as the one.
    bench.wait(40 * SECOND);
    assert!(bench.stopped.is_empty(), "{:?}", bench.stopped);
    assert_eq!(bench.instance().unwrap().life.server, second);
}

#[test]
fn an_instance_of_an_undesired_map_that_nobody_came_to_is_stopped() {
    let mut bench = Bench::new("{}");
    bench.spawner("s", 8);
    bench.wait(SECOND);
    let kept = bench.instance().unwrap().life.server;
    let lost = bench.instance().unwrap().life.server;
    bench.claim(&kept);
    bench.wait(40 * SECOND);
    assert_eq!(bench.stopped, [lost]);
}

#[test]
fn when_all_is_full_players_wait_in_line() {
    let mut bench = Bench::new(r#"{"maps":{"town":{"hard_cap":2,"soft_cap":2}}}"#);
    let [ada, bob, cyd] = [(); 3].map(|()| CharacterId::new());
    assert_eq!(bench.enqueue(ada), Placed::Wait { position: 1, of: 1 }, "it is meant to run");
    bench.spawner("s", 8);
    for _ in 0..4 {
        bench.wait(SECOND);
        if let Placed::Go(_) = bench.enqueue(ada) {
            break;
        }
    }
    let town = bench.of("town").remove(0);
    bench.players(&town, 2);
    bench.wait(2 * SECOND);
    assert_eq!(bench.enqueue(bob), Placed::Wait { position: 1, of: 1 });
    assert_eq!(bench.enqueue(cyd), Placed::Wait { position: 2, of: 2 });
    assert_eq!(bench.status().maps[0].queued, 2);
    bench.players(&town, 1);
    bench.wait(SECOND);
    assert_eq!(bench.enqueue(cyd), Placed::Wait { position: 2, of: 2 }, "not before his turn");
    assert!(matches!(bench.enqueue(bob), Placed::Go(server) if server.server == town));
    assert_eq!(bench.enqueue(cyd), Placed::Wait { position: 1, of: 1 }, "the place is Bob's");
}

#[test]
fn a_drained_server_is_replaced_first_told_then_stopped() {
    let mut bench = Bench::new(r#"{"maps":{"town":{"hard_cap":9}}}"#);
    bench.spawner("s", 8);
    bench.wait(4 * SECOND);
    let old = bench.of("town").remove(0);
    bench.players(&old, 3);
    bench.wait(SECOND);
    assert_eq!(bench.drain(Target::Server(old.clone()), 10).len(), 1);
    bench.wait(3 * SECOND);
    assert!(matches!(&bench.drained[..], [(id, Some(9_000..=10_000))] if *id == old));
    assert_eq!(bench.of("town").len(), 2, "another one is up before the old one goes");
    assert_eq!(bench.route("town").unwrap(), 2, "nobody new comes to it");
    assert!(bench.stopped.is_empty());
    bench.wait(6 * SECOND);
    assert!(bench.stopped.is_empty(), "the countdown still runs");
    // They have gone to the other channel.
    bench.players(&old, 0);
    bench.wait(3 * SECOND);
    assert_eq!(bench.stopped, [old]);
    assert_eq!(bench.channels("town"), [2]);
}

#[test]
fn players_that_cannot_be_moved_hold_up_a_drain_for_a_while_only() {
    let mut bench = Bench::new(r#"{"maps":{"town":{}}}"#);
    bench.spawner("s", 8);
    bench.wait(4 * SECOND);
    let old = bench.of("town").remove(0);
    bench.players(&old, 3);
    bench.wait(SECOND);
    bench.drain(Target::Map("town".parse().unwrap()), 1);
    bench.wait(9 * SECOND);
    assert!(bench.stopped.is_empty());
    bench.wait(4 * SECOND);
    assert_eq!(bench.stopped, [old]);
    // The whole map is being emptied: nothing takes its place.
    bench.wait(10 * SECOND);
    assert_eq!(bench.of("town").len(), 0);
    assert_eq!(bench.route("town").unwrap_err().code, Code::NoServer);
}

#[test]
fn a_drain_that_is_taken_back_lets_all_go_on() {
    let mut bench = Bench::new(r#"{"maps":{"town":{}}}"#);
    bench.spawner("s", 8);
    bench.wait(4 * SECOND);
    let town = bench.of("town").remove(0);
    bench.players(&town, 3);
    bench.wait(SECOND);
    bench.drain(Target::All, 10);
    bench.wait(2 * SECOND);
    assert_eq!(bench.route("town").unwrap_err().code, Code::Draining);
    let abort = AbortDrain { target: Target::All };
    let aborted = bench.ask(Asked::AbortDrain(abort.clone())).unwrap();
    assert_eq!(aborted, Answer::Draining(Draining { servers: vec![town.clone()] }));
    bench.wait(20 * SECOND);
    assert_eq!(bench.drained.last(), Some(&(town, None)), "it is told so");
    assert_eq!((bench.stopped.len(), bench.route("town").unwrap()), (0, 1));
    assert_eq!(bench.ask(Asked::AbortDrain(abort)).unwrap_err().code, Code::ServerUnknown);
}

#[test]
fn a_drained_spawner_gives_its_maps_to_the_others() {
    let mut bench = Bench::new(r#"{"maps":{"town":{"min_channels":4,"max_channels":4}}}"#);
    bench.spawner("old", 8);
    bench.wait(4 * SECOND);
    assert_eq!(bench.of("town").len(), 4);
    bench.spawner("new", 8);
    bench.wait(2 * SECOND);
    bench.drain(Target::Spawner("old".parse().unwrap()), 0);
    bench.wait(8 * SECOND);
    assert_eq!(bench.stopped.len(), 4);
    assert!(bench.of("town").iter().all(|town| town.as_str().starts_with("new-")));
    assert_eq!(bench.of("town").len(), 4);
}

#[test]
fn a_new_spawner_gets_its_share_of_the_empty_maps_when_asked_to() {
    let mut bench = Bench::new(r#"{"maps":{"town":{"min_channels":6,"max_channels":6}}}"#);
    bench.spawner("old", 8);
    bench.wait(4 * SECOND);
    let busy = bench.of("town").remove(0);
    bench.players(&busy, 1);
    bench.spawner("new", 8);
    bench.wait(3 * SECOND);
    assert_eq!(bench.stopped.len(), 0, "not unless it is asked for");
    let Answer::Draining(moved) = bench.ask(Asked::Rebalance).unwrap() else { panic!() };
    assert_eq!(moved.servers.len(), 3);
    bench.wait(8 * SECOND);
    let on =
        |id: &str| bench.of("town").iter().filter(|town| town.as_str().starts_with(id)).count();
    assert_eq!((on("old"), on("new")), (3, 3));
    assert!(bench.of("town").contains(&busy));
    let Answer::Draining(moved) = bench.ask(Asked::Rebalance).unwrap() else { panic!() };
    assert_eq!(moved.servers.len(), 0, "it is balanced");
}

#[test]
fn several_new_spawners_get_their_share_each_and_asking_twice_moves_nothing_more() {
    let mut bench = Bench::new(r#"{"maps":{"town":{"min_channels":6,"max_channels":6}}}"#);
    bench.spawner("old", 8);
    bench.wait(4 * SECOND);
    bench.spawner("new-a", 8);
    bench.spawner("new-b", 8);
    bench.wait(3 * SECOND);
    let Answer::Draining(moved) = bench.ask(Asked::Rebalance).unwrap() else { panic!() };
    assert_eq!(moved.servers.len(), 4);
    // Some leave still, some are missing, some are just starting.
    for _ in 0..80 {
        let Answer::Draining(moved) = bench.ask(Asked::Rebalance).unwrap() else { panic!() };
        assert_eq!(moved.servers, []);
        bench.wait(SECOND / 10);
    }
    let on =
        |id: &str| bench.of("town").iter().filter(|town| town.as_str().starts_with(id)).count();
    assert_eq!((on("old"), on("new-a"), on("new-b")), (2, 2, 2));
}

#[test]
fn a_later_leader_listens_before_it_starts_anything() {
    let mut bench = Bench::new(r#"{"maps":{"town":{}}}"#);
    let desired = DesiredState {
        revision: 1,
        desired: serde_json::from_str(r#"{"maps":{"town":{}}}"#).unwrap(),
    };
    bench.next_leader(desired);
    bench.spawner("s", 8);
    bench.wait(3 * SECOND);
    assert!(bench.started.is_empty());
    assert!(!bench.status().settled);
    // It was cut off longer than others, and is heard just in time.
    let channel = Channel(4);
    let map = MapServer {
        server: "s-town-9".parse().unwrap(),
        incarnation: Incarnation::new(),
        map: "town".parse().unwrap(),
        channel,
        address: "127.0.0.1".to_owned(),
        port: 9,
        connection_key: ConnectionKey::from_bytes([0; 32]),
        population: 0,
        capacity: 10,
        spawner: Some("s".parse().unwrap()),
        version: String::new(),
        claimed: false,
    };
    bench.register(map);
    bench.wait(10 * SECOND);
    assert!(bench.started.is_empty(), "{:?}", bench.started);
    assert!(bench.status().settled);
}

/// Two towns, so many players on each; gives their ids.
fn towns_with(players: [u32; 2]) -> (Bench, [ServerId; 2]) {
    let mut bench = Bench::new(
        r#"{"maps":{"town":{"min_channels":2,"max_channels":2,"soft_cap":8,"hard_cap":10}}}"#,
    );
    bench.spawner("s", 8);
    bench.wait(2 * SECOND);
    let towns: [ServerId; 2] = bench.of("town").try_into().unwrap();
    for (town, count) in towns.iter().zip(players) {
        bench.players(town, count);
    }
    bench.wait(2 * SECOND);
    (bench, towns)
}

fn party(count: u32) -> Route {
    Route { party: count, ..Route::to("town".parse().unwrap()) }
}

#[test]
fn a_party_goes_where_there_is_room_for_all_of_it() {
    let (mut bench, _) = towns_with([6, 3]);
    // The fullest has room for one, but not for three without going over its soft cap.
    assert_eq!(bench.route_to(party(3)), Ok(2));
    // They count there until they have come: the next three find both nearly as full.
    assert_eq!(bench.route_to(party(3)), Ok(1));
    // Nowhere is room for all: each goes for itself.
    assert_eq!(bench.route_to(party(5)), Ok(2));
}

#[test]
fn who_wants_to_be_with_somebody_gets_there_while_there_is_room() {
    let (mut bench, [first, second]) = towns_with([4, 8]);
    let beside = |server: &ServerId| Route { beside: Some(server.clone()), ..party(1) };
    assert_eq!(bench.route("town"), Ok(1), "the second is as full as maps are filled up to");
    assert_eq!(bench.route_to(beside(&second)), Ok(2));
    assert_eq!(bench.route_to(beside(&second)), Ok(2));
    assert_eq!(bench.route_to(beside(&second)), Ok(1), "now it has its ten");
    assert_eq!(bench.route_to(beside(&first)), Ok(1));
    let gone = "gone".parse().unwrap();
    assert_eq!(bench.route_to(beside(&gone)), Ok(1));
    let character = CharacterId::new();
    let (map, channel) = ("town".parse().unwrap(), None);
    bench.wait(2 * SECOND);
    let ask = Enqueue { character, map, channel, beside: Some(second.clone()) };
    let placed = bench.ask(Asked::Enqueue(ask)).unwrap();
    assert!(
        matches!(&placed, Answer::Placed(Placed::Go(server)) if server.server == second),
        "{placed:?}"
    );
}

#[test]
fn a_drain_outlives_the_leader_that_ordered_it() {
    let desired = r#"{"maps":{"town":{"min_channels":2,"max_channels":2}}}"#;
    let mut bench = Bench::new(desired);
    bench.spawner("old", 8);
    bench.wait(2 * SECOND);
    bench.spawner("new", 8);
    let towns = bench.of("town");
    bench.players(&towns[0], 3);
    bench.players(&towns[1], 3);
    bench.wait(2 * SECOND);
    let old = || Target::Spawner("old".parse().unwrap());
    assert_eq!(bench.drain(old(), 30).len(), 2);
    assert_eq!(bench.kept.len(), 1);
    assert_eq!((&bench.kept[0].target, bench.kept[0].countdown_s), (&old(), 30));

    bench.drained.clear();
    let state = DesiredState { revision: 1, desired: serde_json::from_str(desired).unwrap() };
    bench.next_leader(state);
    bench.wait(SECOND);
    assert_eq!(bench.kept.len(), 1, "a spawner that was not heard yet may still come");
    for map in bench.maps.clone() {
        bench.callers += 1;
        let event = Event::Asked(Caller(bench.callers), Asked::RegisterMap(map.0));
        bench.cluster.handle(event, bench.now);
    }
    bench.wait(10 * SECOND);
    let told: Vec<&ServerId> = bench.drained.iter().map(|(server, _)| server).collect();
    assert_eq!(told, [&towns[0], &towns[1]]);
    assert!(bench.drained.iter().all(|(_, left)| left.is_some_and(|ms| ms < 30_000)));
    assert_eq!(bench.status().draining, towns);
    // Taken back, it is so for good.
    bench.ask(Asked::AbortDrain(AbortDrain { target: old() })).unwrap();
    assert_eq!(bench.kept, []);
    assert_eq!(bench.status().draining, []);
}

#[test]
fn a_drain_whose_target_is_gone_is_written_down_no_more() {
    let mut bench = Bench::new(r#"{"maps":{"town":{}}}"#);
    bench.spawner("s", 8);
    bench.wait(2 * SECOND);
    let town = bench.of("town").remove(0);
    bench.drain(Target::Server(town.clone()), 0);
    assert_eq!(bench.kept.len(), 1);
    bench.wait(5 * SECOND);
    assert_eq!(bench.stopped, [town]);
    assert_eq!(bench.kept, []);
}

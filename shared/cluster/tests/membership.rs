//! What a Cluster says as servers come, beat, fall silent and return.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use std::time::Duration;

use cluster::{Answer, Asked, Caller, Cluster, Effect, Event, Fate, News};
use protocol::{
    Channel, Code, ConnectionKey, Failure, Incarnation,
    backbone::{
        maps::{LeaveMap, MapBeat, MapServer, Route},
        spawners::{Machine, MapSpawned, SpawnMap, Spawner, SpawnerBeat},
    },
};

fn map_server(id: &str, port: u16) -> MapServer {
    MapServer {
        server: id.parse().unwrap(),
        incarnation: Incarnation::new(),
        map: "town".parse().unwrap(),
        channel: Channel::FIRST,
        address: "127.0.0.1".to_owned(),
        port,
        connection_key: ConnectionKey::from_bytes([port as u8; 32]),
        population: 0,
        capacity: 2,
        spawner: None,
        version: "0".to_owned(),
        claimed: false,
    }
}

fn spawner(id: &str, slots: u32) -> Spawner {
    Spawner::new(
        id.parse().unwrap(),
        Incarnation::new(),
        "127.0.0.1".to_owned(),
        vec!["town".parse().unwrap()],
        slots,
    )
}

/// A Cluster with a clock that the test moves.
struct Bench {
    cluster: Cluster,
    now: Duration,
    callers: u64,
}

impl Bench {
    fn new() -> Self {
        Self {
            cluster: Cluster::new(Incarnation::new(), 1, Default::default(), Vec::new()),
            now: Duration::ZERO,
            callers: 0,
        }
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.cluster.handle(event, self.now)
    }

    /// Asks, and returns the one answer and the news.
    fn ask(&mut self, asked: Asked) -> (Result<Answer, Failure>, Vec<News>) {
        self.callers += 1;
        let (mut answers, mut news) = (Vec::new(), Vec::new());
        for effect in self.handle(Event::Asked(Caller(self.callers), asked)) {
            match effect {
                Effect::Answer(_, answer) => answers.push(answer),
                Effect::Tell(told) => news.push(told),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        (answers.remove(0), news)
    }

    /// Asks what is sure to be granted.
    fn must(&mut self, asked: Asked) -> Answer {
        self.ask(asked).0.unwrap()
    }

    fn wait(&mut self, by: Duration) -> Vec<News> {
        let until = self.now + by;
        let mut told = Vec::new();
        while self.now < until {
            self.now = (self.now + cluster::TICK).min(until);
            told.extend(self.handle(Event::Tick).into_iter().filter_map(|effect| match effect {
                Effect::Tell(news) => Some(news),
                _ => None,
            }));
        }
        told
    }

    fn beat(&mut self, server: &MapServer, population: u32) -> (bool, Vec<News>) {
        let beat = MapBeat { life: server.life(), population, load: 0.0, taken: 0, claimed: false };
        match self.ask(Asked::MapBeat(beat)) {
            (Ok(Answer::BeatHeard(heard)), news) => (heard.known, news),
            other => panic!("{other:?}"),
        }
    }

    fn register(&mut self, server: &MapServer) -> (Result<Answer, Failure>, Vec<News>) {
        self.ask(Asked::RegisterMap(server.clone()))
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_newcomer_gets_all_peers_and_all_peers_hear_of_it() {
    let mut bench = Bench::new();
    let (first, second) = (map_server("a", 1), map_server("b", 2));
    bench.must(Asked::RegisterMap(first.clone()));
    let (answer, news) = bench.register(&second);
    let Ok(Answer::MapRegistered(registered)) = answer else { panic!("{answer:?}") };
    assert_eq!(registered.peers, [first]);
    assert_eq!(registered.channel, Channel(2), "channel 1 is the first one's");
    assert_eq!(registered.view.sequence, 2);
    assert!(matches!(&news[..], [News::MapUp(up)] if up.server.server == second.server));
}

#[test]
fn three_missed_beats_remove_a_server_and_a_beat_in_time_keeps_it() {
    let mut bench = Bench::new();
    let (kept, lost) = (map_server("kept", 1), map_server("lost", 2));
    bench.must(Asked::RegisterMap(kept.clone()));
    bench.must(Asked::RegisterMap(lost.clone()));
    let mut news = Vec::new();
    for _ in 0..4 {
        news.extend(bench.wait(SECOND));
        assert!(bench.beat(&kept, 0).0);
    }
    assert!(matches!(&news[..], [News::MapDown(down)] if down.life == lost.life()), "{news:?}");
    let (known, _) = bench.beat(&lost, 0);
    assert!(!known, "a beat of a removed server must ask it to register again");
    assert!(bench.register(&lost).0.is_ok());
}

#[test]
fn a_silent_server_is_not_routed_to_even_before_it_is_removed() {
    let mut bench = Bench::new();
    bench.must(Asked::RegisterMap(map_server("a", 1)));
    let route = || Asked::Route(Route::to("town".parse().unwrap()));
    assert!(bench.ask(route()).0.is_ok());
    bench.wait(cluster::SUSPECT);
    assert_eq!(bench.ask(route()).0.unwrap_err().code, Code::NoServer);
}

#[test]
fn a_second_server_with_a_live_id_is_refused_by_name_of_the_first() {
    let mut bench = Bench::new();
    bench.must(Asked::RegisterMap(map_server("town-1", 7001)));
    let failure = bench.register(&map_server("town-1", 7002)).0.unwrap_err();
    assert_eq!(failure.code, Code::IdInUse);
    assert!(failure.message.contains("127.0.0.1:7001"), "{failure}");
}

#[test]
fn a_restart_on_the_same_port_takes_over_at_once_and_late_words_of_the_dead_are_ignored() {
    let mut bench = Bench::new();
    let (dead, restarted) = (map_server("town-1", 7001), map_server("town-1", 7001));
    bench.must(Asked::RegisterMap(dead.clone()));
    let (answer, news) = bench.register(&restarted);
    assert!(answer.is_ok());
    assert!(matches!(&news[..], [News::MapDown(_), News::MapUp(_)]), "{news:?}");
    assert!(!bench.beat(&dead, 1).0);
    let late = LeaveMap { life: dead.life(), reason: "late".to_owned() };
    assert_eq!(bench.ask(Asked::LeaveMap(late)), (Ok(Answer::Done), vec![]));
    assert_eq!(bench.register(&dead).0.unwrap_err().code, Code::Fenced);
    assert!(bench.beat(&restarted, 0).0);
}

#[test]
fn population_changes_are_told_once() {
    let mut bench = Bench::new();
    let server = map_server("a", 1);
    bench.must(Asked::RegisterMap(server.clone()));
    assert!(matches!(&bench.beat(&server, 1).1[..], [News::MapChanged(c)] if c.population == 1));
    assert!(bench.beat(&server, 1).1.is_empty());
}

#[test]
fn a_full_map_and_an_unknown_channel_are_told_apart() {
    let mut bench = Bench::new();
    let server = map_server("a", 1);
    bench.must(Asked::RegisterMap(server.clone()));
    bench.beat(&server, 2);
    let mut code = |channel| {
        let route = Route { channel, ..Route::to("town".parse().unwrap()) };
        bench.ask(Asked::Route(route)).0.unwrap_err().code
    };
    assert_eq!(code(None), Code::MapFull);
    assert_eq!(code(Some(Channel(9))), Code::NoServer);
}

#[test]
fn who_was_sent_since_the_last_beat_fills_no_map_since_it_may_have_left_again() {
    let mut bench = Bench::new();
    let server = map_server("a", 1); // with room for two
    bench.must(Asked::RegisterMap(server.clone()));
    bench.beat(&server, 1);
    for _ in 0..5 {
        let route = Route::to("town".parse().unwrap());
        bench.must(Asked::Route(route));
    }
}

#[test]
fn a_spawn_goes_to_the_least_loaded_spawner_and_two_at_once_get_two_channels() {
    let mut bench = Bench::new();
    bench.must(Asked::RegisterSpawner(Spawner { used: 3, ..spawner("busy", 4) }));
    bench.must(Asked::RegisterSpawner(Spawner { used: 3, ..spawner("idle", 8) }));
    let mut spawn = |caller| {
        let wanted = SpawnMap { map: "town".parse().unwrap(), channel: None, instance: false };
        let asked = Asked::Spawn(wanted, 5 * SECOND);
        bench.handle(Event::Asked(Caller(caller), asked))
    };
    let (first, second) = (spawn(101), spawn(102));
    let [Effect::Start(job, to, child)] = &first[..] else { panic!("{first:?}") };
    assert_eq!((to.as_str(), child.channel), ("idle", Some(Channel(1))));
    let [Effect::Start(_, _, child)] = &second[..] else { panic!("{second:?}") };
    assert_eq!(child.channel, Some(Channel(2)));
    let spawned = MapSpawned {
        life: map_server("x", 1).life(),
        spawner: to.clone(),
        map: "town".parse().unwrap(),
        channel: Channel(1),
        port: 1,
    };
    let answered = bench.handle(Event::Started(*job, Ok(spawned)));
    assert!(matches!(&answered[..], [Effect::Answer(Caller(101), Ok(_))]), "{answered:?}");
    // The second spawner never answers: whoever waits is told at the deadline, and only once.
    bench.now += 5 * SECOND;
    let late: Vec<Effect> = bench.handle(Event::Tick);
    let told = late.iter().filter(|effect| matches!(effect, Effect::Answer(Caller(102), Err(_))));
    assert_eq!(told.count(), 1);
}

#[test]
fn characters_that_come_faster_than_beats_are_spread_over_the_channels() {
    let mut bench = Bench::new();
    let servers = [map_server("a", 1), MapServer { channel: Channel(2), ..map_server("b", 2) }];
    for server in &servers {
        bench.must(Asked::RegisterMap(server.clone()));
    }
    let route = |bench: &mut Bench| {
        let route = Route::to("town".parse().unwrap());
        match bench.must(Asked::Route(route)) {
            Answer::Routed(routed) => routed.server.channel.0,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([(); 4].map(|()| route(&mut bench)), [1, 2, 1, 2]);
    // From then on the beat counts them; those that have not come are forgotten.
    bench.beat(&servers[0], 1);
    bench.beat(&servers[1], 0);
    assert_eq!([(); 3].map(|()| route(&mut bench)), [2, 1, 2]);
}

#[test]
fn spawns_that_come_faster_than_beats_are_spread_over_the_spawners() {
    let mut bench = Bench::new();
    for id in ["a", "b"] {
        bench.must(Asked::RegisterSpawner(spawner(id, 3)));
    }
    let mut started = Vec::new();
    for number in 1..=4 {
        let wanted = SpawnMap { map: "town".parse().unwrap(), channel: None, instance: false };
        let asked = Asked::Spawn(wanted, 5 * SECOND);
        let effects = bench.handle(Event::Asked(Caller(100 + number), asked));
        let [Effect::Start(job, to, child)] = &effects[..] else { panic!("{effects:?}") };
        let server = MapServer {
            channel: child.channel.unwrap(),
            spawner: Some(to.clone()),
            ..map_server(&format!("x{number}"), number as u16)
        };
        bench.must(Asked::RegisterMap(server.clone()));
        let spawned = MapSpawned {
            life: server.life(),
            spawner: to.clone(),
            map: server.map,
            channel: server.channel,
            port: server.port,
        };
        bench.handle(Event::Started(*job, Ok(spawned)));
        started.push(to.to_string());
    }
    assert_eq!(started, ["a", "b", "a", "b"]);
}

#[test]
fn a_spawn_for_an_unknown_map_names_the_known_ones() {
    let mut bench = Bench::new();
    bench.must(Asked::RegisterSpawner(spawner("s", 1)));
    let spawn = SpawnMap { map: "moon".parse().unwrap(), channel: None, instance: false };
    let failure = bench.ask(Asked::Spawn(spawn, SECOND)).0.unwrap_err();
    assert_eq!(failure.code, Code::MapUnknown);
    assert!(failure.message.contains("town"), "{failure}");
}

#[test]
fn a_second_spawner_with_a_live_id_is_refused_until_the_first_is_silent() {
    let mut bench = Bench::new();
    let first = spawner("s", 1);
    bench.must(Asked::RegisterSpawner(first.clone()));
    let second = spawner("s", 1);
    let failure = bench.ask(Asked::RegisterSpawner(second.clone())).0.unwrap_err();
    assert_eq!(failure.code, Code::IdInUse);
    bench.now += cluster::SUSPECT;
    assert!(bench.ask(Asked::RegisterSpawner(second)).0.is_ok());
    let beat = SpawnerBeat {
        spawner: first.spawner,
        incarnation: first.incarnation,
        used: 0,
        machine: Machine::default(),
        pending: Vec::new(),
    };
    let (heard, _) = bench.ask(Asked::SpawnerBeat(beat));
    assert!(matches!(heard, Ok(Answer::BeatHeard(heard)) if !heard.known));
}

#[test]
fn a_silent_server_may_come_back_for_a_while_and_one_that_was_seen_to_end_is_gone() {
    let mut bench = Bench::new();
    let (silent, ended) = (map_server("silent", 1), map_server("ended", 2));
    let fate = |bench: &mut Bench, server: &MapServer| match bench.must(Asked::Fate(server.life()))
    {
        Answer::Fate(fate) => fate,
        other => panic!("{other:?}"),
    };
    assert_eq!(fate(&mut bench, &silent), Fate::Unsure, "a young Cluster has not heard everybody");
    bench.now += cluster::LINGER;
    assert_eq!(fate(&mut bench, &silent), Fate::Gone);
    bench.must(Asked::RegisterMap(silent.clone()));
    bench.must(Asked::RegisterMap(ended.clone()));
    let leave = LeaveMap { life: ended.life(), reason: "killed".to_owned() };
    bench.must(Asked::LeaveMap(leave));
    assert_eq!(fate(&mut bench, &silent), Fate::Alive);
    assert_eq!(fate(&mut bench, &ended), Fate::Gone);
    bench.wait(cluster::REMOVED);
    assert_eq!(fate(&mut bench, &silent), Fate::Unsure);
    bench.wait(cluster::LINGER);
    assert_eq!(fate(&mut bench, &silent), Fate::Gone);
}

#[test]
fn nobody_is_removed_for_a_silence_that_an_outage_made() {
    let mut bench = Bench::new();
    let server = map_server("a", 1);
    bench.must(Asked::RegisterMap(server.clone()));
    bench.now += cluster::REMOVED;
    bench.handle(Event::Resumed);
    assert!(bench.wait(SECOND).is_empty());
    assert!(bench.beat(&server, 0).0);
}

#[test]
fn a_long_list_comes_in_pages_that_fit_into_a_message() {
    let mut bench = Bench::new();
    let ids: Vec<String> = (0..2500).map(|number| format!("m-{number:04}")).collect();
    for (id, port) in ids.iter().zip(1..) {
        let server = MapServer { map: id.parse().unwrap(), ..map_server(id, port) };
        let Answer::MapRegistered(registered) = bench.must(Asked::RegisterMap(server)) else {
            panic!()
        };
        assert_eq!(registered.more, port > 1001, "{id}");
    }
    let Answer::Peers(mut list) = bench.must(Asked::Peers(None)) else { panic!() };
    let mut pages = 1;
    while list.more {
        let after = list.maps.last().unwrap().server.clone();
        let Answer::Peers(page) = bench.must(Asked::Peers(Some(after))) else { panic!() };
        assert!(serde_json::to_vec(&page).unwrap().len() < 1 << 20, "NATS's max_payload");
        list.maps.extend(page.maps);
        list.more = page.more;
        pages += 1;
    }
    assert_eq!(pages, 3);
    let found: Vec<&str> = list.maps.iter().map(|map| map.server.as_str()).collect();
    assert_eq!(found, ids);
}

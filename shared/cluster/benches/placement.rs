//! What the Cluster's mind costs with more and more Map Servers: a route, the choice of a spawner,
//! a beat, a tick. Microseconds each.
//!
//! `cargo bench -p waystone-cluster --bench placement [-- --smoke]`

#![allow(clippy::indexing_slicing, reason = "a benchmark's own tables")]

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use bench::{Plan, Series, Table};
use cluster::{Asked, Caller, Cluster, Effect, Event};
use protocol::{
    Channel, Code, ConnectionKey, Failure, Incarnation, MapName, SpawnerId,
    backbone::{
        maps::{MapBeat, MapServer, Route},
        spawners::{SpawnMap, Spawner},
    },
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const FULL: Plan = Plan { rounds: 5, round: Duration::from_millis(100) };
/// Different maps; the rest are channels of them.
const NAMES: usize = 10;
/// Map Servers of one spawner.
const SLOTS: usize = 100;
const SECOND: Duration = Duration::from_secs(1);

fn main() -> Outcome<()> {
    let plan = Plan::or(FULL);
    let counts: &[usize] = if plan == FULL { &[100, 1_000, 10_000] } else { &[100] };
    let mut table = Table::new(["maps", "route µs", "spawn µs", "beat µs", "tick µs"]);
    for count in counts {
        let mut world = World::new(*count)?;
        let mut row = [(); 4].map(|()| Series::default());
        for _ in 0..plan.rounds {
            let [route, spawn, beat, tick] = &mut row;
            route.push(each(plan.round, || world.route()));
            spawn.push(each(plan.round, || world.spawn()));
            beat.push(each(plan.round, || world.beat()));
            tick.push(each(plan.round, || world.tick()));
        }
        let [route, spawn, beat, tick] = row.map(|series| format!("{:.2}", series.median()));
        table.row([count.to_string(), route, spawn, beat, tick]);
    }
    println!("{table}");
    Ok(())
}

/// Microseconds of each call.
fn each(round: Duration, mut call: impl FnMut()) -> f64 {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < round {
        call();
        calls += 1;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// A Cluster with spawners and Map Servers.
struct World {
    cluster: Cluster,
    maps: Vec<MapName>,
    beats: Vec<MapBeat>,
    turn: usize,
}

impl World {
    fn new(count: usize) -> Outcome<Self> {
        let names = (0..NAMES).map(|number| format!("map-{number}").parse());
        let maps = names.collect::<Result<Vec<MapName>, _>>()?;
        let mut world = Self {
            cluster: Cluster::new(Incarnation::new(), 1, Default::default(), Vec::new()),
            maps,
            beats: Vec::new(),
            turn: 0,
        };
        // One spawner more than they need, so that there is room for another map.
        for number in 0..=count.div_ceil(SLOTS) {
            let spawner = Spawner::new(
                format!("spawn-{number}").parse()?,
                Incarnation::new(),
                "127.0.0.1".to_owned(),
                world.maps.clone(),
                u32::try_from(SLOTS)?,
            );
            world.ask(Asked::RegisterSpawner(spawner));
        }
        for number in 0..count {
            let server = world.map_server(number)?;
            let (life, population) = (server.life(), server.population);
            world.beats.push(MapBeat { life, population, load: 0.5, taken: 0, claimed: false });
            world.ask(Asked::RegisterMap(server));
        }
        Ok(world)
    }

    fn map_server(&self, number: usize) -> Outcome<MapServer> {
        let spawner: SpawnerId = format!("spawn-{}", number / SLOTS).parse()?;
        let map = self.maps.get(number % NAMES).ok_or("no such map")?.clone();
        Ok(MapServer {
            server: format!("server-{number}").parse()?,
            incarnation: Incarnation::new(),
            map,
            channel: Channel(u16::try_from(number / NAMES + 1)?),
            address: "127.0.0.1".to_owned(),
            port: u16::try_from(number + 1_024)?,
            connection_key: ConnectionKey::from_bytes([7; 32]),
            population: u32::try_from(number % 100)?,
            capacity: 200,
            spawner: Some(spawner),
            version: "0".to_owned(),
            claimed: false,
        })
    }

    fn ask(&mut self, asked: Asked) -> Vec<Effect> {
        self.cluster.handle(Event::Asked(Caller(1), asked), SECOND)
    }

    /// The next of the maps, in turn.
    fn map(&mut self) -> MapName {
        self.turn += 1;
        let at = self.turn % self.maps.len();
        self.maps[at].clone()
    }

    fn route(&mut self) {
        let route = Route::to(self.map());
        black_box(self.ask(Asked::Route(route)));
    }

    /// A spawn from the command to the spawner's answer.
    fn spawn(&mut self) {
        let spawn = SpawnMap { map: self.map(), channel: None, instance: false };
        for effect in self.ask(Asked::Spawn(spawn, SECOND)) {
            if let Effect::Start(job, ..) = effect {
                let refused = Err(Failure::new(Code::SpawnFailed, "only measured"));
                black_box(self.cluster.handle(Event::Started(job, refused), SECOND));
            }
        }
    }

    fn beat(&mut self) {
        self.turn += 1;
        let beat = self.beats[self.turn % self.beats.len()].clone();
        black_box(self.ask(Asked::MapBeat(beat)));
    }

    fn tick(&mut self) {
        black_box(self.cluster.handle(Event::Tick, SECOND));
    }
}

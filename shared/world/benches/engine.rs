//! The engine without a network: what a tick costs, what it allocates, and its parts.
//!
//! `cargo bench -p waystone-world` measures; `cargo test -p waystone-world --bench engine` runs
//! each once.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark fails by a panic")]

use std::sync::Arc;

use divan::{AllocProfiler, Bencher, black_box, counter::ItemsCount};
use protocol::{EntityId, Position, play::Move, play::PlayMessage, snapshot::Snapshot};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use world::{
    Input, Outlets, Quiet, Stage,
    atlas::{Ground, MapPlan},
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Players for each square tile at which 50 are in sight: 37 cells of 8 by 8 tiles are.
const DENSITY: f32 = 50.0 / (37.0 * 64.0);
/// How far one walks from where it stood at first, in tiles.
const ROAM: f32 = 6.0;
/// Ticks until everybody has seen everybody around.
const SETTLED: u32 = 40;

fn main() {
    divan::main();
}

/// A map full of players who walk to and fro, ten inputs a second each.
struct Crowd {
    stage: Stage<Quiet>,
    homes: Vec<(EntityId, Position)>,
    rng: Pcg64Mcg,
    seq: u32,
    told: Told,
}

/// What would go to the clients.
#[derive(Default)]
struct Told {
    snapshots: u64,
    bytes: u64,
    letters: u64,
    frame: Vec<u8>,
}

impl Outlets for Told {
    fn show(&mut self, _: EntityId, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        self.frame.clear();
        if write(&mut self.frame) {
            self.snapshots += 1;
            self.bytes += self.frame.len() as u64;
        }
        true
    }

    fn tell(&mut self, _: EntityId, message: PlayMessage) {
        self.letters += 1;
        black_box(message);
    }
}

impl Crowd {
    fn spread(players: u32) -> Self {
        let side = (players as f32 / DENSITY).sqrt();
        Self::within(players, side, side)
    }

    fn on_one_spot(players: u32) -> Self {
        Self::within(players, 200.0, 2.0)
    }

    fn within(players: u32, side: f32, area: f32) -> Self {
        let plan = MapPlan::field("field".parse().unwrap(), side, side);
        let mut stage = Stage::open(Arc::new(plan), 1).unwrap();
        let mut rng = Pcg64Mcg::seed_from_u64(2);
        let homes = (0..players).map(|number| {
            let corner = (side - area) / 2.0;
            let at = Position {
                x: corner + rng.random_range(0.0..area),
                y: corner + rng.random_range(0.0..area),
            };
            let player = stage.enter(&format!("P{number}"), Some(at), serde_json::Value::Null);
            let player = player.unwrap();
            stage.look_on(player);
            (player, at)
        });
        let homes = homes.collect();
        let mut crowd = Self { stage, homes, rng, seq: 0, told: Told::default() };
        (0..SETTLED).for_each(|_| crowd.tick());
        crowd.told = Told::default();
        crowd
    }

    fn tick(&mut self) {
        self.seq += 1;
        let mut effects = Vec::new();
        // Each second player in turn: ten inputs a second.
        for (player, home) in self.homes.iter().skip(self.seq as usize % 2).step_by(2) {
            let mut off = || self.rng.random_range(-ROAM..ROAM);
            let to = Position { x: home.x + off(), y: home.y + off() };
            let input = Input::Walk { player: *player, to, seq: self.seq };
            self.stage.apply(&input, &mut effects);
        }
        self.stage.apply(&Input::Tick, &mut effects);
        self.stage.show(&mut self.told);
        black_box(effects);
    }

    /// Bytes a second that a player is sent, message heads left out.
    fn rate(&self, ticks: u64) -> u64 {
        self.told.bytes * 20 / ticks.max(1) / self.homes.len().max(1) as u64
    }
}

fn ticks(bencher: Bencher<'_, '_>, mut crowd: Crowd) {
    let players = crowd.homes.len();
    let mut ticks = 0;
    bencher.counter(ItemsCount::new(players)).bench_local(|| {
        ticks += 1;
        crowd.tick();
    });
    let letters = crowd.told.letters as f64 / ticks as f64;
    eprintln!("{players} players: {} bytes/s each, {letters:.0} letters a tick", crowd.rate(ticks));
}

/// Time and allocations of one tick; divide by the players.
#[divan::bench(args = [250, 500, 1000, 2000, 4000], sample_count = 200)]
fn tick_spread(bencher: Bencher<'_, '_>, players: u32) {
    ticks(bencher, Crowd::spread(players));
}

#[divan::bench(args = [500, 2000], sample_count = 100)]
fn tick_on_one_spot(bencher: Bencher<'_, '_>, players: u32) {
    ticks(bencher, Crowd::on_one_spot(players));
}

fn snapshot() -> Snapshot {
    let step = |n: u16| Move {
        entity: EntityId(u32::from(n) * 37),
        position: Position { x: f32::from(n) * 3.0, y: 9.5 },
    };
    Snapshot { tick: 70_000, ack: 900, moves: (0..50).map(step).collect() }
}

#[divan::bench]
fn codec_write_50_moves(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot();
    bencher.bench(|| black_box(&snapshot).encode());
}

#[divan::bench]
fn codec_read_50_moves(bencher: Bencher<'_, '_>) {
    let bytes = snapshot().encode();
    bencher.bench(|| Snapshot::decode(black_box(&bytes)).unwrap());
}

/// Walls in every third row, with a gap at one end or the other.
fn maze() -> Ground {
    let mut ground = Ground::open(64, 64);
    for row in (2..64).step_by(3) {
        let gap = if row % 2 == 0 { 0 } else { 63 };
        (0..64).filter(|column| *column != gap).for_each(|column| ground.block(column, row));
    }
    ground
}

#[divan::bench]
fn ground_path_through_a_maze(bencher: Bencher<'_, '_>) {
    let ground = maze();
    let (from, to) = (Position { x: 1.5, y: 0.5 }, Position { x: 60.5, y: 63.5 });
    bencher.bench(|| ground.path(black_box(from), to, 10_000).unwrap());
}

#[divan::bench]
fn ground_step(bencher: Bencher<'_, '_>) {
    let ground = maze();
    let (from, to) = (Position { x: 10.5, y: 1.2 }, Position { x: 10.7, y: 1.4 });
    bencher.bench(|| ground.step(black_box(from), to));
}

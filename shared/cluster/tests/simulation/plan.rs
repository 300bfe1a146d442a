//! What goes wrong, and when.

use rand::{RngExt, rngs::StdRng};

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A Map Server's process ends.
    KillMap,
    /// A Map Server stands still for so many milliseconds.
    HangMap {
        ms: u64,
    },
    /// A spawner's process ends, and is started again after so many milliseconds.
    KillSpawner {
        back_ms: u64,
    },
    /// Central's process ends, and another one leads after so many milliseconds.
    KillCentral {
        back_ms: u64,
    },
    /// Central stands still: its clock jumps.
    PauseCentral {
        ms: u64,
    },
    /// A server is cut off for so many milliseconds.
    CutOffMap {
        ms: u64,
    },
    CutOffSpawner {
        ms: u64,
    },
    /// NATS is away for everybody, and everybody knows.
    Outage {
        ms: u64,
    },
    /// Somebody wants a Map Server of a map that is not desired.
    Spawn {
        patience_ms: u64,
    },
    /// A party wants an instance.
    Instance,
    /// A crowd comes.
    Crowd {
        players: u32,
    },
    /// A spawner is emptied, and perhaps taken back.
    DrainSpawner {
        countdown_s: u32,
        back_ms: u64,
    },
    /// One Map Server is emptied.
    DrainMap {
        countdown_s: u32,
    },
    /// Empty maps are spread again.
    Rebalance,
}

/// The faults of one seed: when, in milliseconds, and which.
pub(crate) fn draw(rng: &mut StdRng, chaos_ms: u64) -> Vec<(u64, Fault)> {
    let count = rng.random_range(3..=12);
    let mut plan: Vec<(u64, Fault)> =
        (0..count).map(|_| (rng.random_range(2_000..chaos_ms), fault(rng))).collect();
    plan.sort_by_key(|(at, _)| *at);
    plan
}

fn fault(rng: &mut StdRng) -> Fault {
    match rng.random_range(0..17) {
        0..=1 => Fault::KillMap,
        2..=3 => Fault::HangMap { ms: rng.random_range(500..12_000) },
        4 => Fault::KillSpawner { back_ms: rng.random_range(100..9_000) },
        5 => Fault::KillCentral { back_ms: rng.random_range(100..5_000) },
        6 => Fault::PauseCentral { ms: rng.random_range(300..8_000) },
        7..=8 => Fault::CutOffMap { ms: rng.random_range(500..9_000) },
        9 => Fault::CutOffSpawner { ms: rng.random_range(500..9_000) },
        10 => Fault::Outage { ms: rng.random_range(500..9_000) },
        11 => Fault::Spawn { patience_ms: rng.random_range(50..4_000) },
        12..=13 => Fault::Instance,
        14 => Fault::Crowd { players: rng.random_range(5..30) },
        15 => Fault::DrainSpawner {
            countdown_s: rng.random_range(0..4),
            back_ms: rng.random_range(500..9_000),
        },
        _ if rng.random() => Fault::DrainMap { countdown_s: rng.random_range(0..4) },
        _ => Fault::Rebalance,
    }
}

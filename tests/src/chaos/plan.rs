//! What goes wrong, and when. Pure: the same seed and length give the same plan.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::layout::{CENTRALS, MAPS, SPAWNERS};
use crate::proxy::Cut;

/// Before the first fault, so that there is somebody at play.
const BEFORE: Duration = Duration::from_secs(2);
/// A target that was hurt has so long before it is hurt again, in which it is started and found
/// by all others.
const REST: Duration = Duration::from_secs(3);

/// A process. Those that there are several of by their places in the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Central, which may carry the Cluster.
    Central(usize),
    /// A Map Spawn Server.
    Spawner(usize),
    /// A Map Server.
    Map(usize),
    /// nats-server.
    Nats,
    /// redis-server.
    Redis,
}

/// Who talks to NATS or Redis: all Map Servers of a spawner, as on a machine, share a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// Central to NATS.
    CentralNats(usize),
    /// Central to Redis.
    CentralRedis(usize),
    /// A spawner to NATS.
    SpawnerNats(usize),
    /// A spawner's Map Servers to NATS.
    MapsNats(usize),
    /// A spawner's Map Servers to Redis.
    MapsRedis(usize),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It is killed, and started again in the end. A killed spawner's maps live on until then.
    Kill(Service),
    /// It hangs, and goes on in the end.
    Hang(Service),
    /// It is told to stop, and started again in the end.
    Restart(Service),
    /// Two do not reach each other until the end.
    Cut(Link, Cut),
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// From the start.
    pub at: Duration,
    /// Until it is mended.
    pub lasts: Duration,
    /// What.
    pub what: What,
}

/// Something that one fault at a time can happen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Service(Service),
    Link(Link),
}

/// Faults in the order of their beginnings, the last of which is mended within `length`. Each kind
/// of fault of each kind of server comes before any comes again, so that 30 have them all.
pub fn plan(seed: u64, length: Duration, count: usize) -> Vec<Fault> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut busy = BTreeMap::<Target, Duration>::new();
    let (mut deck, mut faults) = (Vec::new(), Vec::<Fault>::new());
    let gap = length.saturating_sub(BEFORE) / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    for number in 0..u32::try_from(count).unwrap_or(u32::MAX) {
        let at = BEFORE + gap * number + gap.mul_f64(rng.random_range(0.0..0.9));
        if deck.len() < kinds(&mut rng).len() {
            let mut more = kinds(&mut rng);
            shuffle(&mut more, &mut rng);
            deck.extend(more);
        }
        let is_free = |what: &What| busy.get(&what.target()).is_none_or(|until| *until <= at);
        let Some(place) = deck.iter().position(is_free) else { continue };
        let what = deck.remove(place);
        let lasts = what.lasts(&mut rng).min(length.saturating_sub(at));
        busy.insert(what.target(), at + lasts + REST);
        faults.push(Fault { at, lasts, what });
    }
    faults
}

/// One fault of each kind, with one of each kind of server.
fn kinds(rng: &mut StdRng) -> Vec<What> {
    let central = |rng: &mut StdRng| rng.random_range(0..CENTRALS.len());
    let spawner = |rng: &mut StdRng| rng.random_range(0..SPAWNERS.len());
    let map = |rng: &mut StdRng| rng.random_range(0..MAPS.len());
    let mut kinds = Vec::new();
    for make in [What::Kill, What::Hang, What::Restart] {
        kinds.extend([Service::Central(central(rng)), Service::Nats, Service::Redis].map(make));
        kinds.extend([make(Service::Spawner(spawner(rng))), make(Service::Map(map(rng)))]);
    }
    // What leaves stale copies that have something to save, and do not know yet, comes thrice.
    kinds.extend([What::Hang(Service::Map(map(rng))), What::Hang(Service::Map(map(rng)))]);
    for _ in 0..2 {
        let links = [
            Link::CentralNats(central(rng)),
            Link::CentralRedis(central(rng)),
            Link::SpawnerNats(spawner(rng)),
            Link::MapsNats(spawner(rng)),
            Link::MapsRedis(spawner(rng)),
        ];
        kinds.extend(links.map(|link| {
            let ways = [Cut::Both, Cut::Both, Cut::Out, Cut::In, Cut::Refused];
            What::Cut(link, ways.get(rng.random_range(0..ways.len())).copied().unwrap_or(Cut::Both))
        }));
    }
    kinds
}

/// Fisher and Yates'.
fn shuffle(kinds: &mut [What], rng: &mut impl Rng) {
    for last in (1..kinds.len()).rev() {
        kinds.swap(last, rng.random_range(0..=last));
    }
}

impl What {
    fn target(self) -> Target {
        match self {
            Self::Kill(service) | Self::Hang(service) | Self::Restart(service) => {
                Target::Service(service)
            }
            Self::Cut(link, _) => Target::Link(link),
        }
    }

    /// What all need is away for shorter. What one Map Server needs is mostly away for longer than
    /// it takes to be held for dead and passed over, so that it comes back with stale copies.
    fn lasts(self, rng: &mut impl Rng) -> Duration {
        let ms = match self {
            Self::Kill(Service::Map(_)) => 0..1,
            Self::Kill(_) | Self::Restart(_) => 300..3000,
            Self::Hang(Service::Map(_)) | Self::Cut(Link::MapsNats(_), _) => {
                if rng.random_ratio(1, 4) { 1000..4000 } else { 8000..14_000 }
            }
            Self::Hang(Service::Spawner(_)) | Self::Cut(Link::SpawnerNats(_), _) => 2000..8000,
            Self::Hang(_) | Self::Cut(..) => 500..5000,
        };
        Duration::from_millis(rng.random_range(ms))
    }
}

/// The kind, without which of several servers it was: `kill map`, `cut maps-nats out`.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(service) => write!(f, "kill {}", service.kind()),
            Self::Hang(service) => write!(f, "hang {}", service.kind()),
            Self::Restart(service) => write!(f, "restart {}", service.kind()),
            Self::Cut(link, _) => write!(f, "cut {}", link.kind()),
        }
    }
}

impl Service {
    fn kind(self) -> &'static str {
        match self {
            Self::Central(_) => "central",
            Self::Spawner(_) => "spawner",
            Self::Map(_) => "map",
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }
}

impl Link {
    fn kind(self) -> &'static str {
        match self {
            Self::CentralNats(_) => "central-nats",
            Self::CentralRedis(_) => "central-redis",
            Self::SpawnerNats(_) => "spawner-nats",
            Self::MapsNats(_) => "maps-nats",
            Self::MapsRedis(_) => "maps-redis",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(75);

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(plan(7, LENGTH, 32), plan(7, LENGTH, 32));
        assert_ne!(plan(7, LENGTH, 32), plan(8, LENGTH, 32));
    }

    #[test]
    fn every_kind_of_fault_comes_and_nothing_is_hurt_twice_at_once() {
        for seed in 0..200 {
            let faults = plan(seed, LENGTH, 40);
            assert_eq!(faults.len(), 40, "seed {seed}");
            assert!(faults.is_sorted_by_key(|fault| fault.at));
            assert!(faults.iter().all(|fault| fault.at + fault.lasts <= LENGTH));
            let kinds: BTreeSet<String> =
                faults.iter().map(|fault| fault.what.to_string()).collect();
            assert_eq!(kinds.len(), 20, "seed {seed}: {kinds:?}");
            for (place, fault) in faults.iter().enumerate() {
                let target = fault.what.target();
                let mut later = faults.iter().skip(place + 1);
                let next = later.find(|later| later.what.target() == target);
                assert!(
                    next.is_none_or(|next| next.at >= fault.at + fault.lasts + REST),
                    "seed {seed}: {fault:?} {next:?}"
                );
            }
        }
    }
}

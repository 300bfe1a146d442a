//! Which Map Server for a character, which spawner for a map.

use std::time::Duration;

use protocol::{
    Code, Failure, MapName, SpawnerId,
    backbone::{
        maps::{MapServer, Route},
        spawners::{Spawner, StartChild},
    },
};

use crate::{fleet::Fleet, registry::Registry};

/// The emptiest Map Server of the map that has room, or of the channel that was asked for.
///
/// Who was sent its way since its last beat counts for which one is the emptiest, but fills none:
/// many come and leave again between two beats, and a Map Server itself refuses whom it has no
/// seat for.
///
/// # Errors
/// [`Code::NoServer`] or [`Code::MapFull`], each with what to do.
pub fn route(
    registry: &Registry,
    fleet: &Fleet,
    route: &Route,
    now: Duration,
) -> Result<MapServer, Failure> {
    let map = &route.map;
    let fits = |server: &&MapServer| {
        server.map == *map && route.channel.is_none_or(|channel| channel == server.channel)
    };
    let mut up = registry.healthy(now).filter(fits).peekable();
    if up.peek().is_none() {
        return Err(nobody(registry, fleet, route));
    }
    let with_room = up.filter(|server| server.population < server.capacity);
    let emptiest = with_room.min_by_key(|server| (registry.crowd(server), server.channel));
    emptiest.cloned().ok_or_else(|| {
        Failure::new(Code::MapFull, format!("every channel of {map} is full; try again shortly"))
    })
}

fn nobody(registry: &Registry, fleet: &Fleet, route: &Route) -> Failure {
    let map = &route.map;
    let lives = registry.maps().any(|server| server.map == *map);
    let message = match route.channel {
        Some(channel) if lives => {
            format!("{map} has no channel {channel} now; choose another or none")
        }
        _ if lives || fleet.maps().contains(map) => {
            format!("no Map Server for {map} is up yet; try again shortly")
        }
        _ => format!("no Map Server for {map} is up, and no spawner may start one"),
    };
    Failure::new(Code::NoServer, message)
}

/// The least loaded spawner that may run the map and has a slot.
///
/// # Errors
/// [`Code::MapUnknown`] naming the maps that can be run, or [`Code::NoSpawner`].
pub fn spawner(
    registry: &Registry,
    fleet: &Fleet,
    map: &MapName,
    now: Duration,
) -> Result<SpawnerId, Failure> {
    let known = fleet.maps();
    if known.is_empty() {
        return Err(Failure::new(Code::NoSpawner, "no spawner is up; start a map-spawn"));
    }
    if !known.contains(map) {
        let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
        let message = format!("no spawner may run {map}; known maps: {}", names.join(", "));
        return Err(Failure::new(Code::MapUnknown, message));
    }
    let run = registry.run_by();
    let run_by = |spawner: &Spawner| run.get(&spawner.spawner).copied().unwrap_or_default();
    let able = fleet
        .healthy(now)
        .map(|spawner| (spawner, load(registry, fleet, spawner, run_by(spawner))))
        .filter(|(spawner, load)| spawner.maps.contains(map) && *load < spawner.slots as usize);
    let least = able.min_by(|(a, load_a), (b, load_b)| {
        // Shares of slots, compared without division; the id settles a tie the same way always.
        let share = |load: usize, of: u32| load as u64 * u64::from(of);
        share(*load_a, b.slots)
            .cmp(&share(*load_b, a.slots))
            .then_with(|| a.spawner.cmp(&b.spawner))
    });
    least.map(|(spawner, _)| spawner.spawner.clone()).ok_or_else(|| {
        let message = format!("every spawner that may run {map} is full or silent; add a spawner");
        Failure::new(Code::NoSpawner, message)
    })
}

/// Map Servers that a spawner has: those it is known to run, dead ones that will return, which only
/// its beats count, and those that were started since its last beat.
fn load(registry: &Registry, fleet: &Fleet, spawner: &Spawner, run: usize) -> usize {
    let is_to_come = |child: &&StartChild| {
        child.channel.is_none_or(|channel| !registry.is_taken(&child.map, channel))
    };
    let to_come = fleet.starting(&spawner.spawner).filter(is_to_come).count();
    (spawner.used as usize).max(run) + to_come
}

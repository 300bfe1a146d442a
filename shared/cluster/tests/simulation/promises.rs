//! What must hold soon after a heal, and in the end. What must hold after each step is looked at
//! in [`crate::mind`].

use std::collections::{BTreeMap, BTreeSet};

use protocol::{Incarnation, ServerId, backbone::spawners::ChildState};

use crate::{
    run::{Broken, END},
    theatre::{CALM, Theatre},
};

type Lives = BTreeSet<(ServerId, Incarnation)>;

fn registered(theatre: &Theatre) -> Lives {
    let maps = theatre.mind.iter().flat_map(crate::mind::Mind::maps);
    maps.map(|map| (map.server, map.incarnation)).collect()
}

/// 5 s after the last fault: who lives is listed, and who is listed lives.
pub(crate) fn registry_is_right(theatre: &Theatre) -> Result<(), Broken> {
    let registered = registered(theatre);
    for map in theatre.maps.values() {
        let life = (map.life().server, map.life().incarnation);
        let is_steady = map.started + 1_500 < CALM && !map.ending && map.hung_until < CALM;
        if is_steady && !registered.contains(&life) {
            return Err(Broken::RegistryIsWrong(format!("{} lives unlisted", map.server)));
        }
    }
    for (server, incarnation) in &registered {
        let lives = |map: &crate::map::MapModel| map.life().incarnation == *incarnation;
        if !theatre.maps.values().any(lives) {
            // It may just have ended: then it is missed soon.
            let number = u64::try_from(incarnation.uuid().as_u128()).unwrap();
            if theatre.ended.get(&number).is_some_and(|at| *at < CALM) {
                return Err(Broken::RegistryIsWrong(format!("{server} is listed dead")));
            }
        }
    }
    Ok(())
}

/// In the end: desired and living agree, and nobody lives whom nobody wants.
pub(crate) fn all_is_as_desired(theatre: &Theatre) -> Result<(), Broken> {
    assert_eq!(theatre.now, END);
    one_process_an_id(theatre)?;
    let registered = registered(theatre);
    let living: Lives =
        theatre.maps.values().map(|map| (map.life().server, map.life().incarnation)).collect();
    if registered != living {
        return Err(Broken::RegistryIsWrong(format!("listed {registered:?}, living {living:?}")));
    }
    counts_are_right(theatre)?;
    views_are_right(theatre)
}

fn one_process_an_id(theatre: &Theatre) -> Result<(), Broken> {
    let mut ids = BTreeSet::new();
    match theatre.maps.values().find(|map| !ids.insert(&map.server)) {
        Some(map) => Err(Broken::Twice(map.server.to_string())),
        None => Ok(()),
    }
}

fn counts_are_right(theatre: &Theatre) -> Result<(), Broken> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for map in theatre.maps.values() {
        *counts.entry(map.map.as_str()).or_default() += 1;
    }
    // What a spawner holds back since it crashed too often counts, but does not run.
    let held = |name: &str| {
        let children = theatre.spawners.values().flat_map(|spawner| spawner.children.values());
        children
            .filter(|child| child.state == ChildState::Held && child.map.as_str() == name)
            .count()
    };
    for (name, wanted) in [("town", 2), ("forest", 1), ("crypt", 1)] {
        let count = counts.get(name).copied().unwrap_or(0);
        if count + held(name) < wanted {
            return Err(Broken::TooFew(format!("{count} of {wanted} {name}")));
        }
        if count > wanted {
            return Err(Broken::TooMany(format!("{count} of {wanted} {name}")));
        }
    }
    for map in theatre.maps.values().filter(|map| map.map.as_str() == "cave") {
        // Or the Cluster ended with what it knew.
        if !theatre.granted.contains(&map.server) && !theatre.left_behind {
            return Err(Broken::Orphan(map.server.to_string()));
        }
    }
    Ok(())
}

fn views_are_right(theatre: &Theatre) -> Result<(), Broken> {
    let Some(mind) = &theatre.mind else { return Ok(()) };
    let listed: BTreeSet<ServerId> = mind.maps().map(|map| map.server).collect();
    for map in theatre.maps.values() {
        let mut seen = map.view.peers.clone();
        seen.insert(map.server.clone());
        if seen != listed {
            let message = format!("{} sees {seen:?}, not {listed:?}", map.server);
            return Err(Broken::ViewIsWrong(message));
        }
    }
    Ok(())
}

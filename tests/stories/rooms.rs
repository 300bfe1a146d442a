//! The rooms of the house, and who may enter whom, as ARCHITECTURE.md says.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Which rooms each room may import, `waystone-` left out.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("bench", &[]),
    ("wire", &["protocol"]),
    ("cluster", &["protocol"]),
    ("instance", &["protocol"]),
    ("sessions", &["protocol"]),
    ("store", &["protocol"]),
    ("world", &["protocol"]),
    ("nats", &["protocol"]),
    ("client", &["protocol", "wire"]),
    ("map", &["protocol", "world", "wire", "nats", "sessions", "instance"]),
    ("central", &["protocol", "wire", "cluster", "nats", "sessions", "store", "instance"]),
    ("map-spawn", &["protocol", "nats", "instance"]),
    ("map-server", &["protocol", "world", "map"]),
    ("terminal", &["protocol", "client", "wire"]),
    ("operator", &["protocol", "nats"]),
    ("bots", &["protocol", "client", "wire", "nats"]),
    ("raw-fanout", &["protocol"]),
    ("many-maps", &["protocol"]),
    ("bench", &[]),
];

/// Libraries that stay inside one room.
const ONLY_IN: &[(&str, &str)] =
    &[("async-nats", "nats"), ("redis", "sessions"), ("sqlx", "store"), ("argon2", "central")];

/// Each room's own dependencies, those of its tests left out.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .expect("cargo");
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    let room = |name: &str| name.strip_prefix("waystone-").unwrap_or(name).to_owned();
    metadata
        .packages
        .into_iter()
        .filter(|package| package.name != "waystone-stories")
        .map(|package| {
            let used = package.dependencies.iter().filter(|used| used.kind.is_none());
            (room(&package.name), used.map(|used| used.name.clone()).collect())
        })
        .collect()
}

#[test]
fn rooms_import_downward_only() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    for (room, dependencies) in rooms() {
        let allowed =
            allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not in the list"));
        for used in dependencies.iter().filter_map(|name| name.strip_prefix("waystone-")) {
            assert!(allowed.contains(&used), "{room} may not import {used}");
        }
    }
}

#[test]
fn a_library_that_belongs_to_one_room_stays_there() {
    for (room, dependencies) in rooms() {
        for (library, home) in ONLY_IN {
            assert!(
                !dependencies.contains(*library) || room == *home,
                "{room} may not use {library}"
            );
        }
    }
}

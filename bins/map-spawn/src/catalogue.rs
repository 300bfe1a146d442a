//! Which maps this spawner may run, and whether `spawn_maps` fits them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{Failure, MapName};
use tracing::warn;

use crate::{
    map_program::{MapProgram, MapProgramError},
    nursery,
    settings::{Settings, Standing},
};

/// Settings that do not fit the map program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    #[error(transparent)]
    MapProgram(#[from] MapProgramError),
    #[error("`spawn_maps` names `{map}`, which this spawner may not run; it may run: {known}")]
    Unknown { map: MapName, known: String },
    #[error("no map is left to run: the map program lists {listed}, and `maps` allows {allowed}")]
    Nothing { listed: String, allowed: String },
    #[error("`spawn_maps` asks for {wanted} Map Servers, more than `slots` = {slots} allows")]
    TooMany { wanted: u32, slots: u32 },
    #[error("{}", .0.message)]
    IdTooLong(Failure),
}

/// Asks the map program what it can run, and checks the settings against it.
pub(crate) async fn read(
    program: &MapProgram,
    settings: &Settings,
) -> Result<BTreeSet<MapName>, CatalogueError> {
    let maps = allowed(program.list_maps().await?, &settings.maps)?;
    check(settings, &maps)?;
    Ok(maps)
}

fn allowed(listed: Vec<MapName>, allowed: &[MapName]) -> Result<BTreeSet<MapName>, CatalogueError> {
    for map in allowed.iter().filter(|map| !listed.contains(map)) {
        warn!("`maps` allows `{map}`, which the map program does not know");
    }
    let is_allowed = |map: &MapName| allowed.is_empty() || allowed.contains(map);
    let maps: BTreeSet<MapName> = listed.iter().filter(|map| is_allowed(map)).cloned().collect();
    if maps.is_empty() {
        let (listed, allowed) = (names(&listed), names(allowed));
        return Err(CatalogueError::Nothing { listed, allowed });
    }
    Ok(maps)
}

fn check(settings: &Settings, maps: &BTreeSet<MapName>) -> Result<(), CatalogueError> {
    let mut wanted = BTreeMap::<&MapName, u32>::new();
    for Standing { map, channels } in &settings.spawn_maps {
        if !maps.contains(map) {
            return Err(CatalogueError::Unknown { map: map.clone(), known: names(maps) });
        }
        *wanted.entry(map).or_default() += u32::from(*channels);
    }
    for (map, channels) in &wanted {
        nursery::server_id(settings.id.as_str(), map, *channels)
            .map_err(CatalogueError::IdTooLong)?;
    }
    let (wanted, slots) = (wanted.values().sum(), settings.slots);
    if wanted > slots {
        return Err(CatalogueError::TooMany { wanted, slots });
    }
    Ok(())
}

/// The names with commas between them, for people.
pub(crate) fn names<'a>(maps: impl IntoIterator<Item = &'a MapName>) -> String {
    let names: Vec<&str> = maps.into_iter().map(MapName::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use instance::{Program, Role};

    use super::*;

    fn settings(args: &[&str]) -> Settings {
        let program = Program::new(Role::MapSpawn, "", "0");
        let args: Vec<OsString> = [&["map-spawn"], args].concat().iter().map(Into::into).collect();
        instance::config::load(&program, &args, |_| None).unwrap().config
    }

    fn maps(names: &[&str]) -> Vec<MapName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn refusal(args: &[&str]) -> String {
        let known = maps(&["forest", "town"]).into_iter().collect();
        check(&settings(args), &known).unwrap_err().to_string()
    }

    #[test]
    fn spawn_maps_must_be_known_fit_the_slots_and_give_valid_ids() {
        let known = maps(&["forest", "town"]).into_iter().collect();
        check(&settings(&["--spawn-maps", "town,forest:2"]), &known).unwrap();
        let unknown = refusal(&["--spawn-maps", "town,moon"]);
        assert!(unknown.contains("`moon`") && unknown.contains("forest, town"), "{unknown}");
        let many = refusal(&["--spawn-maps", "town:3,forest:2", "--slots", "4"]);
        assert!(many.contains("5 Map Servers") && many.contains("`slots` = 4"), "{many}");
        let long = refusal(&["--spawn-maps", "town", "--id", "spawner-with-a-name-of-some-30"]);
        assert!(long.contains("shorter `id`"), "{long}");
    }

    #[test]
    fn the_list_of_allowed_maps_narrows_what_the_program_can() {
        let listed = maps(&["town", "forest", "cave"]);
        assert_eq!(allowed(listed.clone(), &[]).unwrap().len(), 3);
        let some = allowed(listed.clone(), &maps(&["town", "moon"])).unwrap();
        assert_eq!(names(&some), "town");
        assert!(matches!(allowed(listed, &maps(&["moon"])), Err(CatalogueError::Nothing { .. })));
    }
}

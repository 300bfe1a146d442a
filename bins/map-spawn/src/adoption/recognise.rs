//! Whether a process is a Map Server of this spawner: what its launch wrote is read again here.

use std::{ffi::OsString, path::Path, str::FromStr};

use protocol::{Realm, SpawnerId};

use super::table::Seen;
use crate::{
    map_program::{MapProgram, NATS_URL, UPKEEP},
    nursery::{Found, Upkeep},
};

/// What this process runs, if a spawner with these settings has started it.
///
/// All that tells clusters on one machine apart must agree: the spawner, the realm, and what they
/// talk over.
pub(super) fn recognise(seen: &Seen, program: &MapProgram) -> Option<Found> {
    let is_ours = runs(seen, program.path())
        && flag::<SpawnerId>(seen, "--spawner").as_ref() == Some(program.spawner())
        && flag::<Realm>(seen, "--realm").as_ref() == Some(program.realm())
        && variable(seen, NATS_URL) == Some(program.nats_url());
    if !is_ours {
        return None;
    }
    // Another version of the spawner may have written it otherwise.
    let upkeep = variable(seen, UPKEEP).and_then(|text| serde_json::from_str(text).ok());
    Some(Found {
        server: flag(seen, "--id")?,
        map: flag(seen, "--map")?,
        channel: flag(seen, "--channel").map(protocol::Channel)?,
        pid: seen.pid,
        upkeep: upkeep
            .unwrap_or_else(|| Upkeep { capacity: flag(seen, "--capacity"), ..Upkeep::default() }),
    })
}

/// By the name of the file alone: the program may have been replaced by a newer one. A script is
/// its interpreter's first argument.
fn runs(seen: &Seen, program: &Path) -> bool {
    let words = seen.args.iter().take(2).map(Path::new);
    let mut files = seen.program.as_deref().into_iter().chain(words);
    program.file_name().is_some_and(|name| files.any(|file| file.file_name() == Some(name)))
}

fn flag<T: FromStr>(seen: &Seen, name: &str) -> Option<T> {
    let mut args = seen.args.iter();
    args.find(|arg| *arg == name)?;
    args.next()?.to_str()?.parse().ok()
}

fn variable<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    let is_it = |entry: &'a OsString| entry.to_str()?.strip_prefix(name)?.strip_prefix('=');
    seen.environment.iter().find_map(is_it)
}

#[cfg(test)]
mod tests {
    use instance::{Program, Role};

    use super::*;
    use crate::settings::Settings;

    fn program() -> MapProgram {
        let args = ["map-spawn", "--id", "s", "--map-command", "/opt/new/map"].map(OsString::from);
        let program = Program::new(Role::MapSpawn, "", "0");
        let settings: Settings = instance::config::load(&program, &args, |_| None).unwrap().config;
        MapProgram::new(&settings).unwrap()
    }

    fn seen(line: &str) -> Seen {
        Seen {
            pid: 7,
            program: None,
            args: line.split(' ').map(OsString::from).collect(),
            environment: ["LANG=C", "NATS_URL=nats://127.0.0.1:4222"].map(OsString::from).into(),
        }
    }

    const LINE: &str = "/opt/old/map --id s-town-3 --map town --channel 2 --spawner s --realm main";

    #[test]
    fn its_own_map_server_is_known_by_what_its_launch_wrote() {
        let mut process = seen(LINE);
        let found = recognise(&process, &program()).unwrap();
        assert_eq!((found.server.as_str(), found.map.as_str()), ("s-town-3", "town"));
        assert_eq!((found.channel.0, found.pid), (2, 7));
        assert_eq!(found.upkeep, Upkeep::default());
        let upkeep = Upkeep { cost: 3, capacity: Some(9), ..Upkeep::default() };
        let note = format!("{UPKEEP}={}", serde_json::to_string(&upkeep).unwrap());
        process.environment.push(note.into());
        assert_eq!(recognise(&process, &program()).unwrap().upkeep, upkeep);
        let script = seen(&format!("/bin/sh {LINE} --capacity 40"));
        assert_eq!(recognise(&script, &program()).unwrap().upkeep.capacity, Some(40));
    }

    #[test]
    fn whatever_is_not_its_own_is_left_alone() {
        for (ours, other) in [
            ("/opt/old/map", "/opt/old/mop"),
            ("--spawner s", "--spawner t"),
            ("--spawner s", "--sponsor s"),
            ("--realm main", "--realm test"),
            ("--realm main", "--realm"),
            ("--id s-town-3", "--id ?"),
        ] {
            assert!(LINE.contains(ours));
            let process = seen(&LINE.replace(ours, other));
            assert_eq!(recognise(&process, &program()), None, "{other}");
        }
        let mut process = seen(LINE);
        process.environment = vec!["NATS_URL=nats://127.0.0.1:4223".into()];
        assert_eq!(recognise(&process, &program()), None);
        process.environment = vec![];
        assert_eq!(recognise(&process, &program()), None);
    }
}

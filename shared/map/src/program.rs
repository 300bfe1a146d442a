//! From flags to exit status.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use instance::{Program, Role, config};
use world::{
    World,
    atlas::{Atlas, PlanError},
};

use crate::{
    replay::Replay,
    server::{self, StartError},
    settings::Settings,
};

/// Status for a map that is not there, as for any setting that cannot be used.
const EXIT_CONFIG: u8 = 2;

/// Runs a Map Server of a game until it ends, with these files built in, as (file name, text):
/// `*.tmx` are maps, the others are what they use.
///
/// The status is 0 after a clean drain, 1 after a failure, and 2 for settings or plans that cannot
/// be used, an unknown map among them. With `--list-maps` the names of all maps are printed as a
/// JSON array, and nothing else is done; with `replay FILE` a recording is run again, and the
/// status is 1 where it comes to something else.
pub fn main<W: World>(
    about: &'static str,
    version: &'static str,
    plans: &[(&str, &str)],
) -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    if let Some(replay) = Replay::asked_for(&args) {
        return replay.run::<W>(|folder| atlas(plans, folder));
    }
    let outcome = match Listing::asked_for(&args) {
        Some(listing) => listing.print(plans).map(|()| ExitCode::SUCCESS),
        None => serve::<W>(Program::new(Role::Map, about, version), plans, &args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{}: {}", Role::Map, instance::chain(&error));
        ExitCode::from(EXIT_CONFIG)
    })
}

fn serve<W: World>(
    program: Program,
    plans: &[(&str, &str)],
    args: &[OsString],
) -> Result<ExitCode, PlanError> {
    // Read here for the plans alone; what is wrong with settings, `run` says best.
    let loaded = config::load::<Settings>(&program, args, |name| env::var_os(name)).ok();
    let plan = match loaded.filter(|loaded| !loaded.basics.print_config) {
        Some(loaded) => {
            let atlas = atlas(plans, loaded.config.maps_dir)?;
            Some(atlas.plan(&loaded.config.map)?.clone())
        }
        None => None,
    };
    Ok(program.run::<Settings, _, _, _>(move |settings, instance| async move {
        let plan = plan.ok_or(StartError::SettingsChanged)?;
        Box::pin(server::start::<W>(settings, plan, instance)).await
    }))
}

fn atlas(plans: &[(&str, &str)], folder: Option<PathBuf>) -> Result<Atlas, PlanError> {
    let atlas = Atlas::embedded(plans)?;
    match folder {
        Some(folder) => atlas.with_folder(&folder),
        None => Ok(atlas),
    }
}

/// `--list-maps`: answered without any of the settings that a server needs.
#[derive(Debug, Parser)]
struct Listing {
    #[arg(long)]
    list_maps: bool,
    #[arg(long, env = "MMO_MAPS_DIR")]
    maps_dir: Option<PathBuf>,
}

impl Listing {
    fn asked_for(args: &[OsString]) -> Option<Self> {
        let is_asked_for = args.iter().any(|arg| arg == "--list-maps");
        is_asked_for.then(|| Self::parse_from(args)).filter(|listing| listing.list_maps)
    }

    fn print(self, plans: &[(&str, &str)]) -> Result<(), PlanError> {
        let atlas = atlas(plans, self.maps_dir)?;
        let names: Vec<&str> = atlas.names().map(protocol::MapName::as_str).collect();
        // A reader that went away has seen enough.
        let _ = writeln!(io::stdout(), "{}", serde_json::json!(names));
        Ok(())
    }
}

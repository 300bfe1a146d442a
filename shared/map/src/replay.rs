//! `replay FILE`: a recording, run again.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufReader, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use instance::Role;
use world::{
    World,
    atlas::{Atlas, PlanError},
    recording::{self, ReplayError, Replayed},
};

/// Status for a recording that cannot be run.
const EXIT_UNUSABLE: u8 = 2;

/// Runs a recording again and compares what comes of it.
#[derive(Debug, Parser)]
pub(crate) struct Replay {
    /// The recording, as --record or a failure of the game has left it
    file: PathBuf,
    /// Folder with more maps, as it was when the recording was made
    #[arg(long, env = "MMO_MAPS_DIR")]
    maps_dir: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Recording(#[from] ReplayError),
    #[error(transparent)]
    Map(#[from] PlanError),
    #[error("cannot read {path}")]
    Unreadable { path: String, source: io::Error },
}

impl Replay {
    pub(crate) fn asked_for(args: &[OsString]) -> Option<Self> {
        let is_asked_for = args.get(1).is_some_and(|arg| arg == "replay");
        is_asked_for.then(|| Self::parse_from(args.iter().skip(1)))
    }

    pub(crate) fn run<W: World>(
        self,
        atlas: impl FnOnce(Option<PathBuf>) -> Result<Atlas, PlanError>,
    ) -> ExitCode {
        match self.replay::<W>(atlas) {
            Ok(replayed) => report(&replayed),
            Err(error) => {
                eprintln!("{}: {}", Role::Map, instance::chain(&error));
                ExitCode::from(EXIT_UNUSABLE)
            }
        }
    }

    fn replay<W: World>(
        self,
        atlas: impl FnOnce(Option<PathBuf>) -> Result<Atlas, PlanError>,
    ) -> Result<Replayed, Unusable> {
        let path = self.file.display().to_string();
        let file =
            File::open(&self.file).map_err(|source| Unusable::Unreadable { path, source })?;
        let mut from = BufReader::new(file);
        let header = recording::read_header(&mut from)?;
        let plan = atlas(self.maps_dir)?.plan(&header.map)?.clone();
        eprintln!("{} recorded by {}", header.map, header.program);
        Ok(recording::replay::<W>(Arc::new(plan), &header, &mut from)?)
    }
}

fn report(replayed: &Replayed) -> ExitCode {
    let Replayed { ticks, compared, differs, is_cut } = replayed;
    let end = if *is_cut { ", and ends inside of an entry" } else { "" };
    let (verdict, status) = match differs {
        Some(tick) => (format!("differs from tick {tick} on"), ExitCode::FAILURE),
        None => ("the same".to_owned(), ExitCode::SUCCESS),
    };
    // A reader that went away has seen enough.
    let _ = writeln!(io::stdout(), "{ticks} ticks, {compared} compared: {verdict}{end}");
    status
}

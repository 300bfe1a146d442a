//! Where the files of a map come from: built into the program, or in a folder.

use std::{
    fs::File,
    io::{Cursor, Read},
    path::Path,
};

use tiled::ResourceReader;

use super::screen::Screen;
use crate::atlas::error::{PlanError, Spot};

/// Largest file of a map, in bytes: 16 million tiles take less.
const FILE_MAX: u64 = 128 << 20;

/// A place to read from.
#[derive(Debug, Clone, Copy)]
pub(in crate::atlas) enum Source<'files> {
    /// Files by their names, with their texts. The disk is not touched.
    Embedded(&'files [(&'files str, &'files str)]),
    /// The disk.
    Disk,
}

impl Source<'_> {
    fn text(self, path: &Path) -> Result<String, PlanError> {
        match self {
            Self::Embedded(files) => {
                let plain = path.strip_prefix(".").unwrap_or(path);
                let found = files.iter().find(|(name, _)| Path::new(name) == plain);
                let absent =
                    || Spot::file(path).bad("is not built in; add it to the embedded files");
                found.map(|(_, text)| (*text).to_owned()).ok_or_else(absent)
            }
            Self::Disk => from_disk(path),
        }
    }
}

fn from_disk(path: &Path) -> Result<String, PlanError> {
    let unreadable = |source| PlanError::Unreadable { path: path.display().to_string(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let read = file.take(FILE_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > FILE_MAX {
        return Err(
            Spot::file(path).bad(format!("has more than {FILE_MAX} bytes; use a smaller map"))
        );
    }
    Ok(text)
}

/// Hands the files of one map to the parser, each looked through before.
#[derive(Debug)]
pub(super) struct Screened<'files> {
    source: Source<'files>,
    screen: Screen,
}

impl<'files> Screened<'files> {
    pub(super) fn new(source: Source<'files>) -> Self {
        Self { source, screen: Screen::default() }
    }
}

impl ResourceReader for Screened<'_> {
    type Resource = Cursor<String>;
    type Error = PlanError;

    fn read_from(&mut self, path: &Path) -> Result<Self::Resource, PlanError> {
        let text = self.source.text(path)?;
        self.screen.pass(&Spot::file(path), &text)?;
        Ok(Cursor::new(text))
    }
}

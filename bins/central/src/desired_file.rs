//! The file that says what is meant to run.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use protocol::backbone::desired::Desired;
use serde::{Deserialize, de::IgnoredAny};
use sha2::{Digest, Sha256};
use toml::Spanned;

/// A file, read and found good.
#[derive(Debug, Clone)]
pub(crate) struct DesiredFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) desired: Desired,
    /// SHA-256 of its bytes, in hex.
    pub(crate) source: String,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DesiredFileError {
    #[error("cannot read {}, which `desired` names: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}, line {line}: {what}; correct the file, or leave `desired` out", .path.display())]
    Bad { path: PathBuf, line: usize, what: String },
}

/// Where maps are named.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Names {
    maps: BTreeMap<Spanned<String>, IgnoredAny>,
    instances: BTreeMap<Spanned<String>, IgnoredAny>,
}

impl DesiredFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is not there, is no TOML, has a key that is not known, or makes no sense.
    pub(crate) fn read(path: &Path) -> Result<Self, DesiredFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DesiredFileError::Unreadable { path: path.to_owned(), source })?;
        let desired = parse(&text).map_err(|(line, what)| DesiredFileError::Bad {
            path: path.to_owned(),
            line,
            what,
        })?;
        Ok(Self { path: path.to_owned(), desired, source: hash(&text) })
    }
}

/// What a text says, or the line and what is wrong there.
fn parse(text: &str) -> Result<Desired, (usize, String)> {
    let desired = toml::from_str::<Desired>(text)
        .map_err(|error| (line(text, error.span()), error.message().replace('\n', ", ")))?;
    cluster::desired::check(&desired)
        .map_err(|failure| (line(text, named(text, &failure.message)), failure.message))?;
    Ok(desired)
}

/// Where a text names the map that a finding begins with, as `maps.town: …` does.
fn named(text: &str, finding: &str) -> Option<Range<usize>> {
    let (part, map) = finding.split_once(": ")?.0.split_once('.')?;
    let names: Names = toml::from_str(text).ok()?;
    let names = if part == "maps" { names.maps } else { names.instances };
    names.into_keys().find(|name| name.get_ref() == map).map(|name| name.span())
}

fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    1 + before.matches('\n').count()
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a String takes everything
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_is_meant_to_run() {
        let desired = parse(
            "placement = \"pack\"\n[maps.town]\nmin_channels = 2\nmax_channels = 4\n\
             start.labels = [\"big\"]\n[maps.forest]\n[instances.dungeon]\nspares = 1\n",
        )
        .unwrap();
        let town = &desired.maps[&"town".parse().unwrap()];
        assert_eq!((town.min_channels, town.max_channels), (2, 4));
        assert_eq!(town.start.labels.len(), 1);
        assert_eq!(desired.maps.len(), 2);
        assert_eq!(desired.instances[&"dungeon".parse().unwrap()].spares, 1);
        assert_eq!(parse("").unwrap(), Desired::default());
    }

    #[test]
    fn the_readmes_example_is_one() {
        let readme = include_str!("../../../README.md");
        let (_, section) = readme.split_once("### What is meant to run\n").unwrap();
        let (_, example) = section.split_once("```toml\n").unwrap();
        let desired = parse(example.split_once("```").unwrap().0).unwrap();
        assert_eq!((desired.maps.len(), desired.instances.len()), (2, 1));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, at, says) in [
            ("[maps.town]\n\nmin_chanels = 2\n", 3, "min_chanels"),
            ("[maps.town]\nmin_channels = \"two\"\n", 2, "string"),
            ("[maps.town\n", 1, "]"),
            ("\n[maps.Town]\n", 2, "a-z"),
            ("\n\n[maps.town]\nmin_channels = 3\n", 3, "max_channels is 1"),
            ("[maps.forest]\n[instances.dungeon]\nmax = 0\n", 2, "instances.dungeon: max is 0"),
        ] {
            let (line, what) = parse(text).unwrap_err();
            assert!(line == at && what.contains(says), "{text:?}: line {line}: {what}");
        }
    }

    #[test]
    fn a_file_is_known_by_its_bytes() {
        assert_eq!(&hash("")[..8], "e3b0c442");
        assert_ne!(hash("[maps.town]"), hash("[maps.town]\n"));
    }
}

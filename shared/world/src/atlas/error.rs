//! Why a map cannot be used: where the fault lies, and what to do.

use std::{fmt, path::Path};

use protocol::MapName;

/// A place whose custom properties the game cannot read.
#[derive(Debug, thiserror::Error)]
#[error(
    "place `{name}` of class `{kind}`: its custom properties are not what this game wants: {source}"
)]
pub struct PlaceError {
    /// Its name; may be empty.
    pub name: String,
    /// Its class.
    pub kind: String,
    /// Why.
    pub source: serde_json::Error,
}

/// Why an atlas cannot be made, or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Something in a map that makes no sense.
    #[error("{spot}: {problem}")]
    Bad {
        /// Where.
        spot: Spot,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Two files have maps of one name.
    #[error("{second}: map `{name}` is in {first} already; rename one of them")]
    Twice {
        /// The name.
        name: MapName,
        /// The file that was read first.
        first: String,
        /// The one read after it.
        second: String,
    },
    /// A map that nobody planned.
    #[error("there is no map `{name}` here; known maps: {known}")]
    Unknown {
        /// The name asked for.
        name: MapName,
        /// The names there are, with commas between.
        known: String,
    },
}

/// A place in a Tiled file, as its author finds it: the file, the layer, the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot(String);

impl Spot {
    /// A whole file.
    pub(super) fn file(path: &Path) -> Self {
        Self(path.display().to_string())
    }

    /// A layer of this file.
    pub(super) fn layer(&self, name: &str) -> Self {
        Self(format!("{self}: layer `{name}`"))
    }

    /// An object of this layer. A name may be missing or stand twice, an id may not.
    pub(super) fn object(&self, name: &str, id: u32) -> Self {
        let name = if name.is_empty() { String::new() } else { format!(" `{name}`") };
        Self(format!("{self}: object {id}{name}"))
    }

    /// A tile of a tileset in this file.
    pub(super) fn tile(&self, tileset: &str, id: u32) -> Self {
        Self(format!("{self}: tileset `{tileset}`: tile {id}"))
    }

    /// The error that something is wrong here.
    pub(super) fn bad(&self, problem: impl Into<String>) -> PlanError {
        PlanError::Bad { spot: self.clone(), problem: problem.into() }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

//! Maps, read from Tiled files.
//!
//! # Layout
//! - [`MapPlan`] (`plan`): what a map is.
//! - [`Ground`] (`ground`): where one can walk; `walk` goes straight, `route` goes around walls.
//! - [`PlanError`] (`error`): what is wrong with a map, and where.

mod error;
mod ground;
mod plan;
mod route;
mod walk;

use std::{collections::BTreeMap, path::Path};

use protocol::MapName;

pub use self::{
    error::{PlanError, Spot},
    ground::Ground,
    plan::{MapPlan, Place, PortalPlan, SpawnPoint},
};

/// Every map that this program can run.
#[derive(Debug, Clone, Default)]
pub struct Atlas(BTreeMap<MapName, MapPlan>);

impl Atlas {
    /// The maps that are built into a program, as (file name, text): `*.tmx` are maps, `*.tsx`
    /// the tilesets that they use.
    ///
    /// # Errors
    /// The first map that cannot be used, or two of one name.
    pub fn embedded(_files: &[(&str, &str)]) -> Result<Self, PlanError> {
        Ok(Self::default())
    }

    /// Adds the maps of a folder's `*.tmx` files. One of a known name is an error.
    ///
    /// # Errors
    /// As [`Atlas::embedded`], or [`PlanError::Unreadable`].
    pub fn with_folder(self, _folder: &Path) -> Result<Self, PlanError> {
        Ok(self)
    }

    /// The names of all maps, sorted.
    pub fn names(&self) -> impl Iterator<Item = &MapName> {
        self.0.keys()
    }

    /// The plan of one map.
    ///
    /// # Errors
    /// [`PlanError::Unknown`] with the known names.
    pub fn plan(&self, name: &MapName) -> Result<&MapPlan, PlanError> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().map(MapName::as_str).collect();
            PlanError::Unknown { name: name.clone(), known: known.join(", ") }
        })
    }
}

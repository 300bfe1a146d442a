//! Maps, read from Tiled files.
//!
//! # Layout
//! - [`MapPlan`] (`plan`): what a map is.
//! - [`Ground`] (`ground`): where one can walk; `walk` goes straight, `route` goes around walls.
//! - `tmx`: from Tiled's files to plans.
//! - [`PlanError`], [`PlaceError`] (`error`): what is wrong with a map, and where.

mod error;
mod ground;
mod plan;
mod route;
mod tmx;
mod walk;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
};

use protocol::{MapName, Position};

use self::tmx::{Sheet, Source};

pub use self::{
    error::{PlaceError, PlanError, Spot},
    ground::Ground,
    plan::{MapPlan, Place, PortalPlan, SpawnPoint},
};

/// Every map that this program can run.
#[derive(Debug, Clone, Default)]
pub struct Atlas(BTreeMap<MapName, Sheet>);

impl Atlas {
    /// The maps that are built into a program, as (file name, text): `*.tmx` are maps, the others
    /// are what they use, such as `*.tsx` tilesets.
    ///
    /// # Errors
    /// The first map that cannot be used, or two of one name.
    pub fn embedded(files: &[(&str, &str)]) -> Result<Self, PlanError> {
        let mut atlas = Self::default();
        for path in files.iter().map(|(name, _)| Path::new(name)).filter(|path| is_map(path)) {
            atlas.add(tmx::read(path, Source::Embedded(files))?)?;
        }
        atlas.check_arrivals()?;
        Ok(atlas)
    }

    /// Adds the maps of a folder's `*.tmx` files. One of a known name is an error.
    ///
    /// # Errors
    /// As [`Atlas::embedded`], or [`PlanError::Unreadable`].
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, PlanError> {
        let unreadable =
            |source| PlanError::Unreadable { path: folder.display().to_string(), source };
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if is_map(&path) {
                self.add(tmx::read(&path, Source::Disk)?)?;
            }
        }
        self.check_arrivals()?;
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
        let sheet = self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().map(MapName::as_str).collect();
            PlanError::Unknown { name: name.clone(), known: known.join(", ") }
        })?;
        Ok(&sheet.plan)
    }

    fn add(&mut self, sheet: Sheet) -> Result<(), PlanError> {
        match self.0.entry(sheet.plan.name.clone()) {
            Entry::Vacant(free) => {
                free.insert(sheet);
                Ok(())
            }
            Entry::Occupied(taken) => Err(PlanError::Twice {
                name: sheet.plan.name,
                first: taken.get().file.to_string(),
                second: sheet.file.to_string(),
            }),
        }
    }

    /// A portal may lead to a map of another program, which is not checked; one that leads to a
    /// map known here must arrive on its free ground.
    fn check_arrivals(&self) -> Result<(), PlanError> {
        for sheet in self.0.values() {
            for (portal, spot) in sheet.plan.portals.iter().zip(&sheet.portals) {
                let (Some(target), Some(arrive)) = (self.0.get(&portal.to), portal.arrive) else {
                    continue;
                };
                let Position { x, y } = arrive;
                if !target.plan.holds(arrive) {
                    let (width, height) = target.plan.ground.size();
                    return Err(spot.bad(format!(
                        "arrives at {x}, {y}, but map `{}` is {width} x {height} tiles; change \
                         `arrive_x` and `arrive_y`",
                        portal.to
                    )));
                }
                if !target.plan.ground.is_free(arrive) {
                    return Err(spot.bad(format!(
                        "arrives at {x}, {y}, which is a wall on map `{}`; change `arrive_x` and \
                         `arrive_y`",
                        portal.to
                    )));
                }
            }
        }
        Ok(())
    }
}

fn is_map(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmx")
}

#[cfg(test)]
mod tests;

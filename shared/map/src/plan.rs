//! What a map is: its size, where one comes in, and where one leaves to other maps.

use std::{collections::BTreeMap, path::Path};

use protocol::{MapName, Position};
use serde::Deserialize;

/// Longest side of a map, in tiles: beyond it, `f32` positions lose the hundredths of a tile.
const SIDE_MAX: f32 = 65_536.0;

/// A map, as its TOML file tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapPlan {
    /// Its name.
    pub name: MapName,
    /// Tiles from left to right.
    pub width: f32,
    /// Tiles from top to bottom.
    pub height: f32,
    /// Where a character stands that has no position yet.
    pub spawn: Position,
    /// The ways to other maps.
    #[serde(default)]
    pub portals: Vec<PortalPlan>,
}

/// A way to another map.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortalPlan {
    /// Its middle.
    pub at: Position,
    /// Within how many tiles of the middle it takes a player along.
    pub radius: f32,
    /// The map behind it.
    pub to: MapName,
    /// Where one arrives on that map.
    pub arrive: Position,
}

impl PortalPlan {
    /// Whether a point is close enough to be taken along.
    pub fn covers(&self, point: Position) -> bool {
        self.at.distance(point) <= self.radius
    }
}

/// Why a plan cannot be used.
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
    /// No plan, or one with an unknown or missing field.
    #[error("{origin} is no map plan: {source}")]
    NoPlan {
        /// The file, or the name of an embedded one.
        origin: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A field has a value that makes no sense.
    #[error("map `{map}`: {field} {problem}")]
    BadField {
        /// Which map.
        map: MapName,
        /// Which field, the portal included: `portal 2 (to cave): radius`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two plans have one name.
    #[error("map `{0}` is planned twice; rename one of them")]
    Twice(MapName),
    /// A map that nobody planned.
    #[error("there is no map `{name}` here; known maps: {known}")]
    Unknown {
        /// The name asked for.
        name: MapName,
        /// The names there are, with commas between.
        known: String,
    },
}

impl MapPlan {
    /// Reads one plan. `origin` stands in errors.
    ///
    /// # Errors
    /// [`PlanError::NoPlan`] or [`PlanError::BadField`].
    pub fn parse(origin: &str, text: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text)
            .map_err(|source| PlanError::NoPlan { origin: origin.to_owned(), source })?;
        plan.check()?;
        Ok(plan)
    }

    /// Whether a point lies on the map.
    pub fn holds(&self, point: Position) -> bool {
        (0.0..=self.width).contains(&point.x) && (0.0..=self.height).contains(&point.y)
    }

    /// The nearest point on the map.
    pub fn nearest(&self, point: Position) -> Position {
        Position { x: point.x.clamp(0.0, self.width), y: point.y.clamp(0.0, self.height) }
    }

    fn bad(&self, field: impl Into<String>, problem: impl Into<String>) -> PlanError {
        let (field, problem) = (field.into(), problem.into());
        PlanError::BadField { map: self.name.clone(), field, problem }
    }

    fn check(&self) -> Result<(), PlanError> {
        for (field, side) in [("width", self.width), ("height", self.height)] {
            if !(1.0..=SIDE_MAX).contains(&side) {
                return Err(self.bad(field, format!("is {side}; use 1 to {SIDE_MAX} tiles")));
            }
        }
        if !self.holds(self.spawn) {
            return Err(self.bad("spawn", "lies outside of the map"));
        }
        for (index, portal) in self.portals.iter().enumerate() {
            let field = |name| format!("portal {} (to {}): {name}", index + 1, portal.to);
            if !self.holds(portal.at) {
                return Err(self.bad(field("at"), "lies outside of the map"));
            }
            if !(portal.radius.is_finite() && portal.radius > 0.0) {
                return Err(self.bad(field("radius"), "must be more than 0 tiles"));
            }
            if !(portal.arrive.x.is_finite() && portal.arrive.y.is_finite()) {
                return Err(self.bad(field("arrive"), "must be a point"));
            }
            if portal.covers(self.spawn) {
                return Err(self.bad(field("radius"), "covers the spawn point; make it smaller"));
            }
        }
        Ok(())
    }
}

/// Every map that this program can run.
#[derive(Debug, Clone, Default)]
pub struct Atlas(BTreeMap<MapName, MapPlan>);

impl Atlas {
    /// The plans that are built into a program, as (name for errors, TOML text).
    ///
    /// # Errors
    /// The first plan that cannot be used, or two of one name.
    pub fn embedded(plans: &[(&str, &str)]) -> Result<Self, PlanError> {
        let mut atlas = Self::default();
        for (origin, text) in plans {
            atlas.add(MapPlan::parse(origin, text)?)?;
        }
        atlas.check_arrivals()?;
        Ok(atlas)
    }

    /// Adds the plans of a folder's `*.toml` files. One of a known name is an error.
    ///
    /// # Errors
    /// As [`Atlas::embedded`], or [`PlanError::Unreadable`].
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, PlanError> {
        let unreadable = |path: &Path| {
            let path = path.display().to_string();
            move |source| PlanError::Unreadable { path, source }
        };
        for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
                self.add(MapPlan::parse(&path.display().to_string(), &text)?)?;
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
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.names().map(MapName::as_str).collect();
            PlanError::Unknown { name: name.clone(), known: known.join(", ") }
        })
    }

    fn add(&mut self, plan: MapPlan) -> Result<(), PlanError> {
        let name = plan.name.clone();
        match self.0.insert(name.clone(), plan) {
            None => Ok(()),
            Some(_) => Err(PlanError::Twice(name)),
        }
    }

    /// A portal may lead to a map of another program, which is not checked; one that leads to a
    /// map known here must arrive on it.
    fn check_arrivals(&self) -> Result<(), PlanError> {
        for plan in self.0.values() {
            for (index, portal) in plan.portals.iter().enumerate() {
                if self.0.get(&portal.to).is_some_and(|target| !target.holds(portal.arrive)) {
                    let field = format!("portal {} (to {}): arrive", index + 1, portal.to);
                    return Err(plan.bad(field, "lies outside of that map"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOWN: &str = "name = 'town'\nwidth = 40\nheight = 30.5\nspawn = { x = 20, y = 15 }\n";

    fn portal(fields: &str) -> Result<MapPlan, PlanError> {
        MapPlan::parse("test", &format!("{TOWN}[[portals]]\n{fields}"))
    }

    #[test]
    fn a_plan_is_read() {
        let plan = portal(
            "at = { x = 26, y = 15 }\nradius = 1.5\nto = 'forest'\narrive = { x = 5, y = 5 }",
        )
        .unwrap();
        assert_eq!((plan.width, plan.height), (40.0, 30.5));
        assert!(plan.portals[0].covers(Position { x: 24.5, y: 15.0 }));
        assert!(!plan.portals[0].covers(Position { x: 24.4, y: 15.0 }));
    }

    #[test]
    fn an_error_names_the_map_the_portal_and_the_field() {
        let cases = [
            ("at = { x = 41, y = 1 }\nradius = 1\nto = 'forest'\narrive = { x = 1, y = 1 }", "at"),
            (
                "at = { x = 1, y = 1 }\nradius = 0\nto = 'forest'\narrive = { x = 1, y = 1 }",
                "radius",
            ),
            (
                "at = { x = 1, y = 1 }\nradius = 1\nto = 'forest'\narrive = { x = nan, y = 1 }",
                "arrive",
            ),
            (
                "at = { x = 20, y = 15 }\nradius = 1\nto = 'forest'\narrive = { x = 1, y = 1 }",
                "radius",
            ),
        ];
        for (fields, field) in cases {
            let error = portal(fields).unwrap_err().to_string();
            let start = format!("map `town`: portal 1 (to forest): {field}");
            assert!(error.starts_with(&start), "{error}");
        }
        let spawn = TOWN.replace("x = 20", "x = -1");
        let error = MapPlan::parse("test", &spawn).unwrap_err().to_string();
        assert_eq!(error, "map `town`: spawn lies outside of the map");
        assert!(
            MapPlan::parse("town.toml", "width = 1").unwrap_err().to_string().contains("town.toml")
        );
    }

    #[test]
    fn an_atlas_refuses_a_name_twice_an_arrival_off_the_map_and_an_unknown_name() {
        assert!(matches!(Atlas::embedded(&[("a", TOWN), ("b", TOWN)]), Err(PlanError::Twice(_))));
        let off = "name = 'forest'\nwidth = 9\nheight = 9\nspawn = { x = 1, y = 1 }\n\
            portals = [{ at = { x = 5, y = 5 }, radius = 1, to = 'town', arrive = { x = 1, y = 31 } }]";
        let error = Atlas::embedded(&[("a", TOWN), ("b", off)]).unwrap_err().to_string();
        assert_eq!(error, "map `forest`: portal 1 (to town): arrive lies outside of that map");
        let atlas = Atlas::embedded(&[("a", TOWN)]).unwrap();
        let error = atlas.plan(&"moon".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(error, "there is no map `moon` here; known maps: town");
    }

    #[test]
    fn a_folder_adds_its_plans() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lake.toml"), TOWN.replace("town", "lake")).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no plan").unwrap();
        let atlas = Atlas::embedded(&[("a", TOWN)]).unwrap().with_folder(folder.path()).unwrap();
        let names: Vec<_> = atlas.names().map(MapName::as_str).collect();
        assert_eq!(names, ["lake", "town"]);
        assert!(atlas.with_folder(&folder.path().join("none")).is_err());
    }
}

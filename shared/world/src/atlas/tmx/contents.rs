//! All that stands on a map, and whether it stands where it can.

use protocol::Position;
use tiled::ObjectData;

use super::objects::{self, Outline};
use crate::atlas::{
    error::{PlanError, Spot},
    ground::Ground,
    plan::{Place, PortalPlan, SpawnPoint},
};

/// The objects of a map, each with where its author finds it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) spawns: Vec<(Spot, SpawnPoint)>,
    pub(super) portals: Vec<(Spot, PortalPlan)>,
    pub(super) places: Vec<Place>,
}

impl Contents {
    /// Takes in one object.
    pub(super) fn add(
        &mut self,
        spot: Spot,
        object: &ObjectData,
        outline: Outline,
        ground: &Ground,
    ) -> Result<(), PlanError> {
        let sized = outline.size.0 >= 0.0 && outline.size.1 >= 0.0;
        if !(sized && ground.holds(outline.corner) && ground.holds(outline.end())) {
            return Err(spot.bad("lies outside of the map; move it onto it, whole"));
        }
        match object.user_type.as_str() {
            "spawn" => self.spawns.push((spot, objects::spawn(object, outline))),
            "portal" => {
                let portal = objects::portal(&spot, object, outline)?;
                self.portals.push((spot, portal));
            }
            _ => self.places.push(objects::place(&spot, object, outline)?),
        }
        Ok(())
    }

    /// Where a character stands that has no position yet: the spawn point of the name `spawn`, or
    /// the first one.
    pub(super) fn default_spawn(&self, file: &Spot) -> Result<Position, PlanError> {
        let points = || self.spawns.iter().map(|(_, spawn)| spawn);
        let named = points().find(|spawn| spawn.name == "spawn");
        named
            .or_else(|| points().next())
            .map(|spawn| spawn.at)
            .ok_or_else(|| file.bad("has no spawn point; add an object of the class `spawn`"))
    }

    /// Whether one can come in without being stuck, or sent away at once.
    pub(super) fn check(&self, ground: &Ground) -> Result<(), PlanError> {
        for (spot, spawn) in &self.spawns {
            if !ground.is_free(spawn.at) {
                return Err(spot.bad("stands in a wall; move it to a free tile"));
            }
        }
        for (spot, portal) in &self.portals {
            if !(portal.radius.is_finite() && portal.radius > 0.0) {
                return Err(
                    spot.bad(format!("its radius is {}; use more than 0 tiles", portal.radius))
                );
            }
            if let Some((_, spawn)) = self.spawns.iter().find(|(_, spawn)| portal.covers(spawn.at))
            {
                return Err(spot.bad(format!(
                    "covers the spawn point `{}`; make it smaller, or move it",
                    spawn.name
                )));
            }
        }
        Ok(())
    }
}

//! A map's objects: spawn points, portals, and places for the game.

use protocol::Position;
use tiled::{ObjectData, ObjectShape};

use super::properties;
use crate::atlas::{
    error::{PlanError, Spot},
    plan::{Place, PortalPlan, SpawnPoint},
};

/// How far an ellipse's width and height may differ for it to be a circle, in tiles.
const ROUND: f32 = 0.01;

/// From Tiled's pixels to the map's tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Pixels of one tile.
    pub(super) tile: (f32, f32),
    /// Where the map's top left corner lies, in pixels; layers that are drawn aside take it along.
    pub(super) origin: (f32, f32),
}

/// The rectangle around an object, in tiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outline {
    pub(super) corner: Position,
    pub(super) size: (f32, f32),
}

impl Outline {
    pub(super) fn of(object: &ObjectData, scale: Scale) -> Self {
        let (mut left, mut top) = (object.x, object.y);
        let (width, height) = match &object.shape {
            ObjectShape::Rect { width, height }
            | ObjectShape::Ellipse { width, height }
            | ObjectShape::Capsule { width, height }
            | ObjectShape::Text { width, height, .. } => (*width, *height),
            ObjectShape::Point(..) => (0.0, 0.0),
            ObjectShape::Polyline { points } | ObjectShape::Polygon { points } => {
                let across = span(points.iter().map(|point| point.0));
                let down = span(points.iter().map(|point| point.1));
                left += across.0;
                top += down.0;
                (across.1, down.1)
            }
        };
        // An object that shows a tile hangs from its bottom left corner.
        if object.tile_data().is_some() {
            top -= height;
        }
        let (across, down) = scale.tile;
        let (left, top) = (left - scale.origin.0, top - scale.origin.1);
        Self {
            corner: Position { x: left / across, y: top / down },
            size: (width / across, height / down),
        }
    }

    pub(super) fn middle(&self) -> Position {
        Position { x: self.corner.x + self.size.0 / 2.0, y: self.corner.y + self.size.1 / 2.0 }
    }

    /// The corner at the bottom right.
    pub(super) fn end(&self) -> Position {
        Position { x: self.corner.x + self.size.0, y: self.corner.y + self.size.1 }
    }
}

/// The least of some numbers, and how far the greatest is from it.
fn span(numbers: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let least = numbers.clone().fold(f32::INFINITY, f32::min);
    (least, numbers.fold(f32::NEG_INFINITY, f32::max) - least)
}

pub(super) fn spawn(object: &ObjectData, outline: Outline) -> SpawnPoint {
    SpawnPoint { name: object.name.clone(), at: outline.middle() }
}

pub(super) fn portal(
    spot: &Spot,
    object: &ObjectData,
    outline: Outline,
) -> Result<PortalPlan, PlanError> {
    let given = &object.properties;
    let to = properties::text(spot, given, "to")?
        .ok_or_else(|| spot.bad("has no property `to`; give it the name of a map"))?;
    Ok(PortalPlan {
        at: outline.middle(),
        radius: radius(spot, object, outline)?,
        to: to.parse().map_err(|error| spot.bad(format!("property `to`: {error}")))?,
        arrive: arrival(spot, object)?,
        instance: properties::flag(spot, given, "instance")?.unwrap_or(false),
    })
}

fn radius(spot: &Spot, object: &ObjectData, outline: Outline) -> Result<f32, PlanError> {
    if let Some(radius) = properties::number(spot, &object.properties, "radius")? {
        return Ok(radius);
    }
    let (width, height) = outline.size;
    match object.shape {
        ObjectShape::Ellipse { .. } if (width - height).abs() <= ROUND => Ok(width / 2.0),
        ObjectShape::Ellipse { .. } => {
            Err(spot.bad(format!("is {width} tiles wide but {height} high; make it a circle")))
        }
        _ => Err(spot.bad("has no radius; draw it as a circle, or give it the property `radius`")),
    }
}

fn arrival(spot: &Spot, object: &ObjectData) -> Result<Option<Position>, PlanError> {
    let axis = |name| properties::number(spot, &object.properties, name);
    match (axis("arrive_x")?, axis("arrive_y")?) {
        (None, None) => Ok(None),
        (Some(x), Some(y)) if x.is_finite() && y.is_finite() => Ok(Some(Position { x, y })),
        (Some(_), Some(_)) => Err(spot.bad("`arrive_x` and `arrive_y` must be finite numbers")),
        _ => Err(spot.bad("has one of `arrive_x` and `arrive_y`; give it both, or neither")),
    }
}

pub(super) fn place(
    spot: &Spot,
    object: &ObjectData,
    outline: Outline,
) -> Result<Place, PlanError> {
    Ok(Place {
        name: object.name.clone(),
        kind: object.user_type.clone(),
        at: outline.corner,
        size: outline.size,
        properties: properties::all(spot, &object.properties)?,
    })
}

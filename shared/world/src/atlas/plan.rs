//! What a map is: its ground, where one comes in, where one leaves, and what lies about.

use std::sync::Arc;

use protocol::{MapName, Position};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Ground, PlaceError};

/// How far players see each other where a map does not say, in tiles.
pub(super) const VIEW: f32 = 16.0;
/// How many entities one player is shown at most where a map does not say.
pub(super) const NEIGHBOURS: u16 = 100;

/// A map, as its Tiled file tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct MapPlan {
    /// Its name.
    pub name: MapName,
    /// Tiles from left to right, a whole number.
    pub width: f32,
    /// Tiles from top to bottom, a whole number.
    pub height: f32,
    /// Where a character stands that has no position yet.
    pub spawn: Position,
    /// Every spawn point, the default one too.
    pub spawns: Vec<SpawnPoint>,
    /// The ways to other maps.
    pub portals: Vec<PortalPlan>,
    /// Everything else that lies on the map, for the game.
    pub places: Vec<Place>,
    /// Where one can walk.
    pub ground: Arc<Ground>,
    /// Within how many tiles players see each other.
    pub view: f32,
    /// How many entities one player is shown at most.
    pub neighbours: u16,
    /// Whether this is a template: parties get instances of their own.
    pub instance: bool,
    /// All custom properties of the map, for the game.
    pub properties: Map<String, Value>,
}

/// A point where characters come in.
#[derive(Debug, Clone, PartialEq)]
pub struct SpawnPoint {
    /// Its name; may be empty.
    pub name: String,
    /// Where it is.
    pub at: Position,
}

/// A way to another map.
#[derive(Debug, Clone, PartialEq)]
pub struct PortalPlan {
    /// Its middle.
    pub at: Position,
    /// Within how many tiles of the middle it takes a player along.
    pub radius: f32,
    /// The map behind it.
    pub to: MapName,
    /// Where one arrives on that map; `None` is its spawn point.
    pub arrive: Option<Position>,
    /// Whether it leads to an instance of that map, one's own.
    pub instance: bool,
}

impl PortalPlan {
    /// Whether a point is close enough to be taken along.
    pub fn covers(&self, point: Position) -> bool {
        self.at.distance(point) <= self.radius
    }
}

/// Something on the map that only the game understands: a den, a shop, a heap of coins.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Its name; may be empty.
    pub name: String,
    /// Its class in Tiled; may be empty.
    pub kind: String,
    /// Its top left corner, or the point itself.
    pub at: Position,
    /// Tiles to the right and down; a point has none.
    pub size: (f32, f32),
    /// Its custom properties.
    pub properties: Map<String, Value>,
}

impl Place {
    /// Its custom properties, as the game's own type. Those that the type does not know are passed
    /// over.
    ///
    /// # Errors
    /// [`PlaceError`] with the place.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, PlaceError> {
        let read = serde_json::from_value(Value::Object(self.properties.clone()));
        let (name, kind) = (self.name.clone(), self.kind.clone());
        read.map_err(|source| PlaceError { name, kind, source })
    }

    /// Its middle, or the point itself.
    pub fn middle(&self) -> Position {
        Position { x: self.at.x + self.size.0 / 2.0, y: self.at.y + self.size.1 / 2.0 }
    }
}

impl MapPlan {
    /// An open field without a file, for tests and scenarios: nothing on it but a spawn point in
    /// the middle. Sides are rounded up to whole tiles and held to what maps may have.
    pub fn field(name: MapName, width: f32, height: f32) -> Self {
        let ground = Ground::open(width.ceil() as u32, height.ceil() as u32);
        let (width, height) = ground.size();
        let spawn = Position { x: width / 2.0, y: height / 2.0 };
        Self {
            name,
            width,
            height,
            spawn,
            spawns: vec![SpawnPoint { name: "spawn".to_owned(), at: spawn }],
            portals: Vec::new(),
            places: Vec::new(),
            ground: Arc::new(ground),
            view: VIEW,
            neighbours: NEIGHBOURS,
            instance: false,
            properties: Map::new(),
        }
    }

    /// The places of a class.
    pub fn places_of(&self, kind: &str) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| place.kind == kind)
    }

    /// Whether a point lies on the map.
    pub fn holds(&self, point: Position) -> bool {
        self.ground.holds(point)
    }

    /// The nearest point on the map, walls not considered; [`Ground::free_near`] considers them.
    pub fn nearest(&self, point: Position) -> Position {
        self.ground.nearest(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_covers_its_circle_and_no_more() {
        let portal = PortalPlan {
            at: Position { x: 26.0, y: 15.0 },
            radius: 1.5,
            to: "forest".parse().unwrap(),
            arrive: None,
            instance: false,
        };
        assert!(portal.covers(Position { x: 24.5, y: 15.0 }));
        assert!(!portal.covers(Position { x: 24.4, y: 15.0 }));
    }

    #[test]
    fn a_field_is_open_with_its_spawn_in_the_middle() {
        let plan = MapPlan::field("field".parse().unwrap(), 40.0, 29.5);
        assert_eq!((plan.width, plan.height), (40.0, 30.0));
        assert_eq!(plan.spawn, Position { x: 20.0, y: 15.0 });
        assert!(plan.ground.line_is_free(plan.spawn, Position { x: 40.0, y: 0.0 }));
        let outside = Position { x: -3.0, y: 31.0 };
        assert!(!plan.holds(outside));
        assert_eq!(plan.nearest(outside), Position { x: 0.0, y: 30.0 });
    }

    #[test]
    fn a_field_of_a_senseless_size_is_held_to_what_maps_may_have() {
        let name: MapName = "field".parse().unwrap();
        assert_eq!(MapPlan::field(name.clone(), f32::NAN, -1.0).width, 1.0);
        assert_eq!(MapPlan::field(name, 1e9, 1.0).width, 65_536.0);
    }
}

//! The demo world's rules, as stories.

mod again;
mod coins;
mod monsters;
mod parties;
mod shops;
mod trades;

use std::sync::Arc;

use protocol::{Code, Position, play::PlayMessage};
use serde_json::{Value, json};
use world::{
    Effect, Entity, Input as Happening, Scenario, Stage,
    atlas::{Atlas, MapPlan, Place},
    recording,
};

use super::*;

const SECOND: u32 = 20;

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

fn place(kind: &str, at: Position, size: (f32, f32), properties: Value) -> Place {
    let Value::Object(properties) = properties else { panic!("{properties}") };
    Place { name: kind.to_owned(), kind: kind.to_owned(), at, size, properties }
}

/// A field of 64 tiles square, where one comes in at the middle.
fn field(places: impl IntoIterator<Item = Place>) -> MapPlan {
    let mut plan = MapPlan::field("field".parse().unwrap(), 64.0, 64.0);
    plan.places = places.into_iter().collect();
    plan
}

fn rich(coins: u32) -> Player {
    Player { coins, ..Player::default() }
}

fn looks<'a>(scenario: &'a Scenario<Demo>, look: &'a str) -> impl Iterator<Item = &'a Entity> {
    scenario.stage().entities().filter(move |entity| entity.look() == look)
}

fn portal(at: Position, instance: bool) -> PortalPlan {
    PortalPlan { at, radius: 1.0, to: "dungeon".parse().unwrap(), arrive: None, instance }
}

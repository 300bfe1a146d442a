//! The smallest game.

use protocol::EntityId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Context, World, atlas::PlaceError};

/// A game without rules: one walks, speaks and goes through portals. Whatever is stored of a
/// player stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet;

/// Nothing that could be asked for or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {}

impl World for Quiet {
    type Config = Value;
    type Input = Nothing;
    type Output = Nothing;
    type Player = Value;

    fn open(_: Value, _: &mut Context<'_, Self>) -> Result<Self, PlaceError> {
        Ok(Self)
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}

    fn input(&mut self, _: EntityId, input: Nothing, _: &mut Context<'_, Self>) {
        match input {}
    }
}

//! Coins: whoever walks over one has it, and after a while another lies somewhere near.

use std::time::Duration;

use protocol::{EntityId, Position};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use world::{Entity, atlas::PlaceError};

use super::{Ctx, Output, Rules, coins};

/// How near one must come, in tiles. One walks a quarter of a tile in a tick.
const REACH: f32 = 0.75;

/// What a place of class `coins` says.
#[derive(Deserialize)]
struct Properties {
    count: u16,
}

/// An area with coins.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Heap {
    corner: Position,
    size: (f32, f32),
    coins: Vec<Coin>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Coin {
    Lies(EntityId),
    Due(Duration),
}

pub(super) fn open(ctx: &Ctx<'_>) -> Result<Vec<Heap>, PlaceError> {
    let heaps = ctx.map().places_of("coins").map(|place| {
        let Properties { count } = place.read()?;
        let coins = vec![Coin::Due(Duration::ZERO); count.into()];
        Ok(Heap { corner: place.at, size: place.size, coins })
    });
    heaps.collect()
}

impl Heap {
    /// Looks around each coin rather than at each player, of whom there may be thousands.
    pub(super) fn tick(&mut self, rules: &Rules, ctx: &mut Ctx<'_>) {
        let again = ctx.now() + Duration::from_secs(rules.coin_seconds.into());
        for coin in &mut self.coins {
            match *coin {
                Coin::Lies(lying) if is_taken(lying, ctx) => *coin = Coin::Due(again),
                Coin::Due(due) if due <= ctx.now() => {
                    let x = self.corner.x + ctx.rng().random::<f32>() * self.size.0;
                    let y = self.corner.y + ctx.rng().random::<f32>() * self.size.1;
                    *coin = Coin::Lies(ctx.spawn("coin", "coin", Position { x, y }));
                }
                _ => {}
            }
        }
    }
}

fn is_taken(coin: EntityId, ctx: &mut Ctx<'_>) -> bool {
    let Some(at) = ctx.entity(coin).map(Entity::position) else { return true };
    let is_finder = |near: &&Entity| near.is_player() && !near.is_frozen();
    let finder = ctx.near(at, REACH).find(is_finder).map(Entity::id);
    let Some(finder) = finder else { return false };
    let Some(player) = ctx.player_mut(finder) else { return false };
    player.coins = player.coins.saturating_add(1);
    let total = player.coins;
    ctx.book(finder, coins(1, "found"));
    ctx.send(finder, &Output::Coins { total });
    ctx.despawn(coin);
    true
}

//! Shops: what one buys there, one wears for all to see.

use std::collections::BTreeMap;

use protocol::{EntityId, Failure};
use serde::{Deserialize, Serialize};
use world::{CommitId, Entity, PLAYER, atlas::PlaceError};

use super::{Ctx, Output};

/// How near one must stand, in tiles.
const REACH: f32 = 3.0;

/// What a place of class `shop` says.
#[derive(Deserialize)]
struct Properties {
    goods: String,
    price: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shops {
    shops: Vec<Shop>,
    /// What is sold and not stored yet.
    deals: BTreeMap<CommitId, Deal>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Shop {
    keeper: EntityId,
    goods: String,
    price: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Deal {
    keeper: EntityId,
    buyer: EntityId,
    price: u32,
    /// What the buyer wore before.
    wore: Option<String>,
}

impl Shops {
    pub(super) fn open(ctx: &mut Ctx<'_>) -> Result<Self, PlaceError> {
        let mut shops = Vec::new();
        for place in ctx.map().places_of("shop") {
            let Properties { goods, price } = place.read()?;
            let keeper = ctx.spawn("keeper", &place.name, place.middle());
            shops.push(Shop { keeper, goods, price });
        }
        Ok(Self { shops, deals: BTreeMap::new() })
    }

    /// Coins and goods change hands at once: both are in what is saved, and no coin is spent twice.
    /// The buyer is told, and others see it, once that is durable.
    pub(super) fn buy(&mut self, buyer: EntityId, ctx: &mut Ctx<'_>) -> Result<(), &'static str> {
        if self.deals.values().any(|deal| deal.buyer == buyer) {
            return Err("you are buying already");
        }
        let at = ctx.entity(buyer).map(Entity::position).ok_or("you are gone")?;
        let is_near = |keeper| {
            ctx.entity(keeper).is_some_and(|keeper| keeper.position().distance(at) <= REACH)
        };
        let shop = self.shops.iter().find(|shop| is_near(shop.keeper));
        let &Shop { keeper, ref goods, price } = shop.ok_or("there is no shop near")?;
        let player = ctx.player_mut(buyer).ok_or("you are leaving")?;
        player.coins = player.coins.checked_sub(price).ok_or("you have too few coins")?;
        let wore = player.wears.replace(goods.clone());
        self.deals.insert(ctx.commit(buyer), Deal { keeper, buyer, price, wore });
        Ok(())
    }

    pub(super) fn settle(&mut self, id: CommitId, result: Result<(), Failure>, ctx: &mut Ctx<'_>) {
        let Some(Deal { keeper, buyer, price, wore }) = self.deals.remove(&id) else { return };
        let Some(player) = ctx.player_mut(buyer) else { return };
        if let Err(failure) = result {
            player.coins = player.coins.saturating_add(price);
            player.wears = wore;
            return ctx.send(buyer, &Output::NotBought { why: failure.message });
        }
        let total = player.coins;
        ctx.send(buyer, &Output::Bought { total });
        dress(buyer, ctx);
        ctx.say_near(keeper, "It suits you!");
    }
}

/// Lets a player look like what it wears.
pub(super) fn dress(player: EntityId, ctx: &mut Ctx<'_>) {
    if let Some(goods) = ctx.player(player).and_then(|player| player.wears.as_ref()) {
        ctx.set_look(player, &format!("{PLAYER}-{goods}"));
    }
}

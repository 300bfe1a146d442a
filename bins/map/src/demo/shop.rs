//! Shops: what one buys there, one wears for all to see, until it is sold out for a while.

use std::{collections::BTreeMap, time::Duration};

use protocol::{EntityId, Failure, LedgerEntry};
use serde::{Deserialize, Serialize};
use world::{CommitId, Entity, PLAYER, atlas::PlaceError};

use super::{Ctx, Output, coins};

/// How near one must stand, in tiles.
const REACH: f32 = 3.0;

/// What a place of class `shop` says.
#[derive(Debug, Serialize, Deserialize)]
struct Properties {
    goods: String,
    price: u32,
    /// How many there are at most, and after how many seconds another one comes in.
    stock: u32,
    restock_seconds: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shops {
    shops: Vec<Shop>,
    /// What is sold and not stored yet: to whom, from which shop.
    deals: BTreeMap<CommitId, (EntityId, usize)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Shop {
    keeper: EntityId,
    sells: Properties,
    left: u32,
    next: Duration,
}

impl Shops {
    pub(super) fn open(ctx: &mut Ctx<'_>) -> Result<Self, PlaceError> {
        let mut shops = Vec::new();
        for place in ctx.map().places_of("shop") {
            let sells: Properties = place.read()?;
            let keeper = ctx.spawn("keeper", &place.name, place.middle());
            let next = Duration::from_secs(sells.restock_seconds.into());
            shops.push(Shop { keeper, left: sells.stock, sells, next });
        }
        Ok(Self { shops, deals: BTreeMap::new() })
    }

    pub(super) fn tick(&mut self, ctx: &Ctx<'_>) {
        for Shop { sells, left, next, .. } in &mut self.shops {
            let is_full = *left >= sells.stock;
            if is_full || *next <= ctx.now() {
                *left += u32::from(!is_full);
                *next = ctx.now() + Duration::from_secs(sells.restock_seconds.into());
            }
        }
    }

    /// Coins and goods change hands once both are stored, and the buyer and others are told then.
    pub(super) fn buy(&mut self, buyer: EntityId, ctx: &mut Ctx<'_>) -> Result<(), &'static str> {
        let at = ctx.entity(buyer).map(Entity::position).ok_or("you are gone")?;
        let is_near = |keeper| {
            ctx.entity(keeper).is_some_and(|keeper| keeper.position().distance(at) <= REACH)
        };
        let found = self.shops.iter().position(|shop| is_near(shop.keeper));
        let found = found.and_then(|place| Some((place, self.shops.get_mut(place)?)));
        let (place, shop) = found.ok_or("there is no shop near")?;
        let Properties { goods, price, .. } = &shop.sells;
        if shop.left == 0 {
            return Err("it is sold out; come back later");
        }
        if ctx.player(buyer).is_none_or(|player| player.coins < *price) {
            return Err("you have too few coins");
        }
        let commit = ctx.commit([buyer], |[player]| {
            player.coins = player.coins.checked_sub(*price)?;
            let worn = player.wears.replace(goods.clone());
            let worn = worn.map(|worn| LedgerEntry::new(&worn, -1, "worn out"));
            let lines = [coins(-i64::from(*price), "shop"), LedgerEntry::new(goods, 1, "shop")];
            Some(lines.into_iter().chain(worn).map(|line| (buyer, line)).collect())
        });
        let commit = commit.ok_or("you are at another deal, or leaving")?;
        shop.left -= 1;
        self.deals.insert(commit, (buyer, place));
        Ok(())
    }

    pub(super) fn settle(&mut self, id: CommitId, result: &Result<(), Failure>, ctx: &mut Ctx<'_>) {
        let Some((buyer, place)) = self.deals.remove(&id) else { return };
        let Some(shop) = self.shops.get_mut(place) else { return };
        if let Err(failure) = result {
            shop.left += 1;
            return ctx.send(buyer, &Output::NotBought { why: failure.message.clone() });
        }
        let Some(&super::Player { coins: total, .. }) = ctx.player(buyer) else { return };
        ctx.send(buyer, &Output::Bought { total });
        dress(buyer, ctx);
        ctx.say_near(shop.keeper, "It suits you!");
    }
}

/// Lets a player look like what it wears.
pub(super) fn dress(player: EntityId, ctx: &mut Ctx<'_>) {
    let wears = ctx.player(player).and_then(|player| player.wears.as_ref());
    let look = wears.map_or(PLAYER.to_owned(), |goods| format!("{PLAYER}-{goods}"));
    ctx.set_look(player, &look);
}

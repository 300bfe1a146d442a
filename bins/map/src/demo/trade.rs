//! Trades: one offers coins for what another wears, or gives them away; the other accepts.

use std::collections::BTreeMap;

use protocol::{EntityId, Failure, LedgerEntry};
use serde::{Deserialize, Serialize};
use world::{CommitId, Entity};

use super::{Ctx, Output, coins, shop::dress};

/// How near both must stand, in tiles.
const REACH: f32 = 3.0;

/// What one offers another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Offer {
    to: EntityId,
    coins: u32,
    /// What the other wears; without it, the coins are a gift.
    goods: Option<String>,
}

/// The last offer of each, and deals that are not stored yet.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Trades {
    offers: BTreeMap<EntityId, Offer>,
    deals: BTreeMap<CommitId, [EntityId; 2]>,
}

impl Trades {
    pub(super) fn offer(&mut self, from: EntityId, offer: Offer, ctx: &mut Ctx<'_>) {
        let (coins, goods) = (offer.coins, offer.goods.clone());
        ctx.send(offer.to, &Output::Offered { from, coins, goods });
        self.offers.insert(from, offer);
    }

    /// Both give and both get, once it is stored for both.
    pub(super) fn accept(
        &mut self,
        seller: EntityId,
        buyer: EntityId,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), &'static str> {
        let is_meant = |offer: &&Offer| offer.to == seller;
        let Offer { coins: price, goods, .. } =
            self.offers.get(&buyer).filter(is_meant).ok_or("nothing is offered to you")?;
        let at = |player| ctx.entity(player).map(Entity::position);
        let is_near = |(a, b): (protocol::Position, _)| a.distance(b) <= REACH;
        at(buyer).zip(at(seller)).filter(|at| is_near(*at)).ok_or("you stand too far apart")?;
        let amount = i64::from(*price);
        let commit = ctx.commit([buyer, seller], |[buys, sells]| {
            buys.coins = buys.coins.checked_sub(*price)?;
            sells.coins = sells.coins.checked_add(*price)?;
            let mut lines =
                vec![(buyer, coins(-amount, "trade")), (seller, coins(amount, "trade"))];
            if let Some(goods) = goods {
                let given = sells.wears.take().filter(|worn| worn == goods)?;
                lines.push((seller, LedgerEntry::new(goods, -1, "trade")));
                lines.push((buyer, LedgerEntry::new(goods, 1, "trade")));
                let worn = buys.wears.replace(given);
                lines.extend(worn.map(|worn| (buyer, LedgerEntry::new(&worn, -1, "worn out"))));
            }
            Some(lines)
        });
        let commit = commit.ok_or("one of you has not got it, or is busy")?;
        self.offers.remove(&buyer);
        self.deals.insert(commit, [buyer, seller]);
        Ok(())
    }

    pub(super) fn settle(&mut self, id: CommitId, result: &Result<(), Failure>, ctx: &mut Ctx<'_>) {
        for player in self.deals.remove(&id).into_iter().flatten() {
            let Some(&super::Player { coins: total, .. }) = ctx.player(player) else { continue };
            match result {
                Ok(()) => ctx.send(player, &Output::Traded { total }),
                Err(failure) => {
                    ctx.send(player, &Output::NotTraded { why: failure.message.clone() });
                }
            }
            dress(player, ctx);
        }
    }

    pub(super) fn leave(&mut self, player: EntityId) {
        self.offers.remove(&player);
    }
}

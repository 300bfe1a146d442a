//! The demo world: coins to find, monsters to run from, shops to spend in, others to trade with, and
//! a dungeon to enter together. Walking, chat, portals, saving and who sees whom are the engine's.
//!
//! # Layout
//! - this file: what a player has, may ask for and is told, and what a map may set.
//! - `coin`, `monster`, `shop`, `trade`, `party`: a rule of the game each.

mod coin;
mod monster;
mod party;
mod shop;
#[cfg(test)]
mod tests;
mod trade;

use protocol::{EntityId, Failure, LedgerEntry};
use serde::{Deserialize, Serialize};
use world::{
    CommitId, Context, World,
    atlas::{PlaceError, PortalPlan},
};

use self::{
    coin::Heap,
    monster::Monster,
    shop::Shops,
    trade::{Offer, Trades},
};

type Ctx<'a> = Context<'a, Demo>;

/// All that the game remembers of a map. A recording begins with it, so it can be written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Demo {
    rules: Rules,
    heaps: Vec<Heap>,
    monsters: Vec<Monster>,
    shops: Shops,
    trades: Trades,
}

/// What the custom properties of a map may set.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    /// How fast monsters hunt, in tiles a second. Players walk 5, so they get away.
    monster_speed: f32,
    /// Seconds until a coin that was found lies somewhere else.
    coin_seconds: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { monster_speed: 4.0, coin_seconds: 20 }
    }
}

/// What is stored of a player. What an older version of the game has stored lacks the newer fields.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Player {
    coins: u32,
    wears: Option<String>,
    party: Option<String>,
}

/// What a client may ask for.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Input {
    /// What the shop near by sells.
    Buy,
    /// To give another player coins, for what it wears.
    Offer(Offer),
    /// What another player has offered.
    Accept { from: EntityId },
    /// To be in the party of all who say this word; without one, in none.
    Party { word: Option<String> },
}

/// What a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Output {
    /// You have so many coins.
    Coins { total: u32 },
    /// A monster caught you.
    Caught { lost: u32, total: u32 },
    /// It is yours, and that is stored.
    Bought { total: u32 },
    /// It is not, and you have your coins.
    NotBought { why: String },
    /// Another player offers you coins, for what you wear or for nothing.
    Offered { from: EntityId, coins: u32, goods: Option<String> },
    /// It is done, and that is stored for both.
    Traded { total: u32 },
    /// It is not, and everybody has what they had.
    NotTraded { why: String },
    /// Those of your party who stand near by, you among them.
    Party { members: Vec<String> },
}

impl World for Demo {
    type Config = Rules;
    type Input = Input;
    type Output = Output;
    type Player = Player;

    fn open(rules: Rules, ctx: &mut Ctx<'_>) -> Result<Self, PlaceError> {
        let (heaps, monsters) = (coin::open(ctx)?, monster::open(ctx)?);
        let (shops, trades) = (Shops::open(ctx)?, Trades::default());
        Ok(Self { rules, heaps, monsters, shops, trades })
    }

    fn tick(&mut self, ctx: &mut Ctx<'_>) {
        for heap in &mut self.heaps {
            heap.tick(&self.rules, ctx);
        }
        monster::tick(&mut self.monsters, &self.rules, ctx);
        self.shops.tick(ctx);
    }

    fn input(&mut self, player: EntityId, input: Input, ctx: &mut Ctx<'_>) {
        match input {
            Input::Buy => {
                if let Err(why) = self.shops.buy(player, ctx) {
                    ctx.send(player, &Output::NotBought { why: why.to_owned() });
                }
            }
            Input::Offer(offer) => self.trades.offer(player, offer, ctx),
            Input::Accept { from } => {
                if let Err(why) = self.trades.accept(player, from, ctx) {
                    ctx.send(player, &Output::NotTraded { why: why.to_owned() });
                }
            }
            Input::Party { word } => party::agree(player, word, ctx),
        }
    }

    fn enter(&mut self, player: EntityId, ctx: &mut Ctx<'_>) {
        shop::dress(player, ctx);
        if let Some(&Player { coins: total, .. }) = ctx.player(player) {
            ctx.send(player, &Output::Coins { total });
        }
    }

    /// Whoever of the party stands near comes along.
    fn warp_out(&mut self, player: EntityId, portal: &PortalPlan, ctx: &mut Ctx<'_>) {
        let party = party::together(player, ctx);
        if portal.instance {
            ctx.spawn_instance(&portal.to, &party);
        } else {
            ctx.warp_party(&party, &portal.to, portal.arrive);
        }
    }

    fn leave(&mut self, player: EntityId, _: &mut Ctx<'_>) {
        self.trades.leave(player);
    }

    fn committed(&mut self, id: CommitId, result: Result<(), Failure>, ctx: &mut Ctx<'_>) {
        self.shops.settle(id, &result, ctx);
        self.trades.settle(id, &result, ctx);
    }
}

/// A line of the ledger.
fn coins(amount: i64, why: &str) -> LedgerEntry {
    LedgerEntry::new("coins", amount, why)
}

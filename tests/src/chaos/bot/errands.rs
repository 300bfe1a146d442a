//! What a player does on a map: one errand after another.

use std::time::Duration;

use protocol::Position;
use rand::RngExt;
use serde_json::json;
use tokio::time::Instant;

use super::{Bot, LOOK};
use crate::chaos::{
    layout::{GOODS, PORTAL, PRICE, shop},
    stay::{Over, Signal, Stay},
};

/// How long a user waits for an answer to a purchase, and for a warp.
const ANSWER: Duration = Duration::from_secs(6);
/// How long a walk over the map takes at most.
const WALK: Duration = Duration::from_secs(8);

impl Bot {
    /// Buys, warps or gathers.
    ///
    /// # Errors
    /// When its stay is over.
    pub(super) async fn errand(&mut self) -> Result<(), Over> {
        let (coins, asked) = {
            let notes = self.notes.write();
            (notes.promises.coins(), notes.promises.asked())
        };
        if asked.is_none() && coins >= PRICE && self.rng.random_ratio(1, 2) {
            self.buy().await
        } else if self.rng.random_ratio(1, 2) {
            self.warp().await
        } else {
            self.gather().await
        }
    }

    /// Walks to a coin in sight.
    async fn gather(&mut self) -> Result<(), Over> {
        let around = self.stay()?.client.surroundings();
        let coins: Vec<Position> = around
            .iter()
            .flat_map(|around| around.others.values())
            .filter(|other| other.look == "coin")
            .map(|coin| coin.position)
            .collect();
        let place = self.rng.random_range(0..coins.len().max(1));
        match coins.get(place) {
            Some(coin) => self.walk(*coin).await.map(drop),
            None => self.stay()?.signal(LOOK, |_| None::<()>).await.map(drop),
        }
    }

    /// Walks to who sells the next goods, and buys them there.
    async fn buy(&mut self) -> Result<(), Over> {
        let goods = self.notes.write().promises.next_goods();
        if !self.walk(shop(goods % GOODS.len())).await? {
            return Ok(());
        }
        let since = self.audit.last().await;
        {
            let mut notes = self.notes.write();
            let ask = notes.promises.asks(since);
            notes.note(format!("asks for {ask:?}"));
        }
        if self.stay()?.client.act(json!({ "type": "buy" })).await.is_err() {
            return self.stay()?.signal(LOOK, |_| None::<()>).await.map(drop);
        }
        let answered = |signal: &Signal| match signal {
            Signal::Bought => Some(true),
            Signal::NotBought => Some(false),
            _ => None,
        };
        let bought = self.stay()?.signal(ANSWER, answered).await?;
        self.is_refused(bought != Some(true));
        Ok(())
    }

    /// Walks into the portal.
    async fn warp(&mut self) -> Result<(), Over> {
        if self.stay()?.client.walk(PORTAL).await.is_err() {
            return self.stay()?.signal(LOOK, |_| None::<()>).await.map(drop);
        }
        let answered = |signal: &Signal| match signal {
            Signal::Warped => Some(true),
            Signal::WarpRefused => Some(false),
            _ => None,
        };
        let warped = self.stay()?.signal(WALK + ANSWER, answered).await?;
        self.is_refused(warped != Some(true));
        if warped == Some(false) {
            // Who stands in a portal must leave it before it takes one along again.
            self.walk(Position { x: PORTAL.x - 3.0, y: PORTAL.y }).await?;
        }
        Ok(())
    }

    fn is_refused(&mut self, is_refused: bool) {
        self.refusals = if is_refused { self.refusals + 1 } else { 0 };
    }

    /// Whether it has arrived.
    async fn walk(&mut self, to: Position) -> Result<bool, Over> {
        let stay = self.stay()?;
        if stay.client.walk(to).await.is_err() {
            return stay.signal(LOOK, |_| None::<()>).await.map(|_| false);
        }
        let until = Instant::now() + WALK;
        while Instant::now() < until {
            let here = stay.client.surroundings().map(|around| around.position);
            if here.is_some_and(|here| here.distance(to) < 0.1) {
                return Ok(true);
            }
            stay.signal(LOOK, |_| None::<()>).await?;
        }
        Ok(false)
    }

    fn stay(&mut self) -> Result<&mut Stay, Over> {
        self.stay.as_mut().ok_or(Over)
    }
}

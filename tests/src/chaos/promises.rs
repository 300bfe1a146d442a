//! What one player was promised. Pure: what it hears goes in, what breaks a promise comes out.
//!
//! # What is promised, and what is not
//! - `bought` says that the goods are stored, and their price with them: whatever happens from then
//!   on, the player never comes back without them. What it found before is stored too, because a
//!   purchase saves the whole character.
//! - A warp that was told (`warp_to`) and a leave that was answered without a failure have saved
//!   all: the player comes back with exactly what it had.
//! - A coin that was found is saved with the next of these, or by the save that comes every few
//!   seconds, of which the player hears nothing. So a player who lost its map may come back with
//!   any sum that it had since its last promise, and no other.
//! - `not_bought`, and no answer at all, promise nothing: the store may have taken the purchase
//!   although its answer was lost. Then the price may be gone, and the goods are there.

use super::layout::{GOODS, PRICE};

/// Coins that a player may have found without having heard of it: those of the last moments before
/// its map was lost.
const UNHEARD: u32 = 2;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// Something is gone.
    Lost(String),
    /// Something is there that never was.
    Doubled(String),
}

/// A purchase that was asked for and not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Which of this player's purchases, from 0.
    pub number: usize,
    /// The last change of the store before it was asked for.
    pub since: i64,
}

/// A purchase that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Which of this player's purchases, from 0.
    pub number: usize,
    /// The change of the store that holds it.
    pub row: i64,
}

/// One player's.
#[derive(Debug, Default)]
pub struct Promises {
    /// Sums that may be stored: those since the last promise.
    possible: Vec<u32>,
    /// The last sum that was heard.
    coins: u32,
    /// All was saved, and nothing has happened since.
    is_exact: bool,
    asked: Option<Ask>,
    /// Purchases since the last promise that may be stored, or not.
    in_doubt: u32,
    acks: Vec<Ack>,
}

impl Promises {
    /// The last sum that was heard.
    pub fn coins(&self) -> u32 {
        self.coins
    }

    /// The purchase that waits for an answer.
    pub fn asked(&self) -> Option<Ask> {
        self.asked
    }

    /// All that was acknowledged.
    pub fn acks(&self) -> &[Ack] {
        &self.acks
    }

    /// Which of the goods is next.
    pub fn next_goods(&self) -> usize {
        self.acks.len() % GOODS.len()
    }

    /// The player is on a map, by a call or by a warp, and hears what it has.
    ///
    /// # Errors
    /// What it should have.
    pub fn enters(&mut self, coins: u32) -> Result<(), Broken> {
        let spent =
            PRICE * if self.is_exact { u32::from(self.asked.is_some()) } else { self.in_doubt };
        let (possible, unheard) = match self.is_exact {
            true => (vec![self.coins], 0),
            false => (self.possible.clone(), UNHEARD),
        };
        let least = possible.iter().min().copied().unwrap_or(0).saturating_sub(spent);
        let most = possible.iter().max().copied().unwrap_or(0) + unheard;
        let judged = if coins < least {
            Err(Broken::Lost(format!(
                "came back with {coins} coins, not {least} to {most}: {self:?}"
            )))
        } else if coins > most {
            Err(Broken::Doubled(format!(
                "came back with {coins} coins, not {least} to {most}: {self:?}"
            )))
        } else {
            Ok(())
        };
        self.stored(coins);
        // Whatever became of it: a new stay asks anew.
        self.asked = None;
        judged
    }

    /// It found a coin.
    pub fn finds(&mut self, coins: u32) {
        self.is_exact = false;
        self.coins = coins;
        self.possible.push(coins);
    }

    /// It asks for its next goods.
    pub fn asks(&mut self, since: i64) -> Ask {
        let ask = Ask { number: self.acks.len(), since };
        (self.asked, self.is_exact) = (Some(ask), false);
        self.in_doubt += 1;
        ask
    }

    /// It was told that it has them; the change of the store that holds them is `row`.
    pub fn bought(&mut self, coins: u32, row: i64) {
        let number = self.acks.len();
        self.stored(coins);
        (self.asked, self.is_exact) = (None, false);
        self.acks.push(Ack { number, row });
    }

    /// It was told that it has them not, or heard nothing.
    pub fn is_refused(&mut self) {
        self.asked = None;
    }

    /// All is saved: it was sent to another map, or has left.
    pub fn is_saved(&mut self) {
        self.is_exact = true;
    }

    fn stored(&mut self, coins: u32) {
        (self.coins, self.in_doubt) = (coins, 0);
        self.possible = vec![coins];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Came with 5 coins, found two more.
    fn with_seven() -> Promises {
        let mut promises = Promises::default();
        promises.finds(5);
        promises.enters(5).unwrap();
        promises.finds(6);
        promises.finds(7);
        promises
    }

    #[test]
    fn coins_found_since_may_be_lost_with_the_map_and_no_others() {
        for coins in 5..=7 + UNHEARD {
            with_seven().enters(coins).unwrap();
        }
        assert!(matches!(with_seven().enters(4), Err(Broken::Lost(_))));
        assert!(matches!(with_seven().enters(8 + UNHEARD), Err(Broken::Doubled(_))));
    }

    #[test]
    fn after_a_warp_or_a_leave_there_is_exactly_what_there_was() {
        let saved = || {
            let mut promises = with_seven();
            promises.is_saved();
            promises
        };
        saved().enters(7).unwrap();
        assert!(matches!(saved().enters(6), Err(Broken::Lost(_))));
        assert!(matches!(saved().enters(8), Err(Broken::Doubled(_))));
    }

    #[test]
    fn what_was_bought_is_not_unbought_and_what_was_not_may_be() {
        let mut promises = with_seven();
        promises.asks(1);
        promises.bought(7 - PRICE, 2);
        assert_eq!((promises.coins(), promises.next_goods()), (7 - PRICE, 1));
        assert!(matches!(promises.enters(7), Err(Broken::Doubled(_))), "the price is back");

        for is_heard in [true, false] {
            let mut promises = with_seven();
            promises.asks(1);
            if is_heard {
                promises.is_refused();
            }
            promises.enters(5 - PRICE).unwrap();
            assert_eq!(promises.next_goods(), 0);
        }
    }
}

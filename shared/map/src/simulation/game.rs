//! The game that is simulated: purses. Every change has a number, which is the reason of its line
//! in the ledger, so that what the game was told of it can be compared with what is stored.

use std::collections::BTreeMap;

use protocol::{Code, EntityId, Failure, LedgerEntry, MapName};
use serde::{Deserialize, Serialize};
use world::{CommitId, Context, World, atlas::PlaceError};

/// What a player wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Wish {
    /// Three coins, durable or not at all.
    Bank(u64),
    /// Give one coin to the next player.
    Share(u64),
    /// Five coins, saved by and by.
    Find(u64),
    /// To another map.
    Warp(MapName),
}

/// What the game is told of a change that must last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    Done,
    Refused,
    /// Its players are all elsewhere, and no answer came.
    NotKnown,
}

/// Purses, and what became of changes on this map.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Purses {
    asked: BTreeMap<CommitId, u64>,
    /// What was told of changes that must last, in this order.
    pub(super) told: Vec<(u64, Verdict)>,
    /// Which players were let have what they found.
    pub(super) found: Vec<u64>,
}

impl Purses {
    /// Whether nobody waits to be told.
    pub(super) fn is_settled(&self) -> bool {
        self.asked.is_empty()
    }

    fn asked(&mut self, change: u64, commit: Option<CommitId>) {
        match commit {
            Some(commit) => drop(self.asked.insert(commit, change)),
            None => self.told.push((change, Verdict::Refused)),
        }
    }
}

fn line(change: u64, amount: i64) -> LedgerEntry {
    LedgerEntry::new("coins", amount, &change.to_string())
}

impl World for Purses {
    type Config = serde_json::Value;
    type Input = Wish;
    type Output = String;
    type Player = i64;

    fn open(_: serde_json::Value, _: &mut Context<'_, Self>) -> Result<Self, PlaceError> {
        Ok(Self::default())
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}

    fn input(&mut self, player: EntityId, wish: Wish, ctx: &mut Context<'_, Self>) {
        match wish {
            Wish::Bank(change) => {
                let commit = ctx.commit([player], |[purse]| {
                    *purse += 3;
                    Some(vec![(player, line(change, 3))])
                });
                self.asked(change, commit);
            }
            Wish::Share(change) => {
                let other = ctx.players().find(|other| *other != player);
                let commit = other.and_then(|other| {
                    ctx.commit([player, other], |[mine, theirs]| {
                        (*mine, *theirs) = (*mine - 1, *theirs + 1);
                        Some(vec![(player, line(change, -1)), (other, line(change, 1))])
                    })
                });
                self.asked(change, commit);
            }
            Wish::Find(change) => {
                if let Some(purse) = ctx.player_mut(player) {
                    *purse += 5;
                    ctx.book(player, line(change, 5));
                    self.found.push(change);
                }
            }
            Wish::Warp(map) => ctx.warp(player, &map, None),
        }
    }

    fn committed(
        &mut self,
        commit: CommitId,
        result: Result<(), Failure>,
        _: &mut Context<'_, Self>,
    ) {
        // Told twice, or of what nobody asked for, is a fault as well.
        let change = self.asked.remove(&commit).expect("a commit is told once");
        let verdict = match result {
            Ok(()) => Verdict::Done,
            Err(failure) if failure.code == Code::DeadlinePassed => Verdict::NotKnown,
            Err(_) => Verdict::Refused,
        };
        self.told.push((change, verdict));
    }
}

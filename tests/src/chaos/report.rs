//! What came of a run.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::bot::Bot;

/// What came of a run. `losses`, `duplicates` and `stuck` must be 0.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What the plan was made from.
    pub seed: u64,
    /// How long servers were hurt.
    pub seconds: u64,
    /// Players.
    pub bots: usize,
    /// All faults.
    pub faults: u32,
    /// Faults by kind.
    pub by_kind: BTreeMap<String, u32>,
    /// Faults that found nothing to hurt: a Map Server that was just being started.
    pub missed: u32,
    /// Players that arrived on another map.
    pub warps: u32,
    /// Purchases that were acknowledged.
    pub purchases: usize,
    /// Changes of characters in the store.
    pub changes: usize,
    /// Characters taken from an owner that was held for dead, or that nobody had come to.
    pub passed_over: usize,
    /// Stale copies that a Map Server was refused to save, or to keep, and dropped.
    pub fenced: usize,
    /// What was said once more, late, and was refused.
    pub echoes_fenced: u32,
    /// Acknowledged after the player had entered elsewhere; stored all the same.
    pub late_acks: u32,
    /// Programs that ended without a fault, and were started again.
    pub ended_by_themselves: usize,
    /// Promises that were broken.
    pub losses: usize,
    /// Characters that were at two places, or have what they never had.
    pub duplicates: usize,
    /// Players who could not enter, or cluster that was not whole, after all was mended.
    pub stuck: usize,
    /// The longest time in which some player could not play.
    pub longest_unplayable_ms: u128,
    /// The median over players of the same.
    pub median_unplayable_ms: u128,
    /// How long the cluster took to be whole after the last fault was mended.
    pub whole_after_ms: u128,
    /// What is behind the three counts, in words.
    #[serde(skip)]
    pub problems: Vec<String>,
    /// What was strange, in words.
    #[serde(skip)]
    pub oddities: Vec<String>,
}

impl Report {
    /// Something is gone.
    pub fn loses(&mut self, what: impl IntoIterator<Item = String>) {
        let before = self.problems.len();
        self.problems.extend(what.into_iter().map(|what| format!("lost: {what}")));
        self.losses += self.problems.len() - before;
    }

    /// Something is there twice.
    pub fn doubles(&mut self, what: impl IntoIterator<Item = String>) {
        let before = self.problems.len();
        self.problems.extend(what.into_iter().map(|what| format!("doubled: {what}")));
        self.duplicates += self.problems.len() - before;
    }

    /// Somebody cannot go on.
    pub fn is_stuck(&mut self, what: impl IntoIterator<Item = String>) {
        let before = self.problems.len();
        self.problems.extend(what.into_iter().map(|what| format!("stuck: {what}")));
        self.stuck += self.problems.len() - before;
    }

    /// Takes in what the players have noted.
    pub fn take_notes(&mut self, bots: &[Bot]) {
        let mut unplayable: Vec<Duration> = Vec::new();
        for bot in bots {
            let mut notes = bot.notes.write();
            self.warps += notes.warps;
            self.purchases += notes.promises.acks().len();
            self.late_acks += notes.late_acks;
            unplayable.push(notes.unplayable);
            let (losses, duplicates) =
                (std::mem::take(&mut notes.losses), std::mem::take(&mut notes.duplicates));
            self.oddities.append(&mut notes.oddities);
            drop(notes);
            self.loses(losses);
            self.doubles(duplicates);
        }
        unplayable.sort();
        let ms = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
        self.longest_unplayable_ms = ms(unplayable.last());
        self.median_unplayable_ms = ms(unplayable.get(unplayable.len() / 2));
    }

    /// One line of JSON.
    ///
    /// # Panics
    /// Never: its keys are text.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("a report")
    }

    /// Whether nothing was lost, doubled or stuck.
    pub fn is_clean(&self) -> bool {
        self.losses == 0 && self.duplicates == 0 && self.stuck == 0
    }
}

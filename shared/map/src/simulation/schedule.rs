//! Who decides what happens next: every possibility in turn, or a seed.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

/// Goes through all choices depth first, one run after the other.
#[derive(Debug, Default)]
pub(super) struct Exhaustive {
    /// What is chosen at each step, out of how many.
    path: Vec<(usize, usize)>,
    at: usize,
}

impl Exhaustive {
    /// The next choice of this run.
    pub(super) fn choose(&mut self, among: usize) -> usize {
        if self.at == self.path.len() {
            self.path.push((0, among));
        }
        let (chosen, before) = self.path[self.at];
        assert_eq!(before, among, "a run is not a function of its choices");
        self.at += 1;
        chosen
    }

    /// To the next run. False after the last one.
    pub(super) fn next_run(&mut self) -> bool {
        self.path.truncate(self.at);
        self.at = 0;
        while let Some((chosen, among)) = self.path.pop() {
            if chosen + 1 < among {
                self.path.push((chosen + 1, among));
                return true;
            }
        }
        false
    }

    /// The same run once more.
    pub(super) fn again(&mut self) {
        self.path.truncate(self.at);
        self.at = 0;
    }

    /// The choices of this run, to be told of one that failed.
    pub(super) fn path(&self) -> Vec<usize> {
        self.path.iter().take(self.at).map(|(chosen, _)| *chosen).collect()
    }
}

/// Dice.
#[derive(Debug)]
pub(super) struct Dice(Pcg32);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Pcg32::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

//! How often players are shown what happens, by how long ticks take.
//!
//! Where ticks take too long, everybody waits, for what they did themselves above all. So the pace
//! gets slower before that, step by step, and faster again once there is room for it.

use std::time::Duration;

use world::{Pace, TICK, World};

use super::Host;

/// A pace, and the load at which another is better: from when a tick is due to its end, as a share of
/// its time, on average.
#[derive(Debug)]
struct Step {
    pace: Pace,
    /// Above, the next slower one.
    too_much: f32,
    /// Below, the next faster one, with which ticks take up to twice as long.
    little: f32,
}

/// The slower the later. The last is put off for longer: it lets players wait for what they did.
const STEPS: [Step; 3] = [
    Step { pace: Pace::Full, too_much: 0.5, little: 0.0 },
    Step { pace: Pace::Eased, too_much: 0.9, little: 0.25 },
    Step { pace: Pace::Sparse, too_much: f32::INFINITY, little: 0.5 },
];
/// Ticks over which it is averaged.
const SMOOTH: f32 = 20.0;
/// Ticks that a pace is kept before a slower one, by when the one before counts no more, and before a
/// faster one.
const BEFORE_SLOWER: u32 = 60;
const BEFORE_FASTER: u32 = 100;

/// Decides on the pace.
#[derive(Debug)]
pub(super) struct Pacer {
    /// The number of the step, and of the last that may be.
    step: usize,
    last: usize,
    /// See [`Step`].
    load: f32,
    /// Ticks since the pace changed.
    kept: u32,
}

impl Pacer {
    /// Which gets no slower than `slowest`.
    pub(super) fn new(slowest: Pace) -> Self {
        let last = STEPS.iter().position(|step| step.pace == slowest).unwrap_or(0);
        Self { step: 0, last, load: 0.0, kept: 0 }
    }

    /// A tick was done so long after it was due. Gives the new pace, if there is one.
    fn ticked(&mut self, took: Duration) -> Option<Pace> {
        // One that was held up for a while is no sign of much to do.
        let now = (took.as_secs_f32() / TICK.as_secs_f32()).min(2.0);
        self.load += (now - self.load) / SMOOTH;
        self.kept = self.kept.saturating_add(1);
        let at = STEPS.get(self.step)?;
        let step = match self.kept {
            BEFORE_SLOWER.. if self.load > at.too_much => (self.step + 1).min(self.last),
            BEFORE_FASTER.. if self.load < at.little => self.step.saturating_sub(1),
            _ => self.step,
        };
        if step == self.step {
            return None;
        }
        (self.step, self.kept) = (step, 0);
        STEPS.get(step).map(|step| step.pace)
    }
}

impl<W: World> Host<W> {
    /// A tick was done so long after it was due.
    pub(super) fn ticked(&mut self, took: Duration) {
        metrics::histogram!("mmo_map_tick_end_seconds").record(took.as_secs_f64());
        let changed = self.pacer.ticked(took);
        metrics::gauge!("mmo_map_pace").set(self.pacer.step as f64);
        if let Some(pace) = changed {
            tracing::info!(%pace, load = self.pacer.load, "players are shown what happens at this pace");
            self.stage.set_pace(pace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The changes within so many ticks that each end at `share` of a tick, by when.
    fn changes(pacer: &mut Pacer, ticks: u32, share: impl Fn(Pace) -> f32) -> Vec<(u32, Pace)> {
        let mut changes = Vec::new();
        for tick in 1..=ticks {
            let took = TICK.mul_f32(share(STEPS[pacer.step].pace));
            changes.extend(pacer.ticked(took).map(|pace| (tick, pace)));
        }
        changes
    }

    #[test]
    fn it_slows_down_step_by_step_where_ticks_take_long_and_no_further_than_it_may() {
        let mut pacer = Pacer::new(Pace::Sparse);
        let slower = changes(&mut pacer, 1_000, |_| 1.0);
        assert!(matches!(slower[..], [(60, Pace::Eased), (120, Pace::Sparse)]), "{slower:?}");
        let faster = changes(&mut pacer, 1_000, |_| 0.1);
        assert!(
            matches!(faster[..], [(10..=30, Pace::Eased), (110..=130, Pace::Full)]),
            "{faster:?}"
        );
        assert_eq!(changes(&mut Pacer::new(Pace::Full), 1_000, |_| 1.0), []);
    }

    #[test]
    fn a_pace_that_helps_is_kept() {
        // Much and too much to do, at the full pace; a slower one takes half at best.
        for (full, kept) in [(0.51, 1), (0.7, 1), (1.2, 1), (1.4, 1), (1.6, 2), (1.9, 2)] {
            let share = |pace| match pace {
                Pace::Full => full,
                Pace::Eased => full / 1.7,
                Pace::Sparse => full / 2.6,
            };
            let changed = changes(&mut Pacer::new(Pace::Sparse), 5_000, share);
            assert_eq!(changed.len(), kept, "{changed:?}");
        }
    }

    #[test]
    fn a_tick_that_was_held_up_changes_nothing() {
        let mut pacer = Pacer::new(Pace::Sparse);
        assert_eq!(changes(&mut pacer, 100, |_| 0.3), []);
        assert_eq!(pacer.ticked(Duration::from_secs(5)), None);
        assert_eq!(changes(&mut pacer, 100, |_| 0.3), []);
    }
}

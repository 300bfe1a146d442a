//! How long a dead child waits for its restart, and when it has crashed too often for one.

use std::{collections::VecDeque, time::Duration};

use protocol::backbone::desired::RestartPolicy;
use rand::{Rng, RngExt};

/// Health for this long makes the next wait the first again.
pub(super) const HEALTHY: Duration = Duration::from_secs(60);
/// The time that crashes are counted over.
const WINDOW: Duration = Duration::from_secs(60);

/// Exponential backoff with jitter, so that children that died together do not return together.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: RestartPolicy,
    ceiling: Duration,
    /// When it crashed, within the last window.
    crashes: VecDeque<Duration>,
}

impl Backoff {
    pub(super) fn new(policy: RestartPolicy) -> Self {
        let ceiling = Duration::from_millis(policy.first_ms.into()).min(longest(policy));
        Self { policy, ceiling, crashes: VecDeque::new() }
    }

    /// The next wait: between half the ceiling and the ceiling, which then doubles.
    pub(super) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let wait = self.ceiling.mul_f64(rng.random_range(0.5..=1.0));
        self.ceiling = (self.ceiling * 2).min(longest(self.policy));
        wait
    }

    /// After a life in health the next wait is the first again.
    pub(super) fn recover(&mut self) {
        self.ceiling = Self::new(self.policy).ceiling;
    }

    /// Counts a crash; whether that was one too many within a minute.
    pub(super) fn crashes_too_often(&mut self, now: Duration) -> bool {
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|crash| now.saturating_sub(*crash) >= WINDOW) {
            self.crashes.pop_front();
        }
        self.crashes.len() >= usize::try_from(self.policy.crashes_a_minute).unwrap_or(usize::MAX)
    }
}

fn longest(policy: RestartPolicy) -> Duration {
    Duration::from_millis(policy.longest_ms.into())
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn waits(policy: RestartPolicy, ceilings_ms: &[u64]) {
        let (mut backoff, mut rng) = (Backoff::new(policy), StdRng::seed_from_u64(7));
        for ceiling_ms in ceilings_ms {
            let (wait, ceiling) = (backoff.next(&mut rng), Duration::from_millis(*ceiling_ms));
            assert!(ceiling / 2 <= wait && wait <= ceiling, "{wait:?} of {ceiling:?}");
        }
        backoff.recover();
        assert!(backoff.next(&mut rng) <= Duration::from_millis(policy.first_ms.into()));
    }

    #[test]
    fn waits_double_from_the_first_to_the_longest() {
        let usual = RestartPolicy::default();
        waits(usual, &[200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        let hasty = RestartPolicy { first_ms: 50, longest_ms: 120, ..usual };
        waits(hasty, &[50, 100, 120, 120]);
        waits(RestartPolicy { first_ms: 50, longest_ms: 20, ..usual }, &[20, 20]);
    }

    #[test]
    fn crashes_are_counted_over_a_minute() {
        let policy = RestartPolicy { crashes_a_minute: 3, ..RestartPolicy::default() };
        let mut backoff = Backoff::new(policy);
        let mut at = |seconds| backoff.crashes_too_often(Duration::from_secs(seconds));
        assert_eq!([0, 40, 60, 105, 110].map(&mut at), [false, false, false, false, true]);
    }
}

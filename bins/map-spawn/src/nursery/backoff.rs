//! How long a dead child waits for its restart.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The first wait. Doubles with each death.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// Health for this long makes the next wait the first again.
pub(super) const HEALTHY: Duration = Duration::from_secs(60);

/// Exponential backoff with jitter, so that children that died together do not return together.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { ceiling: FIRST }
    }

    /// The next wait: between half the ceiling and the ceiling, which then doubles.
    pub(super) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let wait = self.ceiling.mul_f64(rng.random_range(0.5..=1.0));
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        wait
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn waits_double_from_a_fifth_of_a_second_to_half_a_minute() {
        let (mut backoff, mut rng) = (Backoff::new(), StdRng::seed_from_u64(7));
        for ceiling_ms in [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let (wait, ceiling) = (backoff.next(&mut rng), Duration::from_millis(ceiling_ms));
            assert!(ceiling / 2 <= wait && wait <= ceiling, "{wait:?} of {ceiling:?}");
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= FIRST);
    }
}

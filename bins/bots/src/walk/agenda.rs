//! What is to be done when, in order.

use std::{collections::VecDeque, time::Instant};

/// A queue and no heap: all bots wait equally long between two inputs, so that what is put in
/// again is mostly the last, and both ends are cheap.
#[derive(Debug, Default)]
pub(super) struct Agenda<T>(VecDeque<(Instant, T)>);

impl<T> Agenda<T> {
    /// Takes what is due by now, the earliest first.
    pub(super) fn take(&mut self, now: Instant) -> Option<T> {
        self.0.pop_front_if(|(due, _)| *due <= now).map(|(_, what)| what)
    }

    pub(super) fn put(&mut self, due: Instant, what: T) {
        if self.0.back().is_none_or(|(last, _)| *last <= due) {
            self.0.push_back((due, what));
        } else {
            let place = self.0.partition_point(|(other, _)| *other <= due);
            self.0.insert(place, (due, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_whatever_the_order_it_was_put_in() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut agenda = Agenda::default();
        for ms in [50, 20, 70, 20, 10] {
            agenda.put(at(ms), ms);
        }
        let taken: Vec<_> = std::iter::from_fn(|| agenda.take(at(50))).collect();
        assert_eq!(taken, [10, 20, 20, 50]);
        assert_eq!((agenda.take(at(69)), agenda.take(at(70))), (None, Some(70)));
    }
}

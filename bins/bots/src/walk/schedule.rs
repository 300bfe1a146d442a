//! When a bot's inputs are due, and which of them were answered.
//!
//! An input's due time follows from its number alone, whatever the bot or the server is held up
//! by, and an echo is counted from there: who is late is charged for it, and what was never
//! answered is not forgotten. (This is what "no coordinated omission" asks for.) Where several are
//! due at once, as after a stall, only the newest is sent, as a player would: its answer answers
//! those before it, and each of them is charged for from its own time. To send them all would make
//! a stall of the bots longer.

use std::{
    iter,
    time::{Duration, Instant},
};

/// The inputs of one stay on one map, numbered from 1 as the server counts them.
#[derive(Debug)]
pub(super) struct Schedule {
    /// When the first one is due.
    first: Instant,
    period: Duration,
    sent: u32,
    acked: u32,
}

impl Schedule {
    /// Inputs a `period` apart from now on, all at `epoch + (n + phase) * period` for a phase
    /// from 0 to 1, so that bots with phases of their own spread over the period.
    pub(super) fn new(epoch: Instant, now: Instant, period: Duration, phase: f64) -> Self {
        let elapsed = now.saturating_duration_since(epoch).as_secs_f64() / period.as_secs_f64();
        let first = epoch + period.mul_f64((elapsed - phase).ceil().max(0.0) + phase);
        Self { first, period, sent: 0, acked: 0 }
    }

    /// The number of the next input, and when it is due.
    pub(super) fn next(&self) -> (u32, Instant) {
        (self.sent + 1, self.due(self.sent + 1))
    }

    /// The newest input that is due by now, or else the next one.
    pub(super) fn newest(&self, now: Instant) -> u32 {
        let (next, due) = self.next();
        let behind = now.saturating_duration_since(due).as_nanos() / self.period.as_nanos().max(1);
        next.saturating_add(u32::try_from(behind).unwrap_or(u32::MAX))
    }

    /// This input has gone out; those before it that had not never will.
    pub(super) fn advance(&mut self, seq: u32) {
        self.sent = seq;
    }

    /// The due times of the inputs that are answered by this `ack` and were not before.
    pub(super) fn acknowledge(&mut self, ack: u32) -> impl Iterator<Item = Instant> + '_ {
        let last = ack.min(self.sent);
        iter::from_fn(move || {
            (self.acked < last).then(|| {
                self.acked += 1;
                self.due(self.acked)
            })
        })
    }

    /// The due times of the inputs that are due before `end` and not answered.
    pub(super) fn unanswered(&self, end: Instant) -> impl Iterator<Item = Instant> + '_ {
        (self.acked + 1..).map(|seq| self.due(seq)).take_while(move |due| *due < end)
    }

    fn due(&self, seq: u32) -> Instant {
        self.first + self.period * (seq - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_phase_holds_whenever_a_bot_comes() {
        let epoch = Instant::now();
        for (now, first) in [(0, 25), (24, 25), (26, 125), (1000, 1025), (1030, 1125)] {
            let schedule = Schedule::new(epoch, epoch + ms(now), PERIOD, 0.25);
            assert_eq!(schedule.next(), (1, epoch + ms(first)), "{now}");
        }
    }

    #[test]
    fn an_answer_answers_all_before_it_once() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch, epoch, PERIOD, 0.0);
        assert_eq!(schedule.newest(epoch), 1);
        // After a stall: one stands for three.
        assert_eq!(schedule.newest(epoch + ms(299)), 3);
        schedule.advance(3);
        let dues = |schedule: &mut Schedule, ack| -> Vec<_> {
            schedule.acknowledge(ack).map(|due| due - epoch).collect()
        };
        assert_eq!(dues(&mut schedule, 2), [ms(0), ms(100)]);
        assert!(dues(&mut schedule, 2).is_empty());
        assert_eq!(dues(&mut schedule, 9), [ms(200)], "none that was not sent");
    }

    #[test]
    fn what_is_due_and_was_not_even_sent_is_unanswered() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch, epoch, PERIOD, 0.0);
        schedule.advance(1);
        schedule.acknowledge(1).for_each(drop);
        let missing: Vec<_> = schedule.unanswered(epoch + ms(301)).collect();
        assert_eq!(missing, [epoch + ms(100), epoch + ms(200), epoch + ms(300)]);
    }
}

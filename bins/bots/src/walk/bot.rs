//! One bot on one map: its socket, its way, what it still waits for.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use mio::net::TcpStream;
use protocol::ConnectionInfo;

use super::{
    course::{Course, Plan},
    heard::{Heard, TooLong, split},
    input,
    schedule::Schedule,
    sight::Sight,
    tally::{Tally, Window},
};
use crate::entrance::Entered;

/// Why a bot is not on its map any more.
#[derive(Debug)]
pub(super) enum Departure {
    /// To another map, where a seat is kept.
    Warp(Box<ConnectionInfo>),
    /// For this reason.
    Lost(String),
}

/// What a bot needs to walk. There are thousands, so it is small.
#[derive(Debug)]
pub(super) struct Bot {
    pub(super) socket: TcpStream,
    pub(super) schedule: Schedule,
    course: Course,
    /// The beginning of a frame of which the rest has not come; mostly empty.
    partial: Vec<u8>,
    /// The end of a frame that the socket had no room for; mostly empty.
    unsent: Vec<u8>,
    /// The last snapshot, or else when it came in.
    heard: Instant,
    /// The longest wait between two snapshots.
    gap: Duration,
    /// Of the sampled few.
    sight: Option<Box<Sight>>,
}

/// Where a bot counts.
pub(super) struct Counts<'a> {
    pub(super) tally: &'a mut Tally,
    pub(super) window: Window,
    /// When what is looked at was read.
    pub(super) now: Instant,
}

impl Bot {
    pub(super) fn new(entered: Entered, course: Course, schedule: Schedule, sampled: bool) -> Self {
        Self {
            sight: sampled.then(|| Box::new(Sight::new(&entered))),
            partial: entered.ahead.to_vec(),
            socket: TcpStream::from_std(entered.socket),
            schedule,
            course,
            unsent: Vec::new(),
            heard: Instant::now(),
            gap: Duration::ZERO,
        }
    }

    /// Takes in what was read from the socket.
    pub(super) fn take(&mut self, bytes: &[u8], mut counts: Counts<'_>) -> Result<(), Departure> {
        if counts.window.holds(counts.now) {
            counts.tally.bytes += bytes.len() as u64;
        }
        if self.partial.is_empty() {
            let rest = self.hear_all(bytes, &mut counts)?;
            self.partial.extend_from_slice(rest);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(bytes);
        let rest = self.hear_all(&whole, &mut counts)?.len();
        whole.drain(..whole.len() - rest);
        // An empty one gives its memory back: most snapshots come in one piece.
        self.partial = if rest == 0 { Vec::new() } else { whole };
        Ok(())
    }

    /// Hears every whole frame and returns the rest.
    fn hear_all<'a>(
        &mut self,
        mut bytes: &'a [u8],
        counts: &mut Counts<'_>,
    ) -> Result<&'a [u8], Departure> {
        let too_long = |TooLong| Departure::Lost("a frame was longer than any may be".to_owned());
        while let Some((message, rest)) = split(bytes).map_err(too_long)? {
            self.hear(message, counts)?;
            bytes = rest;
        }
        Ok(bytes)
    }

    fn hear(&mut self, message: &[u8], counts: &mut Counts<'_>) -> Result<(), Departure> {
        let counted = counts.window.holds(counts.now);
        let unreadable = |error| Departure::Lost(format!("a message cannot be read: {error}"));
        if let Some(sight) = &mut self.sight {
            let neighbours = counted.then_some(&mut counts.tally.neighbours);
            sight.hear(message, neighbours).map_err(unreadable)?;
        }
        match Heard::read(message).map_err(unreadable)? {
            Heard::Snapshot(head) => self.snapshot(head.ack, counts),
            Heard::Refused => counts.tally.refused += u64::from(counted),
            Heard::WarpRefused => {
                counts.tally.refused += u64::from(counted);
                self.course.retreat();
            }
            Heard::WarpTo(seat) => return Err(Departure::Warp(seat)),
            Heard::Goodbye(Some(failure)) => {
                return Err(Departure::Lost(failure.code.as_str().to_owned()));
            }
            Heard::Goodbye(None) => return Err(Departure::Lost("left".to_owned())),
            Heard::Other => {}
        }
        Ok(())
    }

    fn snapshot(&mut self, ack: u32, counts: &mut Counts<'_>) {
        let Counts { tally, window, now } = counts;
        for due in self.schedule.acknowledge(ack) {
            if window.holds(due) {
                tally.echo.record(*now - due);
            }
        }
        if window.holds(*now) {
            tally.snapshots += 1;
            self.wait_ends(*window, *now);
        }
        if window.closed.is_none_or(|closed| *now < closed) {
            self.heard = *now;
        }
    }

    /// The wait for a snapshot is over, or is at the window's end.
    pub(super) fn wait_ends(&mut self, window: Window, now: Instant) {
        let since = window.opened.map_or(self.heard, |opened| opened.max(self.heard));
        self.gap = self.gap.max(now.saturating_duration_since(since));
    }

    /// The stay is over: counts its longest wait.
    pub(super) fn ends(&self, tally: &mut Tally) {
        if self.gap > Duration::ZERO {
            tally.gaps.record(self.gap);
        }
    }

    /// Counts the inputs that were due by `end` and will never be answered.
    pub(super) fn gives_up(&self, end: Instant, counts: &mut Counts<'_>) {
        let Counts { tally, window, now } = counts;
        for due in self.schedule.unanswered(end).filter(|due| window.holds(*due)) {
            tally.echo.record(*now - due);
            tally.unanswered += 1;
        }
    }

    /// Sends the newest input that is due. Where the socket has no room it stays due.
    pub(super) fn walk(&mut self, counts: &mut Counts<'_>) -> io::Result<()> {
        self.flush()?;
        if !self.unsent.is_empty() {
            return Ok(());
        }
        let (due, seq) = (self.schedule.next().1, self.schedule.newest(counts.now));
        let to = self.course.step();
        if self.say(&input::walk(to, seq))? {
            self.schedule.advance(seq);
            if counts.window.holds(due) {
                counts.tally.inputs += 1;
                counts.tally.late.record(counts.now.saturating_duration_since(due));
            }
        }
        Ok(())
    }

    /// Sends a frame, of which the rest may go out later; `false` where none of it could be sent.
    pub(super) fn say(&mut self, frame: &[u8]) -> io::Result<bool> {
        match self.socket.write(frame) {
            Ok(written) => {
                self.unsent.extend_from_slice(frame.get(written..).unwrap_or_default());
                Ok(true)
            }
            Err(error) if is_busy(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        match self.socket.write(&self.unsent) {
            Ok(written) => drop(self.unsent.drain(..written)),
            Err(error) if is_busy(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The way and the times of a bot that has come in.
pub(super) fn prepare(
    plan: &Plan,
    number: usize,
    stay: u32,
    entered: &Entered,
    epoch: Instant,
) -> (Course, Schedule) {
    /// One over the golden ratio: the bots' phases fill the period evenly, however many there are.
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let period = Duration::from_secs(1) / plan.rate.max(1);
    let phase = (number as f64 * GOLDEN) % 1.0;
    let course = Course::new(plan, number, stay, &entered.place);
    (course, Schedule::new(epoch, Instant::now(), period, phase))
}

/// Whether the socket only has to be tried again.
pub(super) fn is_busy(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

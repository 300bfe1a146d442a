//! The field from inside: one loop over the sockets of all bots.
//!
//! An input is one write when it is due; a snapshot is one read into a buffer that
//! all share, of which only the head is looked at. What remains is the kernel's share.

use std::{
    io::{self, Read},
    net::Shutdown,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc::Receiver},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::mpsc;

use super::{
    agenda::Agenda,
    bot::{Bot, Counts, Departure, is_busy, prepare},
    course::Plan,
    field::{Order, Return, Scene},
    tally::{Tally, Window},
};
use crate::entrance::Entered;

/// Bots that read everything.
const SAMPLED: usize = 16;
/// Sockets looked at between two looks at what is due.
const EVENTS: usize = 1024;
/// Larger than any frame, so that one read mostly empties a socket.
const BUFFER: usize = 256 * 1024;
/// Between two looks at what has come and what is due, and so the most that this loop adds to an
/// echo while it has time left. Without it each write of a server on this machine would also pay
/// for waking this thread, which no player's network asks of a server.
const PACE: Duration = Duration::from_millis(1);
/// How long a socket without room is left alone.
const BUSY: Duration = Duration::from_millis(10);
/// How often it is looked whether somebody still waits for an answer.
const LOOK: Duration = Duration::from_millis(20);
/// How long answers to the last inputs are waited for.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long the bots have to leave, saved.
const LEAVING: Duration = Duration::from_secs(10);
/// `PlayInput::Leave` in MessagePack, with its length.
const LEAVE: &[u8] = b"\0\0\0\x0c\x81\xa4type\xa5leave";
/// For the waker; bots have their numbers.
const ORDERS: Token = Token(usize::MAX);

/// All bots that play, and what they count.
pub(super) struct Ground {
    poll: Poll,
    plan: Plan,
    orders: Receiver<Order>,
    returns: mpsc::Sender<Return>,
    scene: Arc<Scene>,
    /// What all schedules are counted from.
    epoch: Instant,
    /// By number.
    bots: Vec<Option<Bot>>,
    /// How often each has come in, by number.
    stays: Vec<u32>,
    /// Which bots are to send their next input, and on which of their stays that was meant.
    agenda: Agenda<(usize, u32)>,
    buffer: Vec<u8>,
    tally: Tally,
    window: Window,
    next_turn: Instant,
    /// All accounts are closed: who goes now goes uncounted.
    settled: bool,
    may_leave: bool,
}

impl Ground {
    /// For so many bots. The waker makes the loop look at its orders.
    pub(super) fn new(
        plan: Plan,
        bots: usize,
        orders: Receiver<Order>,
        returns: mpsc::Sender<Return>,
        scene: Arc<Scene>,
    ) -> anyhow::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), ORDERS)?;
        let ground = Self {
            poll,
            plan,
            orders,
            returns,
            scene,
            epoch: Instant::now(),
            bots: (0..bots).map(|_| None).collect(),
            stays: vec![0; bots],
            agenda: Agenda::default(),
            buffer: vec![0; BUFFER],
            tally: Tally::new()?,
            window: Window::default(),
            next_turn: Instant::now(),
            settled: false,
            may_leave: false,
        };
        Ok((ground, waker))
    }

    /// Plays until the window has closed and all have left, as they were told to.
    pub(super) fn run(mut self) -> io::Result<Tally> {
        let mut events = Events::with_capacity(EVENTS);
        let closed = loop {
            self.turn(&mut events)?;
            match self.window.closed {
                Some(closed) if closed <= Instant::now() => break closed,
                _ => {}
            }
        };
        let mut look = Instant::now();
        while look < closed + LAST_ANSWERS && self.somebody_waits(closed) {
            while Instant::now() < look + LOOK {
                self.turn(&mut events)?;
            }
            look = Instant::now();
        }
        self.settle(closed);
        while !self.may_leave {
            self.turn(&mut events)?;
        }
        let told = Instant::now();
        self.leave();
        while self.bots.iter().any(Option::is_some) && told.elapsed() < LEAVING {
            self.turn(&mut events)?;
        }
        Ok(self.tally)
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        thread::sleep(self.next_turn.saturating_duration_since(Instant::now()));
        self.next_turn = Instant::now() + PACE;
        match self.poll.poll(events, Some(Duration::ZERO)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &*events {
            match event.token() {
                ORDERS => self.obey()?,
                Token(number) => self.read(number, event.is_read_closed()),
            }
        }
        self.send_due();
        self.scene.inputs.store(self.tally.inputs, Relaxed);
        self.scene.snapshots.store(self.tally.snapshots, Relaxed);
        Ok(())
    }

    fn obey(&mut self) -> io::Result<()> {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Join(number, entered) => self.join(number, *entered)?,
                Order::Count(window) => self.window = window,
                Order::Leave => self.may_leave = true,
            }
        }
        Ok(())
    }

    fn join(&mut self, number: usize, entered: Entered) -> io::Result<()> {
        let (Some(place), Some(stay)) = (self.bots.get_mut(number), self.stays.get_mut(number))
        else {
            return Ok(());
        };
        *stay += 1;
        let (course, schedule) = prepare(&self.plan, number, *stay, &entered, self.epoch);
        self.agenda.put(schedule.next().1, (number, *stay));
        let every = (self.stays.len() / SAMPLED).max(1);
        let sampled = number.is_multiple_of(every);
        let bot = place.insert(Bot::new(entered, course, schedule, sampled));
        self.poll.registry().register(&mut bot.socket, Token(number), Interest::READABLE)?;
        self.scene.playing.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Reads a socket until it is empty. `ended` is when the peer may have ended its side.
    fn read(&mut self, number: usize, ended: bool) {
        loop {
            let Some(bot) = self.bots.get_mut(number).and_then(Option::as_mut) else {
                return;
            };
            let taken = match bot.socket.read(&mut self.buffer) {
                Ok(0) => Err(Departure::Lost("the server closed the connection".to_owned())),
                Ok(read) => {
                    let now = Instant::now();
                    let counts = Counts { tally: &mut self.tally, window: self.window, now };
                    let whole = read < self.buffer.len();
                    match bot.take(self.buffer.get(..read).unwrap_or_default(), counts) {
                        // More of it, or its end, is another event (`man 7 epoll`).
                        Ok(()) if whole && !ended => return,
                        taken => taken,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                Err(error) if is_busy(&error) => return,
                Err(error) => Err(Departure::Lost(error.kind().to_string())),
            };
            if let Err(why) = taken {
                return self.depart(number, why);
            }
        }
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        while let Some((number, stay)) = self.agenda.take(now) {
            if self.stays.get(number) != Some(&stay) {
                continue;
            }
            let Some(bot) = self.bots.get_mut(number).and_then(Option::as_mut) else {
                continue;
            };
            let due = bot.schedule.next().1;
            if self.window.closed.is_some_and(|closed| closed <= due) {
                continue;
            }
            let mut counts = Counts { tally: &mut self.tally, window: self.window, now };
            match bot.walk(&mut counts) {
                Ok(()) => {
                    let next = bot.schedule.next().1;
                    let at = if next == due { now + BUSY } else { next };
                    self.agenda.put(at, (number, stay));
                }
                Err(error) => self.depart(number, Departure::Lost(error.kind().to_string())),
            }
        }
    }

    fn depart(&mut self, number: usize, why: Departure) {
        let Some(mut bot) = self.bots.get_mut(number).and_then(Option::take) else {
            return;
        };
        self.scene.playing.fetch_sub(1, Relaxed);
        if self.settled {
            return;
        }
        let now = Instant::now();
        let counted = self.window.holds(now);
        let mut counts = Counts { tally: &mut self.tally, window: self.window, now };
        match &why {
            // What the other map did not answer is not this one's to answer.
            Departure::Warp(_) => counts.tally.warps += u64::from(counted),
            Departure::Lost(reason) => {
                bot.gives_up(self.window.closed.map_or(now, |closed| closed.min(now)), &mut counts);
                if counted {
                    bot.wait_ends(self.window, now);
                    counts.tally.disconnect(reason);
                }
            }
        }
        bot.ends(&mut self.tally);
        // Never full; and when nobody takes it, nobody wants it.
        let _ = self.returns.try_send(Return { number, why });
    }

    fn somebody_waits(&self, closed: Instant) -> bool {
        let waits = |bot: &Bot| bot.schedule.unanswered(closed).any(|due| self.window.holds(due));
        self.bots.iter().flatten().any(waits)
    }

    /// Closes all accounts.
    fn settle(&mut self, closed: Instant) {
        let (window, now) = (self.window, Instant::now());
        for bot in self.bots.iter_mut().flatten() {
            bot.wait_ends(window, closed);
            bot.ends(&mut self.tally);
            bot.gives_up(closed, &mut Counts { tally: &mut self.tally, window, now });
        }
        self.settled = true;
    }

    /// Has all leave. Whoever knows no goodbye sees the connection's end.
    fn leave(&mut self) {
        for bot in self.bots.iter_mut().flatten() {
            // One that is lost already leaves all the same.
            let _ = bot.say(LEAVE).and_then(|_| bot.socket.shutdown(Shutdown::Write));
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{frame::Encoding, play::PlayInput};

    use super::*;

    #[test]
    fn leave_is_what_the_protocol_says() {
        assert_eq!(LEAVE[..4], u32::try_from(LEAVE.len() - 4).unwrap().to_be_bytes());
        let read: PlayInput = Encoding::Msgpack.decode(&LEAVE[4..]).unwrap();
        assert_eq!(read, PlayInput::Leave);
    }
}

//! Events waiting to be read.
//!
//! The connection is read whether or not the user interface keeps up, so the queue is bounded and
//! gives way: movements that follow each other are merged, the newest position wins. When it is
//! full, the oldest movement goes, or else the oldest event; the reader is told how many it
//! missed before it reads on.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::play::Move;
use tokio::sync::Notify;

use crate::ClientEvent;

/// Events kept for a reader that does not read.
const CAPACITY: usize = 1024;

#[derive(Debug, Default)]
struct Backlog {
    events: VecDeque<ClientEvent>,
    missed: u64,
    /// One of the two ends is gone.
    closed: bool,
}

impl Backlog {
    fn push(&mut self, event: ClientEvent) {
        match (self.events.back_mut(), event) {
            (Some(ClientEvent::Moved { moves: last }), ClientEvent::Moved { moves }) => {
                merge(last, moves);
            }
            (_, event) => {
                self.make_room();
                self.events.push_back(event);
            }
        }
    }

    fn make_room(&mut self) {
        if self.events.len() < CAPACITY {
            return;
        }
        let moved = |event: &ClientEvent| matches!(event, ClientEvent::Moved { .. });
        let least = self.events.iter().position(moved).unwrap_or(0);
        self.events.remove(least);
        self.missed += 1;
    }

    fn pop(&mut self) -> Option<ClientEvent> {
        match std::mem::take(&mut self.missed) {
            0 => self.events.pop_front(),
            events => Some(ClientEvent::Missed { events }),
        }
    }
}

fn merge(last: &mut Vec<Move>, newer: Vec<Move>) {
    last.retain(|old| !newer.iter().any(|new| new.entity == old.entity));
    last.extend(newer);
}

#[derive(Debug, Default)]
struct Shared {
    backlog: Mutex<Backlog>,
    filled: Notify,
}

impl Shared {
    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // Every change of a backlog is whole by itself, so one that a panic left is still sound.
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.backlog().closed = true;
        self.filled.notify_one();
    }
}

/// The end that reports.
#[derive(Debug)]
pub(crate) struct Reporter(Arc<Shared>);

impl Reporter {
    pub(crate) fn report(&self, event: ClientEvent) {
        let mut backlog = self.0.backlog();
        if !backlog.closed {
            backlog.push(event);
            self.0.filled.notify_one();
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What happened, oldest first.
///
/// Up to 1024 events wait to be read. Beyond that the oldest movement is given up, or else the
/// oldest event, and [`ClientEvent::Missed`] says how many. Unread movements that follow each
/// other are merged into one event. Dropping this is fine: events are then not kept at all.
#[derive(Debug)]
pub struct Events(Arc<Shared>);

impl Events {
    /// The next event; `None` once the client is dropped and all is read. Cancel-safe.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        loop {
            {
                let mut backlog = self.0.backlog();
                if let Some(event) = backlog.pop() {
                    return Some(event);
                }
                if backlog.closed {
                    return None;
                }
            }
            // A report between the check and here leaves a permit, so none is slept through.
            self.0.filled.notified().await;
        }
    }

    /// The next event if one waits.
    pub fn try_next(&mut self) -> Option<ClientEvent> {
        self.0.backlog().pop()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut backlog = self.0.backlog();
        backlog.closed = true;
        backlog.events = VecDeque::new();
    }
}

/// Both ends of a new queue.
pub(crate) fn queue() -> (Reporter, Events) {
    let shared = Arc::new(Shared::default());
    (Reporter(Arc::clone(&shared)), Events(shared))
}

#[cfg(test)]
mod tests {
    use protocol::{EntityId, Position};

    use super::*;

    fn moved(entity: u32, x: f32) -> ClientEvent {
        let position = Position { x, y: 0.0 };
        ClientEvent::Moved { moves: vec![Move { entity: EntityId(entity), position }] }
    }

    fn said(number: usize) -> ClientEvent {
        let (name, text) = ("Ada".to_owned(), number.to_string());
        ClientEvent::Said { entity: EntityId(1), name, text }
    }

    #[test]
    fn unread_movements_become_one_with_the_newest_positions() {
        let mut backlog = Backlog::default();
        for event in [moved(1, 1.0), moved(2, 5.0), moved(1, 2.0), said(0), moved(1, 3.0)] {
            backlog.push(event);
        }
        let ClientEvent::Moved { moves } = backlog.pop().unwrap() else { panic!("no movement") };
        let seen: Vec<_> = moves.iter().map(|step| (step.entity.0, step.position.x)).collect();
        assert_eq!(seen, [(2, 5.0), (1, 2.0)]);
        assert_eq!(backlog.pop(), Some(said(0)));
        assert_eq!(backlog.pop(), Some(moved(1, 3.0)));
    }

    #[test]
    fn a_full_queue_gives_up_movement_first_then_the_oldest_and_says_so() {
        let mut backlog = Backlog::default();
        backlog.push(said(0));
        backlog.push(moved(1, 1.0));
        for number in 1..=CAPACITY {
            backlog.push(said(number));
        }
        assert_eq!(backlog.events.len(), CAPACITY);
        assert_eq!(backlog.pop(), Some(ClientEvent::Missed { events: 2 }));
        assert_eq!(backlog.pop(), Some(said(1)), "the movement went first, then the oldest word");
    }

    #[tokio::test]
    async fn what_was_reported_is_read_even_after_the_client_is_gone() {
        let (reporter, mut events) = queue();
        reporter.report(said(1));
        drop(reporter);
        assert_eq!(events.next().await, Some(said(1)));
        assert_eq!(events.next().await, None);
    }
}

//! What clients say, on its way to the host.
//!
//! It lies here until the host looks, which it does before anything else and with each tick. A walk
//! shows from the next tick on, so the host is not woken for it: most of what clients say are
//! walks, and to wake the host for each costs more than to take it in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{Failure, play::PlayInput};
use tokio::sync::{Notify, Semaphore};

use super::LinkId;

/// Inputs on their way at most: half a second of a full map. A connection whose input finds no room
/// is not read meanwhile.
const ROOM: usize = 65_536;

/// An input, or why it cannot be taken.
pub(crate) type Heard = (LinkId, Result<PlayInput, Failure>);

#[derive(Debug)]
struct Shared {
    inputs: Mutex<Vec<Heard>>,
    room: Semaphore,
    urgent: Notify,
}

impl Shared {
    fn inputs(&self) -> MutexGuard<'_, Vec<Heard>> {
        // A panic leaves it whole: inputs are put there and taken away in one step.
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections' end.
#[derive(Debug, Clone)]
pub(crate) struct Sender(Arc<Shared>);

/// The host's end. Once it is dropped, nothing is taken any more.
#[derive(Debug)]
pub(crate) struct Receiver(Arc<Shared>);

/// Both ends.
pub(crate) fn channel() -> (Sender, Receiver) {
    let room = Semaphore::new(ROOM);
    let shared = Shared { inputs: Mutex::default(), room, urgent: Notify::new() };
    let shared = Arc::new(shared);
    (Sender(shared.clone()), Receiver(shared))
}

impl Sender {
    /// Says something, and waits where there is no room. Once the host has ended it does nothing.
    pub(crate) async fn send(&self, link: LinkId, input: Result<PlayInput, Failure>) {
        let permit = match self.0.room.try_acquire() {
            Ok(permit) => Ok(permit),
            // Apart, since it is rare and would be a part of every connection's memory.
            Err(_) => Box::pin(self.0.room.acquire()).await,
        };
        let Ok(permit) = permit else { return };
        // Its place is given back when the host takes the input.
        permit.forget();
        let is_urgent = !matches!(input, Ok(PlayInput::Walk { .. }));
        self.0.inputs().push((link, input));
        if is_urgent {
            self.0.urgent.notify_one();
        }
    }
}

impl Receiver {
    /// Waits until something was said that cannot wait for the next tick.
    pub(crate) async fn urgent(&self) {
        self.0.urgent.notified().await;
    }

    /// Takes all that was said, in its order, into `taken`, which is empty.
    pub(crate) fn take(&mut self, taken: &mut Vec<Heard>) {
        std::mem::swap(&mut *self.0.inputs(), taken);
        self.0.room.add_permits(taken.len());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.room.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::{EntityId, Position};
    use tokio::time::timeout;

    use super::*;

    /// Longer than anything here takes, so that a test that hangs fails.
    const SOON: Duration = Duration::from_secs(10);

    fn walk(seq: u32) -> Result<PlayInput, Failure> {
        Ok(PlayInput::Walk { to: Position { x: 1.0, y: 1.0 }, seq })
    }

    #[tokio::test]
    async fn a_walk_wakes_nobody_and_what_cannot_wait_brings_it_along() {
        let (sender, mut receiver) = channel();
        let (link, mut taken) = (LinkId::first(EntityId(1)), Vec::new());
        sender.send(link, walk(1)).await;
        let woken = timeout(Duration::from_millis(20), receiver.urgent()).await;
        assert!(woken.is_err(), "a walk waits for the tick");
        sender.send(link, Ok(PlayInput::Leave)).await;
        timeout(SOON, receiver.urgent()).await.unwrap();
        receiver.take(&mut taken);
        assert_eq!(taken, [(link, walk(1)), (link, Ok(PlayInput::Leave))]);
    }

    #[tokio::test]
    async fn who_says_too_much_waits_until_the_host_has_listened_and_no_longer_than_it_is_there() {
        let (sender, mut receiver) = channel();
        let (link, mut taken) = (LinkId::first(EntityId(1)), Vec::new());
        for seq in 0..ROOM as u32 {
            sender.send(link, walk(seq)).await;
        }
        let late = tokio::spawn({
            let sender = sender.clone();
            async move { sender.send(link, walk(0)).await }
        });
        tokio::task::yield_now().await;
        assert!(!late.is_finished(), "there is no room");
        receiver.take(&mut taken);
        assert_eq!(taken.len(), ROOM);
        timeout(SOON, late).await.unwrap().unwrap();
        taken.clear();
        receiver.take(&mut taken);
        assert_eq!(taken.len(), 1);
        drop(receiver);
        timeout(SOON, sender.send(link, walk(1))).await.unwrap();
        assert!(sender.0.inputs().is_empty());
    }
}

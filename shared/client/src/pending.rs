//! Calls that wait for their answer, by number.

use std::collections::BTreeMap;

use crate::{ClientError, command::Reply};

/// One call that waits.
#[derive(Debug)]
pub(crate) struct Waiting<K, T> {
    /// What its answer will need to know.
    pub(crate) kept: K,
    pub(crate) reply: Reply<T>,
}

/// Calls that wait. Those whose callers gave up are forgotten with the next call.
#[derive(Debug)]
pub(crate) struct Pending<K, T> {
    last: u32,
    waiting: BTreeMap<u32, Waiting<K, T>>,
}

impl<K, T> Pending<K, T> {
    pub(crate) fn new() -> Self {
        Self { last: 0, waiting: BTreeMap::new() }
    }

    /// Adds a call and gives it a number, from 1.
    pub(crate) fn add(&mut self, kept: K, reply: Reply<T>) -> u32 {
        self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.waiting.insert(self.last, Waiting { kept, reply });
        self.last
    }

    /// The call of that number, which no longer waits.
    pub(crate) fn take(&mut self, number: u32) -> Option<Waiting<K, T>> {
        self.waiting.remove(&number)
    }

    /// Fails every call.
    pub(crate) fn fail(self, error: &ClientError) {
        for waiting in self.waiting.into_values() {
            // A caller that gave up is not told.
            let _ = waiting.reply.send(Err(error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn answers_find_their_calls_in_any_order() {
        let mut pending = Pending::new();
        let ((first, mut first_heard), (second, mut second_heard)) =
            (oneshot::channel(), oneshot::channel());
        let (one, two) = (pending.add('a', first), pending.add('b', second));
        pending.take(two).unwrap().reply.send(Ok(2)).unwrap();
        pending.take(one).unwrap().reply.send(Ok(1)).unwrap();
        assert!(pending.take(one).is_none(), "an answer counts once");
        assert_eq!(first_heard.try_recv().unwrap(), Ok(1));
        assert_eq!(second_heard.try_recv().unwrap(), Ok(2));
    }

    #[test]
    fn calls_given_up_do_not_pile_up() {
        let mut pending = Pending::<(), ()>::new();
        for _ in 0..100 {
            let _ = pending.add((), oneshot::channel().0);
        }
        assert_eq!(pending.waiting.len(), 1);
    }
}

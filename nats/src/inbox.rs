//! Where answers come in: one subscription for all calls of a connection, and who waits for which.
//!
//! An inbox for each call would cost the server a subscription and its end each time. The library's
//! shared one never forgets a request that is not answered. This one does: who waits is in a map,
//! and [`Expected`] takes itself out, however its call ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Client, Message, Subject, SubscribeError, Subscriber};
use futures_util::StreamExt;
use rustc_hash::FxHashMap;
use tokio::sync::{oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::notices::denies;

/// Calls of one connection that wait for their answers at the same time.
const WAITING_MAX: usize = 65_536;

/// Why no answer comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The server does not let this user say that; its words.
    Denied(String),
    /// The connection is closed.
    Closed,
    /// More calls wait than ever should.
    Full,
}

type Answered = Result<Message, Unanswered>;

/// The inbox of a connection; cheap to clone. The last clone's end is the end of its task.
#[derive(Clone)]
pub(crate) struct Inbox {
    /// What stands before a call's number in the subject of its answer.
    prefix: Arc<str>,
    waiting: Arc<Waiting>,
    _sorting: Arc<AbortOnDropHandle<()>>,
}

impl Inbox {
    /// Subscribes, and sorts answers in a task of its own until the connection is closed.
    pub(crate) async fn open(
        client: &Client,
        denied: watch::Receiver<Option<String>>,
    ) -> Result<Self, SubscribeError> {
        let prefix: Arc<str> = format!("{}.", client.new_inbox()).into();
        let answers = client.subscribe(format!("{prefix}*")).await?;
        let waiting = Arc::new(Waiting::default());
        let sorting = tokio::spawn(sort(prefix.clone(), answers, waiting.clone(), denied));
        Ok(Self { prefix, waiting, _sorting: Arc::new(AbortOnDropHandle::new(sorting)) })
    }

    /// Makes room for the answer to what is about to be asked on `subject`.
    pub(crate) fn expect(&self, subject: &Subject) -> Result<Expected, Unanswered> {
        let (answer, heard) = oneshot::channel();
        let number = self.waiting.add(Call { subject: subject.clone(), answer })?;
        let reply_to = format!("{}{number}", self.prefix).into();
        Ok(Expected { reply_to, number, heard, waiting: self.waiting.clone() })
    }
}

/// An answer that is waited for. Dropped, it is not waited for any more.
pub(crate) struct Expected {
    /// Where to answer.
    pub(crate) reply_to: Subject,
    number: u64,
    heard: oneshot::Receiver<Answered>,
    waiting: Arc<Waiting>,
}

impl Expected {
    pub(crate) async fn answer(mut self) -> Answered {
        (&mut self.heard).await.unwrap_or(Err(Unanswered::Closed))
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.waiting.calls().by_number.remove(&self.number);
    }
}

struct Call {
    subject: Subject,
    answer: oneshot::Sender<Answered>,
}

#[derive(Default)]
struct Waiting(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    by_number: FxHashMap<u64, Call>,
    /// Never used again, so that a late answer finds nobody.
    last: u64,
    is_closed: bool,
}

impl Waiting {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        // A poisoned lock holds whole data still: nothing here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, call: Call) -> Result<u64, Unanswered> {
        let mut calls = self.calls();
        if calls.is_closed {
            return Err(Unanswered::Closed);
        }
        if calls.by_number.len() >= WAITING_MAX {
            return Err(Unanswered::Full);
        }
        calls.last += 1;
        let number = calls.last;
        calls.by_number.insert(number, call);
        Ok(number)
    }

    fn answer(&self, number: u64, message: Message) {
        // The second answer to one call finds nobody, as a late one does.
        if let Some(call) = self.calls().by_number.remove(&number) {
            let _ = call.answer.send(Ok(message));
        }
    }

    fn deny(&self, what: &str) {
        let mut calls = self.calls();
        let denied = calls.by_number.extract_if(|_, call| denies(what, &call.subject));
        for (_, call) in denied {
            let _ = call.answer.send(Err(Unanswered::Denied(what.to_owned())));
        }
    }

    fn close(&self) {
        let mut calls = self.calls();
        calls.is_closed = true;
        calls.by_number.clear();
    }
}

async fn sort(
    prefix: Arc<str>,
    mut answers: Subscriber,
    waiting: Arc<Waiting>,
    mut denied: watch::Receiver<Option<String>>,
) {
    let answering = async {
        while let Some(message) = answers.next().await {
            let number = message.subject.strip_prefix(&*prefix).and_then(|it| it.parse().ok());
            if let Some(number) = number {
                waiting.answer(number, message);
            }
        }
    };
    // What is denied is not answered. One of several denials at once may go unheard: that call
    // ends at its deadline then.
    let denying = async {
        while denied.changed().await.is_ok() {
            if let Some(what) = denied.borrow_and_update().as_deref() {
                waiting.deny(what);
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = answering => {}
        () = denying => {}
    }
    waiting.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(subject: &str) -> (Call, oneshot::Receiver<Answered>) {
        let (answer, heard) = oneshot::channel();
        (Call { subject: subject.into(), answer }, heard)
    }

    fn expected(waiting: &Arc<Waiting>, subject: &str) -> Expected {
        let (call, heard) = call(subject);
        let number = waiting.add(call).unwrap();
        Expected { reply_to: "_INBOX.1".into(), number, heard, waiting: waiting.clone() }
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_is_forgotten() {
        let waiting = Arc::new(Waiting::default());
        let (kept, given_up) = (expected(&waiting, "a"), expected(&waiting, "b"));
        drop(given_up);
        assert_eq!(waiting.calls().by_number.len(), 1);
        waiting.close();
        assert_eq!(kept.answer().await.unwrap_err(), Unanswered::Closed);
        assert_eq!(waiting.add(call("c").0).unwrap_err(), Unanswered::Closed);
    }

    #[tokio::test]
    async fn a_denial_ends_the_calls_on_its_subject_alone() {
        let waiting = Arc::new(Waiting::default());
        let (mine, other) = (expected(&waiting, "a.b"), expected(&waiting, "a"));
        let what = r#"Permissions Violation for Publish to "a.b""#;
        waiting.deny(what);
        assert_eq!(mine.answer().await.unwrap_err(), Unanswered::Denied(what.to_owned()));
        assert_eq!(waiting.calls().by_number.len(), 1);
        drop(other);
    }

    #[test]
    fn how_many_wait_is_bounded() {
        let waiting = Waiting::default();
        let heard: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let (call, heard) = call("a");
                waiting.add(call).unwrap();
                heard
            })
            .collect();
        assert_eq!(waiting.add(call("a").0).unwrap_err(), Unanswered::Full);
        assert_eq!(heard.len(), WAITING_MAX);
    }
}

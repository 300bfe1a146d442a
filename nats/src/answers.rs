//! The first answer to a repeated request: a caller that lost the reply asks again with the same
//! id, and what it asked for is not done twice.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use protocol::{Failure, RequestId};
use rustc_hash::FxHashMap;
use tokio::sync::OnceCell;

/// Answers remembered for each endpoint. At 256 requests a second that is the last 8 seconds,
/// longer than any caller goes on asking.
const REMEMBERED: usize = 2048;

pub(crate) type Answer = Result<Bytes, Failure>;
type Slot = Arc<OnceCell<Answer>>;

#[derive(Default)]
pub(crate) struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    slots: FxHashMap<RequestId, Slot>,
    oldest_first: VecDeque<RequestId>,
}

impl Answers {
    /// The first answer to this id; `work` runs only where there is none yet, and a repetition
    /// that comes while it runs waits for it.
    pub(crate) async fn first<F>(&self, id: Option<RequestId>, work: F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let Some(id) = id else { return work.await };
        let slot = self.slot(id);
        slot.get_or_init(|| work).await.clone()
    }

    fn slot(&self, id: RequestId) -> Slot {
        // A poisoned lock holds whole data still: nothing below can panic half way.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = kept.slots.get(&id) {
            return slot.clone();
        }
        if kept.oldest_first.len() >= REMEMBERED
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.slots.remove(&oldest);
        }
        kept.oldest_first.push_back(id);
        kept.slots.entry(id).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_repeated_id_gets_the_first_answer_and_the_work_runs_once() {
        let (answers, runs) = (Answers::default(), AtomicU32::new(0));
        let id = Some(RequestId::new());
        let work = || async {
            tokio::task::yield_now().await; // the second must be able to come in between
            Ok(Bytes::from(runs.fetch_add(1, Ordering::Relaxed).to_string()))
        };
        let (first, second) = tokio::join!(answers.first(id, work()), answers.first(id, work()));
        assert_eq!((first.unwrap(), second.unwrap()), (Bytes::from("0"), Bytes::from("0")));
        assert_eq!(answers.first(Some(RequestId::new()), work()).await.unwrap(), "1");
        assert_eq!(answers.first(None, work()).await.unwrap(), "2");
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let answers = Answers::default();
        for _ in 0..REMEMBERED + 10 {
            let _ = answers.first(Some(RequestId::new()), async { Ok(Bytes::new()) }).await;
        }
        let kept = answers.kept.lock().unwrap();
        assert_eq!((kept.slots.len(), kept.oldest_first.len()), (REMEMBERED, REMEMBERED));
    }
}

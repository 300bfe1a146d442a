//! One endpoint at work: takes requests, has them worked on, answers.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_nats::service::{self as micro, endpoint::Endpoint};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Code, Failure};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    answers::{Answer, Answers},
    backbone::STEP,
    envelope::{self, Head},
    table::Request,
    unix_ms,
};

/// Requests that one endpoint works on at once; more wait in its subscription's queue.
const AT_ONCE: usize = 64;
/// Longest work on a request that names no deadline, such as one typed by hand, and on all that
/// is left at the end.
const HAND_TYPED: Duration = Duration::from_secs(15);

/// One endpoint at work.
pub(crate) struct Work<R, H> {
    endpoint: Endpoint,
    handle: Arc<H>,
    answers: Arc<Answers>,
    begun: JoinSet<()>,
    request: PhantomData<fn(R)>,
}

impl<R, H, F> Work<R, H>
where
    R: Request,
    H: Fn(R) -> F + Send + Sync + 'static,
    F: Future<Output = Result<R::Reply, Failure>> + Send + 'static,
{
    pub(crate) fn new(endpoint: Endpoint, handle: H) -> Self {
        Self {
            endpoint,
            handle: Arc::new(handle),
            answers: Arc::default(),
            begun: JoinSet::new(),
            request: PhantomData,
        }
    }

    /// Serves until told to stop, then what has arrived by then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.until_end() => return,
            () = stop.cancelled() => {}
        }
        let _ = timeout(STEP, self.endpoint.stop()).await;
        if timeout(HAND_TYPED, self.until_end()).await.is_err() {
            warn!(subject = R::SUBJECT, "requests were still worked on at the end");
        }
    }

    /// Until no more requests come and those begun are done. Cancelled and called again, it loses
    /// none.
    async fn until_end(&mut self) {
        loop {
            let has_room = self.begun.len() < AT_ONCE;
            tokio::select! {
                Some(ended) = self.begun.join_next() => note::<R>(ended.err()),
                request = self.endpoint.next(), if has_room => match request {
                    Some(request) => self.begin(request),
                    None => break,
                },
            }
        }
        while let Some(ended) = self.begun.join_next().await {
            note::<R>(ended.err());
        }
    }

    /// Works on a request as far as it goes without waiting, which is mostly to its end; only the
    /// rest gets a task of its own. To hand each one to another thread costs more than the work.
    fn begin(&mut self, request: micro::Request) {
        let (handle, answers) = (self.handle.clone(), self.answers.clone());
        let mut work = Box::pin(async move {
            answer::<R, _, _>(request, &*handle, &answers).await;
        });
        // Its task wakes it later, so nobody needs to be woken by this first step.
        let mut nobody = Context::from_waker(Waker::noop());
        // A panic is this request's alone, as it would be in a task.
        let step = AssertUnwindSafe(|| work.as_mut().poll(&mut nobody));
        match catch_unwind(step) {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => drop(self.begun.spawn(work)),
            Err(_) => note::<R>(Some("a panic")),
        }
    }
}

fn note<R: Request>(error: Option<impl fmt::Display>) {
    if let Some(error) = error {
        error!(subject = R::SUBJECT, %error, "the work on a request broke off unanswered");
    }
}

async fn answer<R, H, F>(request: micro::Request, handle: &H, answers: &Answers)
where
    R: Request,
    H: Fn(R) -> F,
    F: Future<Output = Result<R::Reply, Failure>>,
{
    let (body, head): (R, Head) = match envelope::read(&request.message.payload) {
        Ok(read) => read,
        Err(error) => {
            let message = format!("{} cannot be read: {error}", R::SUBJECT);
            return respond(&request, Err(Failure::new(Code::Malformed, message))).await;
        }
    };
    let patience = match head.deadline_ms {
        Some(deadline) => Duration::from_millis(deadline.saturating_sub(unix_ms())),
        None => HAND_TYPED,
    };
    if patience.is_zero() {
        return debug!(subject = R::SUBJECT, "a request came after its deadline and is dropped");
    }
    // In an async block, so that not even its first step is done for a repetition. In a box of its
    // own, so that what holds it stays small: it is moved from hand to hand, and often unused.
    let work = async { Box::pin(handle(body)).await };
    let outcome = answers.first(head.request_id, in_deadline::<R>(work, patience)).await;
    respond(&request, outcome).await;
}

async fn in_deadline<R: Request>(
    work: impl Future<Output = Result<R::Reply, Failure>>,
    patience: Duration,
) -> Answer {
    let reply = timeout(patience, work).await.unwrap_or_else(|_| {
        let message = format!("{} took longer than its deadline; try again", R::SUBJECT);
        Err(Failure::new(Code::DeadlinePassed, message))
    })?;
    serde_json::to_vec(&reply).map(Bytes::from).map_err(|error| {
        Failure::new(Code::Internal, format!("an answer cannot be written: {error}"))
    })
}

async fn respond(request: &micro::Request, outcome: Answer) {
    let response = outcome.map_err(|failure| micro::error::Error {
        // A header is one line.
        status: failure.to_string().replace(['\r', '\n'], " "),
        code: failure.code.number(),
    });
    if request.message.reply.is_none() {
        return; // It wants no answer.
    }
    match timeout(STEP, request.respond(response)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "an answer was not sent"),
        Err(_) => warn!("an answer was not sent: NATS is held up"),
    }
}

//! One endpoint at work: takes requests, has them worked on, answers.

use std::{future::Future, marker::PhantomData, sync::Arc, time::Duration};

use async_nats::service::{self as micro, endpoint::Endpoint};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Code, Failure, backbone::Command};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    answers::{Answer, Answers},
    backbone::STEP,
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
    room: Arc<Semaphore>,
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
            room: Arc::new(Semaphore::new(AT_ONCE)),
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
            let next = next(&self.room, &mut self.endpoint);
            tokio::select! {
                Some(ended) = self.begun.join_next() => note::<R>(ended),
                next = next => match next {
                    Some((request, permit)) => self.begin(request, permit),
                    None => break,
                },
            }
        }
        while let Some(ended) = self.begun.join_next().await {
            note::<R>(ended);
        }
    }

    fn begin(&mut self, request: micro::Request, permit: OwnedSemaphorePermit) {
        let (handle, answers) = (self.handle.clone(), self.answers.clone());
        self.begun.spawn(async move {
            let _permit = permit;
            answer::<R, _, _>(request, &*handle, &answers).await;
        });
    }
}

async fn next(
    room: &Arc<Semaphore>,
    endpoint: &mut Endpoint,
) -> Option<(micro::Request, OwnedSemaphorePermit)> {
    // The semaphore is never closed, so a permit always comes.
    let permit = room.clone().acquire_owned().await.ok()?;
    Some((endpoint.next().await?, permit))
}

fn note<R: Request>(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(subject = R::SUBJECT, %error, "the work on a request broke off unanswered");
    }
}

async fn answer<R, H, F>(request: micro::Request, handle: &H, answers: &Answers)
where
    R: Request,
    H: Fn(R) -> F,
    F: Future<Output = Result<R::Reply, Failure>>,
{
    let command: Command<R> = match serde_json::from_slice(&request.message.payload) {
        Ok(command) => command,
        Err(error) => {
            let message = format!("{} cannot be read: {error}", R::SUBJECT);
            return respond(&request, Err(Failure::new(Code::Malformed, message))).await;
        }
    };
    let patience = match command.deadline_ms {
        Some(deadline) => Duration::from_millis(deadline.saturating_sub(unix_ms())),
        None => HAND_TYPED,
    };
    if patience.is_zero() {
        return debug!(subject = R::SUBJECT, "a request came after its deadline and is dropped");
    }
    // In an async block, so that not even its first step is done for a repetition.
    let work = async { handle(command.body).await };
    let outcome = answers.first(command.request_id, in_deadline::<R>(work, patience)).await;
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

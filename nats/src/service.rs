//! Typed endpoints of a NATS micro service, so that `nats micro ls | info | stats` show them.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use async_nats::service::{self as micro, ServiceExt, endpoint::Endpoint};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Code, Failure, backbone::Command};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    Backbone, BackboneError,
    answers::{Answer, Answers},
    backbone::STEP,
    table::{self, Request},
    unix_ms,
};

/// Requests that one endpoint works on at once; more wait in its subscription's queue.
const AT_ONCE: usize = 64;
/// Longest work on a request that names no deadline, such as one typed by hand.
const HAND_TYPED: Duration = Duration::from_secs(10);

type Loop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The endpoints of one server. Add them all, say [`Service::ready`], then [`Service::run`].
pub struct Service {
    backbone: Backbone,
    micro: micro::Service,
    stop: CancellationToken,
    loops: Vec<Loop>,
}

impl Backbone {
    /// Starts the micro service of this server, named as its role.
    ///
    /// # Errors
    /// [`BackboneError::Unavailable`] when the connection is closed or held up.
    pub async fn service(&self, description: &str) -> Result<Service, BackboneError> {
        let metadata = HashMap::from([
            ("id".to_owned(), self.options.id.clone()),
            ("realm".to_owned(), self.realm.to_string()),
        ]);
        let started = self
            .client
            .service_builder()
            .description(description)
            .metadata(metadata)
            .start(&self.options.role, env!("CARGO_PKG_VERSION"));
        let micro = self.in_time(started, "starting the service").await?;
        let (backbone, stop) = (self.clone(), CancellationToken::new());
        Ok(Service { backbone, micro, stop, loops: Vec::new() })
    }

    async fn in_time<T, E: std::fmt::Display>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        what: &str,
    ) -> Result<T, BackboneError> {
        match timeout(STEP, work).await {
            Ok(done) => done.map_err(|error| self.unavailable(format!("{what}: {error}"))),
            Err(_) => Err(self.unavailable(format!("{what} is held up"))),
        }
    }
}

impl Service {
    /// Serves a request with `handle`. A request past its deadline is dropped, one that is
    /// repeated gets its first answer, and one that takes longer than its deadline is told so.
    ///
    /// # Errors
    /// [`BackboneError::Unavailable`] when the connection is closed or held up.
    pub async fn add<R, H, F>(&mut self, to: &R::To, handle: H) -> Result<(), BackboneError>
    where
        R: Request,
        H: Fn(R) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R::Reply, Failure>> + Send + 'static,
    {
        let subject = table::request::<R>(&self.backbone.realm, to);
        let name = R::SUBJECT.replace(".*.", "-").replace('.', "-");
        let metadata = HashMap::from([("version".to_owned(), R::VERSION.to_string())]);
        let added = self.micro.endpoint_builder().name(name).metadata(metadata).add(subject);
        let endpoint = self.backbone.in_time(added, "adding an endpoint").await?;
        self.loops.push(Box::pin(serve(endpoint, Arc::new(handle), self.stop.clone())));
        Ok(())
    }

    /// Asks itself and waits for its own answer: the server takes a connection's lines in order,
    /// so all that was subscribed before is live then.
    ///
    /// # Errors
    /// [`BackboneError::Forbidden`] naming the subject when the server denied one so far,
    /// [`BackboneError::Unavailable`] when no answer came within [`STEP`].
    pub async fn ready(&self) -> Result<(), BackboneError> {
        let info = self.micro.info().await;
        let subject = format!("$SRV.PING.{}.{}", info.name, info.id);
        let client = &self.backbone.client;
        let pinged =
            self.backbone.in_time(client.request(subject, Bytes::new()), "a ping to itself").await;
        self.backbone.denied()?; // says more than the ping that failed because of it
        pinged.map(drop)
    }

    /// A token that stops [`Service::run`].
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Answers until stopped; then takes no more, and finishes what it has begun.
    pub async fn run(self) -> Result<(), BackboneError> {
        let mut loops = JoinSet::new();
        for endpoint in self.loops {
            loops.spawn(endpoint);
        }
        while loops.join_next().await.is_some() {}
        let stopped = self.stop.is_cancelled();
        let _ = timeout(STEP, self.micro.stop()).await;
        // Endpoints end by themselves only when the connection is closed for good.
        if stopped { Ok(()) } else { Err(self.backbone.unavailable("the connection was closed")) }
    }
}

async fn serve<R, H, F>(mut endpoint: Endpoint, handle: Arc<H>, stop: CancellationToken)
where
    R: Request,
    H: Fn(R) -> F + Send + Sync + 'static,
    F: Future<Output = Result<R::Reply, Failure>> + Send + 'static,
{
    let (answers, room) = (Arc::new(Answers::default()), Arc::new(Semaphore::new(AT_ONCE)));
    let mut working = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed, so a permit always comes.
            let permit = room.clone().acquire_owned().await.ok()?;
            Some((endpoint.next().await?, permit))
        };
        let (request, permit) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => match next {
                Some(next) => next,
                None => break,
            },
        };
        while working.try_join_next().is_some() {}
        let (handle, answers) = (handle.clone(), answers.clone());
        working.spawn(async move {
            let _permit = permit;
            answer::<R, _, _>(request, &*handle, &answers).await;
        });
    }
    let _ = timeout(STEP, endpoint.stop()).await;
    let finish = async { while working.join_next().await.is_some() {} };
    if timeout(HAND_TYPED, finish).await.is_err() {
        warn!(subject = R::SUBJECT, "requests were still worked on at the end");
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
    let work = handle(command.body);
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
    // A request without a reply subject wants no answer.
    if let Ok(Err(error)) = timeout(STEP, request.respond(response)).await {
        debug!(%error, "an answer was not sent");
    }
}

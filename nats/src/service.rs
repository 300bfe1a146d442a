//! Typed endpoints of a NATS micro service, so that `nats micro ls | info | stats` show them.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_nats::service::{self as micro, ServiceExt};
use bytes::Bytes;
use futures_util::FutureExt;
use protocol::{Failure, RequestId};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    Backbone, BackboneError,
    backbone::STEP,
    endpoint::Work,
    table::{self, Request},
};

/// A denial comes before the answer that proves readiness, but through a task of the library:
/// this is the time it has to be told.
const TOLD: Duration = Duration::from_millis(20);

/// Between two pings to itself, until one is answered.
const RETRY: Duration = Duration::from_millis(500);

/// How long an answered pulse proves that NATS carries: a crowd of logins needs no pulse each.
const FRESH: Duration = Duration::from_millis(20);

type Loop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The endpoints of one server. Add them all, say [`Service::ready`], then [`Service::run`].
/// Dropped, it answers nothing more.
pub struct Service {
    backbone: Backbone,
    /// Answers `$SRV.PING`, `INFO` and `STATS` in a task of its own; `None` once stopped.
    micro: Option<micro::Service>,
    /// Where it alone answers a ping.
    own_ping: String,
    stop: CancellationToken,
    loops: Vec<Loop>,
}

impl Backbone {
    /// Starts the micro service of this server, named as its role. Servers of one role share what
    /// is for all of them: a request comes to one.
    ///
    /// # Errors
    /// [`BackboneError::Unavailable`] when the connection is closed or held up.
    pub async fn service(&self, description: &str) -> Result<Service, BackboneError> {
        self.start_service(&self.options.role, description, None).await
    }

    /// Starts a micro service beside it whose requests are shared with nobody, for what one server
    /// at a time answers. One that hung while it was the one keeps its subscriptions for seconds;
    /// it would keep its part of shared requests, too, from the one that has followed it.
    ///
    /// # Errors
    /// As [`Backbone::service`].
    pub async fn sole_service(
        &self,
        name: &str,
        description: &str,
    ) -> Result<Service, BackboneError> {
        self.start_service(name, description, Some(RequestId::new().to_string())).await
    }

    /// The library always has a queue group; one of its own is shared with nobody.
    async fn start_service(
        &self,
        name: &str,
        description: &str,
        queue_group: Option<String>,
    ) -> Result<Service, BackboneError> {
        let metadata = HashMap::from([
            ("id".to_owned(), self.options.id.clone()),
            ("realm".to_owned(), self.realm.to_string()),
        ]);
        let mut builder = self.client.service_builder().description(description).metadata(metadata);
        if let Some(queue_group) = queue_group {
            builder = builder.queue_group(queue_group);
        }
        let started = builder.start(name, env!("CARGO_PKG_VERSION"));
        let micro = self.in_time(started, "starting the service").await?;
        let info = micro.info().await;
        Ok(Service {
            backbone: self.clone(),
            micro: Some(micro),
            own_ping: format!("$SRV.PING.{}.{}", info.name, info.id),
            stop: CancellationToken::new(),
            loops: Vec::new(),
        })
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
        let Some(micro) = &self.micro else {
            return Err(self.backbone.unavailable("the service has stopped"));
        };
        let subject = table::request::<R>(&self.backbone.realm, to);
        let name = R::SUBJECT.replace(".*.", "-").replace('.', "-");
        let metadata = HashMap::from([("version".to_owned(), R::VERSION.to_string())]);
        let added = micro.endpoint_builder().name(name).metadata(metadata).add(subject);
        let endpoint = self.backbone.in_time(added, "adding an endpoint").await?;
        self.loops.push(Box::pin(Work::new(endpoint, handle).run(self.stop.clone())));
        Ok(())
    }

    /// Asks itself and waits for its own answer: the server takes a connection's lines in order,
    /// so all that was subscribed before is live then.
    ///
    /// # Errors
    /// [`BackboneError::Forbidden`] naming the subject when the server denied one so far,
    /// [`BackboneError::Unavailable`] when no answer came within [`STEP`].
    pub fn ready(&self) -> impl Future<Output = Result<(), BackboneError>> + Send + use<> {
        // Borrows nothing: the endpoints' loops are not Sync, and this must be free to move.
        ready(self.backbone.clone(), self.own_ping.clone())
    }

    /// As [`Service::ready`], for as long as it takes: NATS may go away between the connection and
    /// this, which is no reason for a server not to start.
    ///
    /// # Errors
    /// [`BackboneError::Forbidden`] as above.
    pub fn live(&self) -> impl Future<Output = Result<(), BackboneError>> + Send + use<> {
        let (backbone, own_ping) = (self.backbone.clone(), self.own_ping.clone());
        async move {
            loop {
                match ready(backbone.clone(), own_ping.clone()).await {
                    Err(error @ BackboneError::Unavailable { .. }) => {
                        warn!("not ready yet: {error}");
                    }
                    outcome => return outcome,
                }
                sleep(RETRY).await;
            }
        }
    }

    /// A way to find out at any time whether NATS carries this server's words.
    pub fn pulse(&self) -> Pulse {
        Pulse {
            backbone: self.backbone.clone(),
            own_ping: self.own_ping.clone(),
            heard: Arc::default(),
        }
    }

    /// A token that stops [`Service::run`].
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Answers until stopped; then takes no more, and finishes what has arrived.
    ///
    /// # Errors
    /// [`BackboneError::Unavailable`] when the connection was closed before it was told to stop.
    pub async fn run(mut self) -> Result<(), BackboneError> {
        let mut loops = JoinSet::new();
        for endpoint in std::mem::take(&mut self.loops) {
            loops.spawn(endpoint);
        }
        while loops.join_next().await.is_some() {}
        // Endpoints end by themselves only when the connection is closed for good.
        if self.stop.is_cancelled() {
            Ok(())
        } else {
            Err(self.backbone.unavailable("the connection was closed"))
        }
    }
}

async fn ready(backbone: Backbone, own_ping: String) -> Result<(), BackboneError> {
    let ping = backbone.client.request(own_ping, Bytes::new());
    let pinged = backbone.in_time(ping, "a ping to itself").await;
    let mut denied = backbone.link.denied.clone();
    // A denial says more than the ping that failed because of it.
    match timeout(TOLD, denied.wait_for(Option::is_some)).await {
        Ok(Ok(what)) => Err(BackboneError::Forbidden(what.clone().unwrap_or_default())),
        _ => pinged.map(drop),
    }
}

/// Finds out whether NATS carries what this server says. A server that hangs looks connected until
/// it has missed some pings, which takes seconds; this takes one round trip.
#[derive(Debug, Clone)]
pub struct Pulse {
    backbone: Backbone,
    own_ping: String,
    /// When it was last asked what was answered.
    heard: Arc<Mutex<Option<Instant>>>,
}

impl Pulse {
    /// Asks itself and waits for its own answer for `patience`, or trusts an answer to what was
    /// asked in the last [`FRESH`]. The service must not have ended.
    ///
    /// # Errors
    /// `unavailable` or `deadline_passed` when none came.
    pub async fn beat(&self, patience: Duration) -> Result<(), Failure> {
        // A poisoned lock holds whole data still: nothing can panic while it is held.
        let heard = || self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Instant::now();
        if heard().is_some_and(|heard| asked.duration_since(heard) < FRESH) {
            return Ok(());
        }
        self.backbone.ask(&self.own_ping, Bytes::new(), patience).await?;
        *heard() = Some(asked);
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Stopping awaits nothing, so one poll is all it takes.
        let _ = self.micro.take().map(|micro| micro.stop().now_or_never());
    }
}

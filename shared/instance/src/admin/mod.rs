//! The admin port: whether this server lives, may be sent work, and what it counts.
//!
//! - `GET /healthz`: 200 `ok` as long as the process answers.
//! - `GET /readyz`: 200 if every condition is up, else 503; the conditions as JSON either way.
//! - `GET /metrics`: Prometheus text.
//!
//! It answers until all other work has ended, so that a drain can be watched.

mod bounded;

use std::{convert::Infallible, future::Future, io, net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::bounded::Bounded;
use crate::{Lifecycle, Readiness};

/// Connections at once: a few scrapers and people.
const CONNECTIONS: usize = 64;

/// How long one connection may live.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);

/// What /metrics is, by Prometheus' rule.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A bound admin port that does not answer yet.
pub(crate) struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Takes the port.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address with the real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the lifecycle closes. Connections that are open then are dropped: an idle
    /// one of a scraper must not hold the exit up.
    pub(crate) fn serve(
        self,
        readiness: Readiness,
        lifecycle: &Lifecycle,
        recorder: PrometheusHandle,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        let draining = lifecycle.draining().clone();
        let app = Router::new()
            .route("/healthz", get(async || "ok"))
            .route("/readyz", get(readyz).with_state((readiness, draining)))
            .route("/metrics", get(metrics).with_state(recorder));
        let closing = lifecycle.closing().clone();
        let listener = Bounded::new(self.listener, CONNECTIONS, CONNECTION_LIFE);
        async move {
            closing.run_until_cancelled(axum::serve(listener, app).into_future()).await;
            Ok(())
        }
    }
}

async fn readyz(
    State((readiness, draining)): State<(Readiness, CancellationToken)>,
) -> impl IntoResponse {
    let mut conditions = readiness.snapshot();
    if draining.is_cancelled() {
        conditions = conditions.with_down("lifecycle", "draining");
    }
    let status = if conditions.are_up() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(conditions))
}

async fn metrics(State(recorder): State<PrometheusHandle>) -> impl IntoResponse {
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], recorder.render())
}

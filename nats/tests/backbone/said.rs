//! The messages that the stories send, and a server that answers.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use nats::{Backbone, Request, Service};
use protocol::{
    Channel, Failure, Incarnation,
    backbone::{
        Life, View,
        events::{MapChanged, MapDown, SessionEnded},
        maps::{ListPeers, Peers},
    },
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A service at work in a task.
pub(crate) struct Serving {
    pub(crate) task: JoinHandle<Result<(), nats::BackboneError>>,
    pub(crate) stop: CancellationToken,
}

pub(crate) async fn run(service: Service) -> Serving {
    service.ready().await.unwrap();
    let stop = service.stop_token();
    Serving { task: tokio::spawn(service.run()), stop }
}

/// A service with one endpoint, at work.
pub(crate) async fn serve<R, H, F>(backbone: &Backbone, to: &R::To, handle: H) -> Serving
where
    R: Request,
    H: Fn(R) -> F + Send + Sync + 'static,
    F: Future<Output = Result<R::Reply, Failure>> + Send + 'static,
{
    let mut service = backbone.service("a test").await.unwrap();
    service.add::<R, _, _>(to, handle).await.unwrap();
    run(service).await
}

/// Serves the peer list; the sequence counts how often it was worked out.
pub(crate) async fn serve_peers(backbone: &Backbone) -> (Serving, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = runs.clone();
    let serving = serve::<ListPeers, _, _>(backbone, &(), move |_| {
        let count = counter.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok(peers(count)) }
    })
    .await;
    (serving, runs)
}

pub(crate) fn peers(sequence: u32) -> Peers {
    Peers { view: view(sequence), maps: Vec::new(), spawners: Vec::new(), more: false }
}

pub(crate) fn view(sequence: u32) -> View {
    let cluster = "0198c0de-0000-7000-8000-000000000001".parse().unwrap();
    View { cluster, sequence: sequence.into() }
}

pub(crate) fn life() -> Life {
    Life { server: "town-1".parse().unwrap(), incarnation: Incarnation::new() }
}

pub(crate) fn map_changed(sequence: u32) -> MapChanged {
    MapChanged { view: view(sequence), life: life(), population: sequence }
}

pub(crate) fn map_down(sequence: u32, reason: String) -> MapDown {
    let map = "town".parse().unwrap();
    MapDown { view: view(sequence), life: life(), map, channel: Channel::FIRST, reason }
}

pub(crate) fn session_ended() -> SessionEnded {
    SessionEnded {
        account: protocol::AccountId::new(),
        session: protocol::SessionId::new(),
        why: protocol::Code::LoggedOut,
    }
}

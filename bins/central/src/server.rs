//! Puts the parts together and keeps them running.

use std::{
    convert::Infallible, fmt::Display, future::Future, net::SocketAddr, sync::Arc, time::Duration,
};

use anyhow::{Context, bail};
use instance::{Condition, Instance};
use nats::{Backbone, Options, Service};
use protocol::{
    Failure, Incarnation, ServerId,
    backbone::{
        events::{ClusterUp, SessionEnded},
        maps::ListPeers,
    },
};
use serde::Serialize;
use sessions::{Sessions, SessionsError};
use store::{Store, StoreError};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    characters, cluster_driver,
    lobby::{Lobby, ended_channel},
    passwords::Passwords,
    settings::Settings,
};

/// Between the attempts to reach what is not there, and between the looks at what is.
const LOOK: Duration = Duration::from_secs(1);
/// How long another Central of this realm has to go, after it was told to.
const OTHER_CENTRAL: Duration = Duration::from_secs(5);

/// What Central prints on stdout once it serves, so that whoever started it learns its ports.
#[derive(Serialize)]
struct Ready {
    central: ServerId,
    listen: SocketAddr,
    admin: SocketAddr,
}

/// Starts Central: its port first, then what it needs, then its services, then its clients.
pub(crate) async fn start(settings: Settings, instance: Instance) -> anyhow::Result<()> {
    let draining = instance.lifecycle.draining().clone();
    match Box::pin(draining.run_until_cancelled(assemble(settings, &instance))).await {
        Some(done) => done,
        None => Ok(()), // a signal came while something was waited for
    }
}

async fn assemble(settings: Settings, instance: &Instance) -> anyhow::Result<()> {
    let listener = TcpListener::bind(settings.listen).await.with_context(|| {
        format!("cannot listen on {} for clients; see --listen", settings.listen)
    })?;
    let conditions =
        ["nats", "redis", "sql", "cluster"].map(|name| instance.readiness.condition(name));
    let [nats_up, redis_up, sql_up, cluster_up] = conditions;

    let store = open_store(&settings).await?;
    let sessions = open_sessions(&settings).await?;
    let backbone = Backbone::connect(nats_options(&settings)).await?;
    watch_nats(instance, &backbone, nats_up);
    let pinged = store.clone();
    watch(instance, "sql", sql_up, move || {
        let store = pinged.clone();
        async move { store.ping().await }
    });
    let pinged = sessions.clone();
    watch(instance, "redis", redis_up, move || {
        let sessions = pinged.clone();
        async move { sessions.ping().await }
    });

    refuse_second_cluster(&backbone).await?;
    let life = Incarnation::new();
    let (cluster, driver, herald) = cluster_driver::new(&backbone, life);
    let lifecycle = &instance.lifecycle;
    let closing = lifecycle.closing();
    lifecycle.spawn_last("cluster", driver.run(closing.clone()));
    lifecycle.spawn_last("herald", herald.run());

    let lobby = Arc::new(Lobby {
        passwords: Passwords::new().context("cannot hash passwords")?,
        ended: ended_channel(),
        settings,
        store,
        sessions,
        backbone: backbone.clone(),
        cluster: cluster.clone(),
    });
    let endings = backbone.subscribe::<SessionEnded>().await?;
    lifecycle.spawn_last("endings", lobby.clone().hear_endings(endings, closing.clone()));

    let mut service = backbone.service("Central Server and Cluster Server").await?;
    cluster.serve(&mut service).await?;
    characters::serve(&mut service, &lobby.store).await?;
    service.ready().await?;
    lifecycle.spawn_last("service", serve_until(service, backbone.clone(), closing.clone()));
    backbone.publish(&ClusterUp { central: lobby.settings.id.clone(), incarnation: life }).await?;
    cluster_up.up();

    let listen = listener.local_addr()?;
    info!("clients connect to {listen}");
    let (id, admin) = (&lobby.settings.id, instance.admin_address);
    instance.announce(&Ready { central: id.clone(), listen, admin });
    lifecycle.spawn("lobby", lobby.serve(listener, lifecycle.draining().clone()));
    Ok(())
}

fn nats_options(settings: &Settings) -> Options {
    Options {
        url: settings.nats_url.clone(),
        credentials: settings.nats_creds.clone(),
        realm: settings.basics.realm.clone(),
        role: "central".to_owned(),
        id: settings.id.to_string(),
    }
}

async fn open_store(settings: &Settings) -> Result<Store, StoreError> {
    let away = |error: &StoreError| matches!(error, StoreError::Unavailable { .. });
    until_there("SQL", away, || Store::open(&settings.database_url)).await
}

async fn open_sessions(settings: &Settings) -> Result<Sessions, SessionsError> {
    let (url, realm) = (&settings.redis_url, &settings.basics.realm);
    let away = |error: &SessionsError| matches!(error, SessionsError::Unavailable { .. });
    until_there("Redis", away, || Sessions::connect(url, realm, settings.session_ttl())).await
}

/// Tries until it works or can never work, and says once what is waited for.
async fn until_there<T, E: Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    is_away: impl Fn(&E) -> bool,
    open: impl Fn() -> F,
) -> Result<T, E> {
    let mut said = false;
    loop {
        match open().await {
            Err(error) if is_away(&error) => {
                if !said {
                    warn!(%error, "{what} is not there; trying until it is");
                }
                said = true;
                sleep(LOOK).await;
            }
            other => return other,
        }
    }
}

/// One Cluster a realm: two would tell peers two truths.
async fn refuse_second_cluster(backbone: &Backbone) -> anyhow::Result<()> {
    let until = Instant::now() + OTHER_CENTRAL;
    // Silence is what is hoped for, and is not told from absence when somebody watches NATS.
    while backbone.call_within(&(), ListPeers {}, LOOK).await.is_ok() {
        if Instant::now() > until {
            bail!(
                "another Central serves realm {}: stop it first, or give this one another --realm",
                backbone.realm()
            );
        }
        warn!("another Central serves this realm; waiting for it to go");
        sleep(LOOK).await;
    }
    Ok(())
}

async fn serve_until(
    service: Service,
    backbone: Backbone,
    closing: CancellationToken,
) -> Result<(), Failure> {
    let stop = service.stop_token();
    let mut run = std::pin::pin!(service.run());
    let served = tokio::select! {
        served = &mut run => served,
        () = closing.cancelled() => {
            stop.cancel();
            run.await
        }
    };
    backbone.close().await;
    served.map_err(Failure::from)
}

fn watch_nats(instance: &Instance, backbone: &Backbone, condition: Condition) {
    let (mut connected, at) = (backbone.connected(), backbone.at());
    let closing = instance.lifecycle.closing().clone();
    instance.lifecycle.spawn_last("nats watch", async move {
        loop {
            if *connected.borrow_and_update() {
                condition.up();
            } else {
                condition.down(format!("not connected to {at}"));
            }
            match closing.run_until_cancelled(connected.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
        closing.cancelled().await;
        Ok::<_, Infallible>(())
    });
}

/// Looks every second whether something answers, and says so in `/readyz`.
fn watch<F, E>(
    instance: &Instance,
    name: &'static str,
    condition: Condition,
    ping: impl Fn() -> F + Send + 'static,
) where
    F: Future<Output = Result<(), E>> + Send,
    E: Display + Send,
{
    let closing = instance.lifecycle.closing().clone();
    instance.lifecycle.spawn_last(format!("{name} watch"), async move {
        loop {
            match ping().await {
                Ok(()) => condition.up(),
                Err(error) => condition.down(error.to_string()),
            }
            if closing.run_until_cancelled(sleep(LOOK)).await.is_none() {
                return Ok::<_, Infallible>(());
            }
        }
    });
}

//! Puts the parts together and keeps them running.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use instance::Instance;
use nats::{Backbone, Service};
use protocol::{
    Failure, Incarnation, ServerId,
    backbone::{
        events::{ClusterUp, SessionEnded},
        maps::ListPeers,
    },
};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backends::{self, Backends},
    characters, cluster_driver,
    lobby::{Lobby, ended_channel},
    passwords::Passwords,
    settings::Settings,
};

/// Between the looks whether another Central of this realm is gone.
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
    let cluster_up = instance.readiness.condition("cluster");
    let Backends { store, sessions, backbone } = backends::open(&settings, instance).await?;

    refuse_second_cluster(&backbone).await?;
    let life = Incarnation::new();
    let (cluster, driver, herald) = cluster_driver::new(&backbone, life);
    let lifecycle = &instance.lifecycle;
    let closing = lifecycle.closing();
    lifecycle.spawn_last("cluster", driver.run(closing.clone()));
    lifecycle.spawn_last("herald", herald.run());

    let mut service = backbone.service("Central Server and Cluster Server").await?;
    let lobby = Arc::new(Lobby {
        passwords: Passwords::new().context("cannot hash passwords")?,
        ended: ended_channel(),
        settings,
        store,
        sessions,
        backbone: backbone.clone(),
        pulse: service.pulse(),
        cluster: cluster.clone(),
    });
    let endings = backbone.subscribe::<SessionEnded>().await?;
    lifecycle.spawn_last("endings", lobby.clone().hear_endings(endings, closing.clone()));
    cluster.serve(&mut service).await?;
    characters::serve(&mut service, &lobby.store).await?;
    service.live().await?;
    lifecycle.spawn_last("service", serve_until(service, backbone.clone(), closing.clone()));
    let up = ClusterUp { central: lobby.settings.id.clone(), incarnation: life, epoch: 0 };
    if let Err(error) = backbone.publish(&up).await {
        // The answer to its next beat tells everybody as much.
        warn!(%error, "nobody is told that a Cluster is up");
    }
    cluster_up.up();

    let listen = listener.local_addr()?;
    info!("clients connect to {listen}");
    let (id, admin) = (&lobby.settings.id, instance.admin_address);
    instance.announce(&Ready { central: id.clone(), listen, admin });
    lifecycle.spawn("lobby", lobby.serve(listener, lifecycle.draining().clone()));
    Ok(())
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

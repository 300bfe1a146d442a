//! Puts the parts together and keeps them running.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use instance::Instance;
use nats::{Backbone, Service};
use protocol::{
    Failure, Incarnation, ServerId,
    backbone::{Life, events::SessionEnded},
};
use serde::Serialize;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    backends::{self, Backends},
    characters,
    desired_file::DesiredFile,
    leader::Leader,
    leadership::Leadership,
    lobby::{Lobby, ended_channel},
    passwords::Passwords,
    reign::Means,
    settings::Settings,
};

/// What Central prints on stdout once it serves and somebody leads, so that whoever started it learns its ports.
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
    let file = settings.desired.as_deref().map(DesiredFile::read).transpose()?;
    let listener = TcpListener::bind(settings.listen).await.with_context(|| {
        format!("cannot listen on {} for clients; see --listen", settings.listen)
    })?;
    let somebody_leads = instance.readiness.condition("cluster");
    let Backends { store, sessions, backbone } = backends::open(&settings, instance).await?;

    let lifecycle = &instance.lifecycle;
    let closing = lifecycle.closing();
    let (id, me) = (
        settings.id.clone(),
        Life { server: settings.id.clone(), incarnation: Incarnation::new() },
    );
    let own = watch::Sender::new(None);
    let leader = Leader::new(me.clone(), own.subscribe(), backbone.clone());
    let mut service = backbone.service("Central Server").await?;
    let lobby = Arc::new(Lobby {
        passwords: Passwords::new().context("cannot hash passwords")?,
        ended: ended_channel(),
        settings,
        store: store.clone(),
        sessions,
        backbone: backbone.clone(),
        pulse: service.pulse(),
        cluster: leader.clone(),
    });
    let endings = backbone.subscribe::<SessionEnded>().await?;
    lifecycle.spawn_last("endings", lobby.clone().hear_endings(endings, closing.clone()));
    characters::serve(&mut service, &store).await?;
    service.live().await?;
    lifecycle.spawn_last("service", serve_until(service, backbone.clone(), closing.clone()));

    let listen = listener.local_addr()?;
    info!("clients connect to {listen}");
    let draining = lifecycle.draining();
    lifecycle.spawn("lobby", lobby.serve(listener, draining.clone()));
    // Whether this Central leads or stands by, it serves its clients.
    let means = Means { id: id.clone(), store, backbone, file, own };
    let leadership = Leadership::new(me, means, leader.clone());
    lifecycle.spawn("leadership", leadership.run(draining.clone()));
    leader.found(&somebody_leads).await;
    instance.announce(&Ready { central: id, listen, admin: instance.admin_address });
    lifecycle.spawn("leader watch", leader.watch(somebody_leads, draining.clone()));
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

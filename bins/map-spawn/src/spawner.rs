//! One Map Spawn Server, from its start to its end.

use std::{collections::BTreeSet, time::Duration};

use instance::{Condition, Instance};
use nats::{Backbone, Options, Service};
use protocol::{Incarnation, MapName, backbone::spawners::Spawner};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    announcer,
    catalogue::{self, CatalogueError},
    commands::{self, Desk},
    keeper::{Keeper, Order, Surroundings},
    map_program::MapProgram,
    membership::Membership,
    nursery::Limits,
    settings::Settings,
};

/// The role's name on the backbone: that of its NATS user and inbox.
const ROLE: &str = "spawner";
/// How long the last messages may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Starts everything, unless a signal comes first.
pub(crate) async fn run(settings: Settings, instance: Instance) -> anyhow::Result<()> {
    let draining = instance.lifecycle.draining().clone();
    draining.run_until_cancelled(Box::pin(start(settings, instance))).await.unwrap_or(Ok(()))
}

async fn start(settings: Settings, instance: Instance) -> anyhow::Result<()> {
    let nats_up = instance.readiness.condition("nats");
    let registered = instance.readiness.condition("registered");
    let program = MapProgram::new(&settings).map_err(CatalogueError::from)?;
    let maps = catalogue::read(&program, &settings).await?;
    info!(program = %program.path().display(), "may run the maps {}", catalogue::names(&maps));
    let absent = |error| nats_up.absent(error);
    let backbone = Backbone::connect_telling(options(&settings), absent).await?;
    nats_up.up();

    let (used, used_now) = watch::channel(0);
    let me = describe(&settings, &maps);
    let membership = Membership::new(backbone.clone(), me, used_now, registered).await?;
    membership.find_id_free().await?;
    let known = membership.known();
    let keeper = keep_children(&settings, maps, program, &backbone, &instance, used);
    let desk = Desk { spawner: settings.id.clone(), keeper: keeper.clone(), known: known.clone() };
    let service = commands::service(&backbone, desk).await?;
    service.live().await?;
    let closing = instance.lifecycle.closing().clone();
    let end = serve(backbone, service, membership, nats_up, closing);
    instance.lifecycle.spawn_last("backbone", end);
    stand(&settings, known, &keeper).await;
    Ok(())
}

/// Starts the maps of `spawn_maps` once the Cluster knows this spawner.
async fn stand(
    settings: &Settings,
    mut known: watch::Receiver<bool>,
    keeper: &mpsc::Sender<Order>,
) {
    let standing = settings
        .spawn_maps
        .iter()
        .flat_map(|standing| (0..standing.channels).map(|_| standing.map.clone()));
    if known.wait_for(|known| *known).await.is_ok() {
        // Fails only when the keeper has stopped, and then nothing is to be started.
        let _ = keeper.send(Order::Stand(standing.collect())).await;
    }
}

fn options(settings: &Settings) -> Options {
    Options {
        url: settings.nats_url.clone(),
        credentials: settings.nats_creds.clone(),
        realm: settings.basics.realm.clone(),
        role: ROLE.to_owned(),
        id: settings.id.to_string(),
    }
}

fn describe(settings: &Settings, maps: &BTreeSet<MapName>) -> Spawner {
    Spawner::new(
        settings.id.clone(),
        Incarnation::new(),
        settings.advertise_address.clone(),
        maps.iter().cloned().collect(),
        settings.slots,
    )
}

/// Starts the keeper of the children and the announcer of their events.
fn keep_children(
    settings: &Settings,
    maps: BTreeSet<MapName>,
    program: MapProgram,
    backbone: &Backbone,
    instance: &Instance,
    used: watch::Sender<u32>,
) -> mpsc::Sender<Order> {
    let limits = Limits {
        spawner: settings.id.clone(),
        maps,
        slots: settings.slots,
        start_deadline: settings.start_deadline(),
        stop_grace: settings.stop_grace(),
    };
    let (announcer, said) = mpsc::channel(announcer::QUEUE);
    let announcing = announcer::announce(backbone.clone(), said);
    let lifecycle = instance.lifecycle.clone();
    lifecycle.spawn_short("announcer", async {
        announcing.await;
        anyhow::Ok(())
    });
    let (backbone, patience) = (backbone.clone(), settings.stop_patience());
    let around = Surroundings { program, backbone, lifecycle: lifecycle.clone(), announcer, used };
    let (keeper, orders) = Keeper::new(limits, around);
    lifecycle.spawn("children", async move {
        keeper.run(patience).await;
        anyhow::Ok(())
    });
    orders
}

/// Registers, answers commands and beats until all children have ended, then says farewell: first to the
/// Cluster, then to NATS.
async fn serve(
    backbone: Backbone,
    service: Service,
    mut membership: Membership,
    nats_up: Condition,
    closing: CancellationToken,
) -> anyhow::Result<()> {
    let stop = service.stop_token();
    let mut commands = Box::pin(service.run());
    let at = backbone.at();
    tokio::select! {
        () = closing.cancelled() => {}
        ended = &mut commands => return Ok(ended?),
        refused = membership.live() => match refused? {},
        () = nats_up.follow_connection(backbone.connected(), &at) => {}
    }
    membership.leave().await;
    stop.cancel();
    if timeout(FAREWELL, async { (commands.await, backbone.close().await) }).await.is_err() {
        warn!("NATS did not take the farewell in time");
    }
    Ok(())
}

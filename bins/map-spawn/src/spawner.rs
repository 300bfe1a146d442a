//! One Map Spawn Server, from its start to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use instance::{Condition, Instance};
use nats::{Backbone, Options, Service, call::DEADLINE};
use protocol::{
    Incarnation, MapName,
    backbone::spawners::{Machine, Pinned, Spawner},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    adoption::{self, Orphan},
    announcer::{self, Said},
    catalogue::{self, CatalogueError},
    commands::{self, Desk},
    keeper::{Fare, Keeper, Order, Surroundings},
    machine,
    map_program::MapProgram,
    membership::{Membership, News},
    nursery::Limits,
    settings::Settings,
};

/// The role's name on the backbone: that of its NATS user and inbox.
const ROLE: &str = "spawner";
/// Between two questions to the Cluster for Map Servers that were found running.
const ASK_AGAIN: Duration = Duration::from_millis(500);
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

    let (fare, fare_now) = watch::channel(Fare::default());
    let (term, term_now) = watch::channel(0);
    let news = News { fare: fare_now, machine: observe_machine(&instance), term };
    let me = describe(&settings, &maps);
    let membership = Membership::new(backbone.clone(), me, news, registered).await?;
    membership.find_id_free().await?;
    // Not before: what a living spawner of this id has started is none of this one's business.
    let orphans = adoption::find(&program).await;
    let (mut known, are_strangers) = (membership.known(), !orphans.is_empty());
    let around = Surroundings {
        program,
        backbone: backbone.clone(),
        lifecycle: instance.lifecycle.clone(),
        announcer: announce(&backbone, &instance),
        fare,
        term: term_now,
    };
    let keeper = keep_children(&settings, maps, around, orphans);
    let desk = Desk { spawner: settings.id.clone(), keeper: keeper.clone(), known: known.clone() };
    let service = commands::service(&backbone, desk).await?;
    service.live().await?;
    let closing = instance.lifecycle.closing().clone();
    let end = serve(backbone.clone(), service, membership, nats_up, closing);
    instance.lifecycle.spawn_last("backbone", end);
    if known.wait_for(|known| *known).await.is_ok() {
        stand(&settings, &backbone, &keeper, are_strangers).await;
    }
    Ok(())
}

/// Starts what is missing of `spawn_maps`; before that, and on until it has said who each of them
/// is, asks the Cluster for the Map Servers that ran already.
async fn stand(
    settings: &Settings,
    backbone: &Backbone,
    keeper: &mpsc::Sender<Order>,
    mut are_strangers: bool,
) {
    if are_strangers {
        are_strangers = introduce(backbone, keeper).await;
    }
    // Fails only when the keeper has stopped, and then nothing is to be started.
    let _ = keeper.send(Order::Stand(pinned(settings))).await;
    while are_strangers {
        sleep(ASK_AGAIN).await;
        are_strangers = introduce(backbone, keeper).await;
    }
}

/// Tells the keeper whom the Cluster knows; whether there is still a Map Server that nobody knows.
async fn introduce(backbone: &Backbone, keeper: &mpsc::Sender<Order>) -> bool {
    let peers = match backbone.all_peers(DEADLINE).await {
        Ok(peers) => peers,
        Err(failure) => {
            debug!("who has registered is not known yet: {failure}");
            return true;
        }
    };
    let (reply, answer) = oneshot::channel();
    let asked = keeper.send(Order::Introduce(peers, reply)).await;
    asked.is_ok() && answer.await.unwrap_or(false)
}

/// `spawn_maps`, each map once.
fn pinned(settings: &Settings) -> Vec<Pinned> {
    let mut maps = BTreeMap::<MapName, u16>::new();
    for standing in &settings.spawn_maps {
        let channels = maps.entry(standing.map.clone()).or_default();
        *channels = channels.saturating_add(standing.channels);
    }
    maps.into_iter().map(|(map, channels)| Pinned { map, channels }).collect()
}

fn observe_machine(instance: &Instance) -> watch::Receiver<Machine> {
    let (machine, machine_now) = watch::channel(Machine::default());
    let closing = instance.lifecycle.closing().clone();
    instance.lifecycle.spawn_last("machine", async {
        machine::observe(machine, closing).await;
        anyhow::Ok(())
    });
    machine_now
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
    let me = Spawner::new(
        settings.id.clone(),
        Incarnation::new(),
        settings.advertise_address.clone(),
        maps.iter().cloned().collect(),
        settings.slots,
    );
    Spawner {
        labels: settings.labels.clone(),
        pinned: pinned(settings),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..me
    }
}

/// Starts the announcer of what happens to the children.
fn announce(backbone: &Backbone, instance: &Instance) -> mpsc::Sender<Said> {
    let (announcer, said) = mpsc::channel(announcer::QUEUE);
    let announcing = announcer::announce(backbone.clone(), said);
    instance.lifecycle.spawn_short("announcer", async {
        announcing.await;
        anyhow::Ok(())
    });
    announcer
}

/// Starts the keeper of the children, with those that run already.
fn keep_children(
    settings: &Settings,
    maps: BTreeSet<MapName>,
    around: Surroundings,
    orphans: Vec<Orphan>,
) -> mpsc::Sender<Order> {
    let limits = Limits {
        spawner: settings.id.clone(),
        maps,
        slots: settings.slots,
        start_deadline: settings.start_deadline(),
        stop_grace: settings.stop_grace(),
    };
    let (lifecycle, patience) = (around.lifecycle.clone(), settings.stop_patience());
    let (mut keeper, orders) = Keeper::new(limits, around);
    keeper.adopt(orphans);
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

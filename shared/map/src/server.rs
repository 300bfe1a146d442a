//! Puts the parts together, in the order that others rely on, and takes them apart again.

use std::{
    convert::Infallible,
    future::Future,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use instance::Instance;
use nats::{Backbone, BackboneError};
use protocol::{
    ConnectionKey, Failure, Incarnation,
    backbone::{events::SessionEnded, maps::MapServer, spawners::ChildReady},
};
use sessions::{Sessions, SessionsError};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch as latest},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use world::{ConfigError, Stage, World, atlas::MapPlan};

use crate::{
    admission::Admission,
    backends, courier, endpoints,
    gate::Gate,
    host::{self, Channels, Host, HostLink, Times, Told, Vitals},
    jobs::{self, Desk},
    listen::{self, NoPort},
    membership::Membership,
    recorder::{Recorder, Shelves},
    recovery,
    settings::Settings,
};

/// How long answers that are being worked on may take when the server ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Commands and outcomes that wait for the host, at most. A sender waits when they are more.
const INBOX: usize = 4096;
/// How long a start waits for what servers before could not save.
const RECOVERY: Duration = Duration::from_secs(3);
/// What is left of the drain after the host's part: for last words, the Cluster and NATS.
const LEAVING: Duration = Duration::from_secs(3);

/// Why a Map Server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Every port that it may take is taken.
    #[error(transparent)]
    NoPort(#[from] NoPort),
    /// Redis can never be used as it is configured.
    #[error(transparent)]
    Redis(#[from] SessionsError),
    /// NATS can never be used as it is configured, or denies this user something.
    #[error(transparent)]
    Nats(#[from] BackboneError),
    /// The Cluster does not take this server, such as for an id in use.
    #[error("the Cluster does not take this server")]
    Refused(#[from] Failure),
    /// The map is not what the game wants.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The recording cannot be begun.
    #[error("nothing can be recorded")]
    Recording(#[from] io::Error),
    /// The settings could not be read at first, and then could.
    #[error("the settings were changed while they were read; start again")]
    SettingsChanged,
}

/// Runs a Map Server until it has drained. [`main`](crate::main) does this; a program that has
/// settings of its own, or a test, does it within [`instance::Program::run`] or beside
/// [`instance::Lifecycle::run_until_done`].
///
/// # Errors
/// See [`StartError`].
pub async fn start<W: World>(
    settings: Settings,
    plan: MapPlan,
    instance: Instance,
) -> Result<(), StartError> {
    let draining = instance.lifecycle.draining().clone();
    // The game first: what is wrong with it or its map is told before anybody waits for it.
    let host = host::<W>(&settings, plan)?;
    let opened = Box::pin(draining.run_until_cancelled(open(settings, host, &instance))).await;
    // `None`: a signal came while something was waited for.
    match opened {
        Some(opened) => Ok(opened?.stay(&instance).await?),
        None => Ok(()),
    }
}

/// A server that is registered and not yet serving.
struct Opened<W: World> {
    server: Server,
    listener: TcpListener,
    host: Unnamed<W>,
    membership: Membership,
    service: nats::Service,
    ended: nats::Subscription<SessionEnded>,
    told: Told,
}

/// The game on its map, before it is known under which channel.
type Unnamed<W> = (Stage<W>, Recorder);

/// Brings the map to life, and begins to write down what happens.
fn host<W: World>(settings: &Settings, plan: MapPlan) -> Result<Unnamed<W>, StartError> {
    let stage = Stage::open(Arc::new(plan), settings.seed.unwrap_or_else(rand::random))?;
    let shelves = Shelves { record: settings.record.clone(), crashes: settings.crash_dir.clone() };
    let recorder = Recorder::begin(shelves, &stage, Instant::now())?;
    Ok((stage, recorder))
}

/// What most parts need.
struct Server {
    settings: Settings,
    own: MapServer,
    backbone: Backbone,
    sessions: Sessions,
    link: HostLink,
}

async fn open<W: World>(
    settings: Settings,
    host: Unnamed<W>,
    instance: &Instance,
) -> Result<Opened<W>, StartError> {
    let (listener, port) = listen::bind(settings.listen_address, &settings.ports)?;
    // All are named before the first is up, or the server would be ready for a moment.
    let conditions = ["nats", "redis", "registered"].map(|name| instance.readiness.condition(name));
    let [nats_up, redis_up, registered] = conditions;
    let (backbone, sessions) = backends::open(&settings, &nats_up, &redis_up).await?;
    let pinged = sessions.clone();
    watch(instance, "redis", async move { redis_up.follow_pings(|| pinged.ping()).await });
    let (connected, at) = (backbone.connected(), backbone.at());
    watch(instance, "nats", async move { nats_up.follow_connection(connected, &at).await });

    let mut own = describe(&settings, port);
    let (link, told) = HostLink::new();
    // Everything that listens is there before anybody is told of this server, and nothing before
    // it is known that no other server is meant.
    let ended = backbone.subscribe::<SessionEnded>().await?;
    // Before anybody can select a character whose last state waits there; the rest goes on beside.
    let recovered = recovery::recover(settings.recovery_dir.clone(), backbone.clone());
    let _ = timeout(RECOVERY, recovered).await;
    let mut membership = Membership::new(backbone.clone(), own.clone(), registered).await?;
    membership.find_id_free().await?;
    let service = endpoints::open(&backbone, &own.server, &link, &sessions).await?;
    own.channel = membership.join().await?;
    say_ready(&own, instance);
    let server = Server { settings, own, backbone, sessions, link };
    Ok(Opened { server, listener, host, membership, service, ended, told })
}

impl<W: World> Opened<W> {
    /// Serves until the drain is over.
    ///
    /// # Errors
    /// Why the Cluster takes this server back no more; then it has drained, too.
    async fn stay(self, instance: &Instance) -> Result<(), Failure> {
        let Self { server, .. } = self;
        let draining = instance.lifecycle.draining().clone();
        let hosted = CancellationToken::new();
        let host = server.host(self.host);
        let vitals = server.spawn_host(instance, host, self.told, &hosted);
        spawn(instance, "sessions", {
            let (hosted, link) = (hosted.clone(), server.link.clone());
            let heard = endpoints::hear_ended_sessions(self.ended, link);
            async move { hosted.run_until_cancelled(heard).await.unwrap_or(()) }
        });
        server.recover(instance);
        let stop = self.service.stop_token();
        let served = spawn_service(instance, self.service);
        spawn(instance, "gate", server.gate().serve(self.listener, draining, hosted.clone()));

        let stayed = self.membership.stay(vitals, hosted.clone()).await;
        if let Err(failure) = &stayed {
            instance.lifecycle.drain(&format!("this server must give way: {failure}"));
        }
        stop.cancel();
        hosted.cancelled().await;
        // What is not answered by then has missed its deadline.
        let _ = timeout(LAST_ANSWERS, served.cancelled()).await;
        server.backbone.close().await;
        stayed
    }
}

impl Server {
    fn host<W: World>(&self, (stage, recorder): Unnamed<W>) -> Host<W> {
        let times = Times {
            save_every: Duration::from_secs(self.settings.save_every_s),
            seat_kept: Duration::from_secs(self.settings.seat_kept_s),
            instance_idle: Duration::from_secs(self.settings.instance_idle_s),
            link_grace: Duration::from_secs(self.settings.link_grace_s),
            idle: Duration::from_secs(self.settings.idle_s),
            slowest: self.settings.slowest_pace,
        };
        Host::new(self.own.clone(), stage, recorder, times, Instant::now())
    }

    /// Starts the host and those that work for it; `hosted` is cancelled when the host has ended.
    fn spawn_host<W: World>(
        &self,
        instance: &Instance,
        host: Host<W>,
        told: Told,
        hosted: &CancellationToken,
    ) -> latest::Receiver<Vitals> {
        let (outcomes_in, outcomes) = mpsc::channel(INBOX);
        let (jobs_in, jobs) = mpsc::channel(INBOX);
        let (news_in, news) = mpsc::channel(courier::QUEUE);
        let (vitals_in, vitals) = latest::channel(Vitals::default());
        let (backbone, sessions) = (self.backbone.clone(), self.sessions.clone());
        let desk = Desk { backbone: backbone.clone(), sessions, own: self.own.life() };
        spawn(instance, "jobs", jobs::work(jobs, outcomes_in, desk));
        spawn(instance, "courier", courier::deliver(news, backbone));

        let channels = Channels { told, outcomes, jobs: jobs_in, news: news_in, vitals: vitals_in };
        let draining = instance.lifecycle.draining().clone();
        let drain = self.settings.basics.drain();
        let drain = drain.saturating_sub(LEAVING).max(drain / 2);
        let done = hosted.clone().drop_guard();
        let (folder, server) = (self.settings.recovery_dir.clone(), self.own.server.clone());
        spawn(instance, "host", async move {
            let left = host::run(host, channels, draining, drain).await;
            match left.write(&folder, server.as_str()) {
                Ok(None) => {}
                Ok(Some(file)) => {
                    let (file, characters) = (file.display(), left.characters.len());
                    error!(%file, characters, "ended before these could be saved; start again");
                }
                // The log is the last place where they can be kept.
                Err(error) => error!(%error, ?left, "ended before these could be saved"),
            }
            drop(done);
        });
        vitals
    }

    /// Saves what servers before could not.
    fn recover(&self, instance: &Instance) {
        let draining = instance.lifecycle.draining().clone();
        let folder = self.settings.recovery_dir.clone();
        let recovered = recovery::recover(folder, self.backbone.clone());
        instance.lifecycle.spawn_short("recovery", async move {
            draining.run_until_cancelled(recovered).await;
            Ok::<_, Infallible>(())
        });
    }

    fn gate(&self) -> Gate {
        let admission = Admission {
            own: self.own.life(),
            key: self.own.connection_key.clone(),
            sessions: self.sessions.clone(),
            backbone: self.backbone.clone(),
            host: self.link.clone(),
        };
        Gate { admission, host: self.link.clone() }
    }
}

/// Answers other servers until stopped; the token is cancelled when all answers are out.
fn spawn_service(instance: &Instance, service: nats::Service) -> CancellationToken {
    let served = CancellationToken::new();
    let done = served.clone().drop_guard();
    instance.lifecycle.spawn("service", async move {
        let ran = service.run().await;
        drop(done);
        ran
    });
    served
}

/// Runs a task that handles its own errors.
fn spawn(instance: &Instance, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    instance.lifecycle.spawn(name, async {
        task.await;
        Ok::<_, Infallible>(())
    });
}

/// Runs a task that ends by itself never, until the drain.
fn watch(instance: &Instance, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let draining = instance.lifecycle.draining().clone();
    spawn(instance, name, async move { draining.run_until_cancelled(task).await.unwrap_or(()) });
}

fn describe(settings: &Settings, port: u16) -> MapServer {
    MapServer {
        server: settings.id.clone(),
        incarnation: Incarnation::new(),
        map: settings.map.clone(),
        channel: settings.channel,
        address: settings.advertise_address.clone(),
        port,
        connection_key: ConnectionKey::from_bytes(rand::random()),
        population: 0,
        capacity: settings.capacity,
        spawner: settings.spawner.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        claimed: false,
    }
}

/// Prints the one line that a spawner waits for. Nobody may be reading, which is no fault.
fn say_ready(own: &MapServer, instance: &Instance) {
    let ready = ChildReady {
        life: own.life(),
        channel: own.channel,
        port: own.port,
        admin: instance.admin_address,
    };
    info!(map = %own.map, channel = %own.channel, port = own.port, "clients may connect");
    if let Ok(line) = serde_json::to_string(&ready) {
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

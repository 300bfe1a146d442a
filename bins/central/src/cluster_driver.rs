//! Carries messages to and from the Cluster's mind: one task owns the machine, everybody else asks
//! through a bounded queue.

use std::{
    collections::HashMap,
    future::Future,
    time::{Duration, Instant},
};

use cluster::{Answer, Asked, Caller, Cluster, Effect, Event, News, TICK};
use nats::{Backbone, BackboneError, Request, Service};
use protocol::{
    Code, Failure, Incarnation,
    backbone::{
        Done,
        desired::DesiredState,
        maps::{LeaveMap, ListPeers, MapBeat, MorePeers, RegisterMap, Route},
        operations::{AbortDrain, AskFate, Drain, Enqueue, GetStatus, LifesFate, Rebalance},
        spawners::{LeaveSpawner, RegisterSpawner, SpawnMap, SpawnerBeat, StopMap},
    },
};
use store::Store;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{drains, term::Term};

/// Questions that wait for the machine, which answers thousands a second.
const QUEUE: usize = 1024;
/// News on its way to NATS. Peers repair what is dropped beyond it: views are numbered.
const NEWS: usize = 4096;
/// How long a spawner has to start or to stop a Map Server.
const SPAWNER: Duration = Duration::from_secs(12);
/// How long anybody else waits for the machine.
const MACHINE: Duration = Duration::from_millis(1500);

struct Question {
    asked: Asked,
    reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// Asks the Cluster. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ClusterHandle {
    questions: mpsc::Sender<Question>,
    term: Term,
}

/// The tasks that make a Cluster.
pub(crate) struct Driver {
    machine: Cluster,
    term: Term,
    clock: Clock,
    backbone: Backbone,
    store: Store,
    questions: mpsc::Receiver<Question>,
    waiting: HashMap<Caller, oneshot::Sender<Result<Answer, Failure>>>,
    callers: u64,
    /// Commands to other servers; those that the machine waits for come back as an event.
    errands: JoinSet<Option<Event>>,
    news: mpsc::Sender<News>,
}

/// The machine's time: it stands still while NATS is away, when nobody can be heard and silence
/// means nothing.
struct Clock {
    /// What had passed when it last began to run.
    before: Duration,
    running_since: Option<Instant>,
}

impl Clock {
    fn new() -> Self {
        Self { before: Duration::ZERO, running_since: Some(Instant::now()) }
    }

    fn now(&self) -> Duration {
        self.before + self.running_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn runs(&self) -> bool {
        self.running_since.is_some()
    }

    fn run_while(&mut self, connected: bool) {
        self.before = self.now();
        self.running_since = connected.then(Instant::now);
    }
}

/// Tells everybody, in order.
pub(crate) struct Herald {
    backbone: Backbone,
    term: Term,
    news: mpsc::Receiver<News>,
}

/// A new Cluster of this life and term: who asks it, who drives it, and who tells its news.
pub(crate) fn new(
    backbone: &Backbone,
    store: &Store,
    life: Incarnation,
    term: Term,
    (desired, drains): (DesiredState, Vec<Drain>),
) -> (ClusterHandle, Driver, Herald) {
    let (ask, questions) = mpsc::channel(QUEUE);
    let (tell, news) = mpsc::channel(NEWS);
    let driver = Driver {
        machine: Cluster::new(life, term.epoch, desired, drains),
        term: term.clone(),
        clock: Clock::new(),
        backbone: backbone.clone(),
        store: store.clone(),
        questions,
        waiting: HashMap::new(),
        callers: 0,
        errands: JoinSet::new(),
        news: tell,
    };
    let herald = Herald { backbone: backbone.clone(), term: term.clone(), news };
    (ClusterHandle { questions: ask, term }, driver, herald)
}

impl ClusterHandle {
    /// Whether the term of this Cluster lasts.
    pub(crate) fn leads(&self) -> bool {
        self.term.lasts()
    }

    /// An answer of the leader. It is not given after its term: another one's counts then.
    pub(crate) async fn while_it_leads<T>(&self, answer: T) -> T {
        self.term.or_silence().await;
        answer
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the machine says, or [`Code::Busy`] and [`Code::DeadlinePassed`] when it does not.
    pub(crate) async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let patience = match asked {
            Asked::Spawn(..) | Asked::Stop(_) => SPAWNER,
            _ => MACHINE,
        };
        let (reply, answer) = oneshot::channel();
        let question = Question { asked, reply };
        self.questions
            .try_send(question)
            .map_err(|_| Failure::new(Code::Busy, "the Cluster has too much to do; try again"))?;
        let late = || Failure::new(Code::DeadlinePassed, "the Cluster did not answer in time");
        timeout(patience, answer).await.map_err(|_| late())?.map_err(|_| late())?
    }

    /// Adds the endpoints of the Cluster.
    ///
    /// # Errors
    /// As [`Service::add`].
    pub(crate) async fn serve(&self, service: &mut Service) -> Result<(), BackboneError> {
        self.add(service, |ask: RegisterMap| Asked::RegisterMap(ask.server), map_registered)
            .await?;
        self.add(service, |ask: MapBeat| Asked::MapBeat(ask), beat_heard).await?;
        self.add(service, |ask: LeaveMap| Asked::LeaveMap(ask), done).await?;
        self.add(
            service,
            |ask: RegisterSpawner| Asked::RegisterSpawner(ask.spawner),
            spawner_registered,
        )
        .await?;
        self.add(service, |ask: SpawnerBeat| Asked::SpawnerBeat(ask), beat_heard).await?;
        self.add(service, |ask: LeaveSpawner| Asked::LeaveSpawner(ask), done).await?;
        self.add(service, |_: ListPeers| Asked::Peers(None), peers).await?;
        self.add(service, |ask: MorePeers| Asked::Peers(Some(ask.after)), peers).await?;
        self.add(service, |ask: Route| Asked::Route(ask), routed).await?;
        self.add(service, |ask: AskFate| Asked::Fate(ask.life), lifes_fate).await?;
        self.add(service, |ask: SpawnMap| Asked::Spawn(ask, SPAWNER), map_spawned).await?;
        self.add(service, |ask: StopMap| Asked::Stop(ask), done).await?;
        self.add(service, |ask: Enqueue| Asked::Enqueue(ask), placed).await?;
        self.add(service, |_: GetStatus| Asked::Status, status).await?;
        self.add(service, |ask: Drain| Asked::Drain(ask), draining).await?;
        self.add(service, |ask: AbortDrain| Asked::AbortDrain(ask), draining).await?;
        self.add(service, |_: Rebalance| Asked::Rebalance, draining).await
    }

    async fn add<R: Request<To = ()>>(
        &self,
        service: &mut Service,
        asked: impl Fn(R) -> Asked + Send + Sync + 'static,
        reply: fn(Answer) -> Option<R::Reply>,
    ) -> Result<(), BackboneError> {
        let handle = self.clone();
        let serve = move |ask: R| {
            let (handle, asked) = (handle.clone(), asked(ask));
            async move {
                let answer = handle.ask(asked).await;
                reply(handle.while_it_leads(answer).await?).ok_or_else(|| {
                    Failure::new(Code::Internal, format!("{} got another answer", R::SUBJECT))
                })
            }
        };
        service.add(&(), serve).await
    }
}

macro_rules! answers {
    ($($name:ident: $variant:ident($type:path);)*) => {$(
        fn $name(answer: Answer) -> Option<$type> {
            match answer {
                Answer::$variant(answer) => Some(answer),
                _ => None,
            }
        }
    )*};
}

answers! {
    map_registered: MapRegistered(protocol::backbone::maps::MapRegistered);
    beat_heard: BeatHeard(protocol::backbone::maps::BeatHeard);
    spawner_registered: SpawnerRegistered(protocol::backbone::spawners::SpawnerRegistered);
    peers: Peers(protocol::backbone::maps::Peers);
    routed: Routed(protocol::backbone::maps::Routed);
    placed: Placed(protocol::backbone::operations::Placed);
    status: Status(protocol::backbone::operations::ClusterStatus);
    draining: Draining(protocol::backbone::operations::Draining);
    map_spawned: MapSpawned(protocol::backbone::spawners::MapSpawned);
}

fn done(answer: Answer) -> Option<Done> {
    matches!(answer, Answer::Done).then_some(Done {})
}

fn lifes_fate(answer: Answer) -> Option<LifesFate> {
    match answer {
        Answer::Fate(fate) => Some(LifesFate { fate }),
        _ => None,
    }
}

impl Driver {
    /// Drives the machine until `stop`, or until the term is over.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Failure> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connected = self.backbone.connected();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Ok(()) = connected.changed() => {
                    self.clock.run_while(*connected.borrow_and_update());
                    if !self.clock.runs() {
                        continue;
                    }
                    Event::Resumed
                }
                Some(question) = self.questions.recv() => self.question(question),
                Some(Ok(Some(event))) = self.errands.join_next() => event,
                _ = ticks.tick() => Event::Tick,
            };
            if !self.term.lasts() {
                return Ok(());
            }
            for effect in self.machine.handle(event, self.clock.now()) {
                self.carry_out(effect);
            }
        }
    }

    fn question(&mut self, question: Question) -> Event {
        self.callers += 1;
        let caller = Caller(self.callers);
        self.waiting.insert(caller, question.reply);
        Event::Asked(caller, question.asked)
    }

    /// A command to another server, on its way once it is awaited.
    fn command<R: Request>(
        &self,
        to: R::To,
        body: R,
        within: Duration,
    ) -> impl Future<Output = Result<R::Reply, Failure>> + Send + 'static
    where
        R::To: Send + Sync + 'static,
    {
        let backbone = self.backbone.clone();
        async move { backbone.call_within(&to, body, within).await }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Answer(caller, answer) => {
                if let Some(reply) = self.waiting.remove(&caller) {
                    let _ = reply.send(answer); // whoever asked may have given up
                }
            }
            Effect::Tell(news) => {
                if self.news.try_send(news).is_err() {
                    warn!("news is dropped: NATS does not take it; peers will ask for the list");
                }
            }
            Effect::Start(job, spawner, child) => {
                let started = self.command(spawner, child, SPAWNER);
                self.errands.spawn(async move { Some(Event::Started(job, started.await)) });
            }
            Effect::Stop(job, spawner, stop) => {
                let stopped = self.command(spawner, stop, SPAWNER);
                self.errands
                    .spawn(async move { Some(Event::Stopped(job, stopped.await.map(drop))) });
            }
            Effect::Drain(job, server, drain) => {
                let heard = self.command(server, drain, MACHINE);
                self.errands
                    .spawn(async move { Some(Event::DrainHeard(job, heard.await.map(drop))) });
            }
            Effect::Keep(job, drains) => {
                let (store, epoch) = (self.store.clone(), self.term.epoch);
                self.errands.spawn(async move {
                    Some(Event::Kept(job, drains::keep(&store, epoch, drains).await))
                });
            }
            Effect::EndHung(spawner, hung) => {
                let heard = self.command(spawner.clone(), hung, MACHINE);
                self.errands.spawn(async move {
                    if let Err(failure) = heard.await {
                        warn!(%spawner, %failure, "a hung Map Server is left to itself");
                    }
                    None
                });
            }
        }
    }
}

impl Herald {
    /// Tells news until there is none to come: the driver has ended.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        while let Some(news) = self.news.recv().await.filter(|_| self.term.lasts()) {
            let told = match &news {
                News::MapUp(up) => self.backbone.publish(up).await,
                News::MapChanged(changed) => self.backbone.publish(changed).await,
                News::MapDown(down) => self.backbone.publish(down).await,
                News::SpawnerUp(up) => self.backbone.publish(up).await,
                News::SpawnerDown(down) => self.backbone.publish(down).await,
            };
            if let Err(error) = told {
                warn!(%error, "news is not told; peers will ask for the list");
            }
        }
        Ok(())
    }
}

//! The shell around the nursery: carries out its effects, and brings it orders, reports and time.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use instance::Lifecycle;
use metrics::{counter, gauge};
use nats::Backbone;
use protocol::{
    Failure, ServerId, SpawnerId,
    backbone::{
        maps::{LeaveMap, Peers},
        spawners::{
            Child, ChildState, ClearChild, EndHungChild, MapSpawned, Pending, Pinned, StartChild,
            StopChild,
        },
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use crate::{
    adoption::{Orphan, watch_orphan},
    announcer::Said,
    map_program::MapProgram,
    nursery::{Effect, Event, Launch, Limits, Nursery, Sign, WaiterId},
    watch::watch,
};

/// Orders and reports that wait to be handled.
const QUEUE: usize = 256;
/// Signals that wait to be sent to one child: there are two in a life.
const SIGNS: usize = 4;
/// How long the Cluster is given for each try to hear of a life's end, and how many there are. A
/// restart waits for it, so it is short; if it fails, missing beats tell the same a little later.
const LEAVE_WITHIN: Duration = Duration::from_millis(300);
const LEAVE_TRIES: u32 = 3;

/// What the keeper is asked to do.
pub(crate) enum Order {
    /// Run these always.
    Stand(Vec<Pinned>),
    /// The Cluster knows these; answered with whether there are children that nobody knows.
    Introduce(Peers, oneshot::Sender<bool>),
    Start(StartChild, oneshot::Sender<Result<MapSpawned, Failure>>),
    Stop(StopChild, oneshot::Sender<Result<(), Failure>>),
    Hung(EndHungChild, oneshot::Sender<Result<(), Failure>>),
    Clear(ClearChild, oneshot::Sender<Result<(), Failure>>),
    List(oneshot::Sender<Vec<Child>>),
}

/// What the keeper needs of its surroundings.
pub(crate) struct Surroundings {
    pub(crate) program: MapProgram,
    pub(crate) backbone: Backbone,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) announcer: mpsc::Sender<Said>,
    /// For the registration and the beats.
    pub(crate) fare: watch::Sender<Fare>,
    /// The greatest term of a leading Cluster that was heard of.
    pub(crate) term: watch::Receiver<u64>,
}

/// How the children fare.
#[derive(Debug, Default)]
pub(crate) struct Fare {
    /// Slots in use.
    pub(crate) used: u32,
    /// Children that do not serve.
    pub(crate) pending: Vec<Pending>,
}

/// Keeps the children of this spawner.
pub(crate) struct Keeper {
    nursery: Nursery,
    spawner: SpawnerId,
    around: Surroundings,
    since: Instant,
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Receiver<Event>,
    reporter: mpsc::Sender<Event>,
    processes: HashMap<ServerId, mpsc::Sender<Sign>>,
    waiters: WaiterId,
    starts: HashMap<WaiterId, oneshot::Sender<Result<MapSpawned, Failure>>>,
    answers: HashMap<WaiterId, oneshot::Sender<Result<(), Failure>>>,
}

impl Keeper {
    /// A keeper without children, and where to send it orders.
    pub(crate) fn new(limits: Limits, around: Surroundings) -> (Self, mpsc::Sender<Order>) {
        let (order, orders) = mpsc::channel(QUEUE);
        let (reporter, reports) = mpsc::channel(QUEUE);
        let keeper = Self {
            spawner: limits.spawner.clone(),
            nursery: Nursery::new(limits, rand::random()),
            around,
            since: Instant::now(),
            orders,
            reports,
            reporter,
            processes: HashMap::new(),
            waiters: 0,
            starts: HashMap::new(),
            answers: HashMap::new(),
        };
        (keeper, order)
    }

    /// Takes in the Map Servers that an earlier life of this spawner has left behind.
    pub(crate) fn adopt(&mut self, orphans: Vec<Orphan>) {
        for Orphan { found, handle } in orphans {
            let (server, pid) = (found.server.clone(), found.pid);
            if self.processes.contains_key(&server) {
                warn!(%server, pid, "runs twice; this process is left alone");
                continue;
            }
            info!(%server, pid, map = %found.map, "a Map Server that runs already is adopted");
            let (sign, signs) = mpsc::channel(SIGNS);
            self.processes.insert(server.clone(), sign);
            let reporter = self.reporter.clone();
            self.watch(&server.clone(), watch_orphan(server, handle, signs, reporter));
            self.handle(Event::Found(found));
        }
    }

    /// Works until the lifecycle drains, then until the last child has ended; `patience` is how
    /// long that may take.
    pub(crate) async fn run(mut self, patience: Duration) {
        let draining = self.around.lifecycle.draining().clone();
        let mut asked = false;
        while !self.nursery.is_drained() {
            let deadline = self.nursery.next_deadline().map(|deadline| self.since + deadline);
            let event = tokio::select! {
                Some(report) = self.reports.recv() => report,
                Some(order) = self.orders.recv() => match self.take(order) {
                    Some(event) => event,
                    None => continue,
                },
                () = until(deadline) => Event::Tick,
                () = draining.cancelled(), if !asked => {
                    asked = true;
                    Event::Drain { patience }
                }
            };
            self.handle(event);
        }
    }

    /// What an order means to the nursery; one that is done already means nothing.
    fn take(&mut self, order: Order) -> Option<Event> {
        let term = *self.around.term.borrow();
        self.handle(Event::Term(term));
        let waiter = self.waiter();
        match order {
            Order::Stand(standing) => {
                standing.into_iter().for_each(|pinned| self.handle(Event::Stand(pinned)));
                None
            }
            Order::Introduce(peers, reply) => {
                self.handle(Event::Peers(peers));
                let _ = reply.send(self.nursery.has_strangers());
                None
            }
            Order::Start(order, reply) => {
                self.starts.insert(waiter, reply);
                Some(Event::Start { order, waiter })
            }
            Order::Stop(order, reply) => {
                self.answers.insert(waiter, reply);
                Some(Event::Stop { order, waiter })
            }
            Order::Hung(order, reply) => {
                self.answers.insert(waiter, reply);
                Some(Event::Hung { order, waiter })
            }
            Order::Clear(ClearChild { server }, reply) => {
                self.answers.insert(waiter, reply);
                Some(Event::Clear { server, waiter })
            }
            Order::List(reply) => {
                // Who asked may have given up.
                let _ = reply.send(self.nursery.children().collect());
                None
            }
        }
    }

    fn waiter(&mut self) -> WaiterId {
        self.waiters += 1;
        self.waiters
    }

    fn handle(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let effects = self.nursery.handle(event, self.since.elapsed());
            events.extend(effects.into_iter().filter_map(|effect| self.carry_out(effect)));
        }
        let (used, pending) = (self.nursery.used(), self.nursery.pending().collect());
        self.around.fare.send_replace(Fare { used, pending });
        self.measure();
    }

    /// Does what an effect asks for, without waiting; says what came of it at once.
    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Launch(launch) => return Some(self.launch(launch)),
            Effect::Signal(server, sign) => self.signal(&server, sign),
            Effect::Leave(leave) => self.tell(leave),
            Effect::Started(started) => {
                let (server, pid, map) = (&started.server, started.pid, &started.map);
                info!(%server, pid, %map, channel = started.channel.0, "a Map Server was started");
                self.announce(Said::Started(started));
            }
            Effect::Ended(ended) => {
                self.processes.remove(&ended.server);
                match ended.restart_in_ms {
                    Some(ms) => {
                        warn!(server = %ended.server, "{}; starts again in {ms} ms", ended.how)
                    }
                    None if ended.held => {
                        let (server, held) = (&ended.server, "it crashed too often and is held");
                        error!(%server, "{}; {held} until somebody clears it", ended.how);
                    }
                    None => info!(server = %ended.server, "{}", ended.how),
                }
                self.announce(Said::Ended(ended));
            }
            // Whoever waited may have given up at its own deadline.
            Effect::Spawned(waiter, outcome) => {
                let _ = self.starts.remove(&waiter).map(|reply| reply.send(outcome));
            }
            Effect::Done(waiter, outcome) => {
                let _ = self.answers.remove(&waiter).map(|reply| reply.send(outcome));
            }
            Effect::Refused(map, failure) => error!(%map, "cannot be started: {failure}"),
        }
        None
    }

    fn launch(&mut self, launch: Launch) -> Event {
        let server = launch.server.clone();
        if launch.restarts > 0 {
            counter!("mmo_spawner_restarts_total", "map" => launch.map.to_string()).increment(1);
        }
        let child = match self.around.program.launch(&launch) {
            Ok(child) => child,
            Err(how) => return Event::Ended { server, how },
        };
        let pid = child.id().unwrap_or_default(); // has one until it is reaped
        let (sign, signs) = mpsc::channel(SIGNS);
        self.processes.insert(server.clone(), sign);
        self.watch(&server, watch(server.clone(), child, signs, self.reporter.clone()));
        Event::Launched { server, pid }
    }

    fn watch(&self, server: &ServerId, watching: impl Future<Output = ()> + Send + 'static) {
        self.around.lifecycle.spawn_short(format!("watch {server}"), async {
            watching.await;
            anyhow::Ok(())
        });
    }

    fn signal(&self, server: &ServerId, sign: Sign) {
        let sent = self.processes.get(server).map(|process| process.try_send(sign));
        if !matches!(sent, Some(Ok(()))) {
            warn!(%server, ?sign, "its process has just ended and takes no signal");
        }
    }

    fn tell(&self, leave: LeaveMap) {
        let (backbone, reporter) = (self.around.backbone.clone(), self.reporter.clone());
        let name = format!("leave {}", leave.life.server);
        self.around.lifecycle.spawn_short(name, async move {
            let server = leave.life.server.clone();
            let told = backbone.call_again(&(), leave, LEAVE_WITHIN, LEAVE_TRIES).await;
            if let Err(failure) = told {
                warn!(%server, "the Cluster was not told of its end: {failure}");
            }
            // Nobody restarts it any more when the keeper is gone.
            let _ = reporter.send(Event::Told { server }).await;
            anyhow::Ok(())
        });
    }

    fn announce(&self, said: Said) {
        if self.around.announcer.try_send(said).is_err() {
            warn!("an event of a child is not announced: too many wait");
        }
    }

    fn measure(&self) {
        let states: Vec<ChildState> = self.nursery.children().map(|child| child.state).collect();
        for (state, name) in [
            (ChildState::Starting, "starting"),
            (ChildState::Ready, "ready"),
            (ChildState::Waiting, "waiting"),
            (ChildState::Held, "held"),
            (ChildState::Stopping, "stopping"),
        ] {
            let count = states.iter().filter(|other| **other == state).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            gauge!("mmo_spawner_children", "spawner" => self.spawner.to_string(), "state" => name)
                .set(count);
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

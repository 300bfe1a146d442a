//! The shell around the nursery: carries out its effects, and brings it orders, reports and time.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use instance::Lifecycle;
use metrics::{counter, gauge};
use nats::Backbone;
use protocol::{
    Failure, MapName, ServerId, SpawnerId,
    backbone::{
        maps::LeaveMap,
        spawners::{Child, ChildState, MapSpawned, StartChild, StopChild},
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use crate::{
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
    Stand(Vec<MapName>),
    Start(StartChild, oneshot::Sender<Result<MapSpawned, Failure>>),
    Stop(StopChild, oneshot::Sender<Result<(), Failure>>),
    List(oneshot::Sender<Vec<Child>>),
}

/// What the keeper needs of its surroundings.
pub(crate) struct Surroundings {
    pub(crate) program: MapProgram,
    pub(crate) backbone: Backbone,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) announcer: mpsc::Sender<Said>,
    /// Slots in use, for the beats.
    pub(crate) used: watch::Sender<u32>,
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
    stops: HashMap<WaiterId, oneshot::Sender<Result<(), Failure>>>,
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
            stops: HashMap::new(),
        };
        (keeper, order)
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
        match order {
            Order::Stand(maps) => {
                for map in maps {
                    self.handle(Event::Start { map, channel: None, waiter: None });
                }
                None
            }
            Order::Start(StartChild { map, channel, .. }, reply) => {
                let waiter = self.waiter();
                self.starts.insert(waiter, reply);
                Some(Event::Start { map, channel, waiter: Some(waiter) })
            }
            Order::Stop(StopChild { server, .. }, reply) => {
                let waiter = self.waiter();
                self.stops.insert(waiter, reply);
                Some(Event::Stop { server, waiter })
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
        self.around.used.send_replace(self.nursery.used());
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
                    None => info!(server = %ended.server, "{}", ended.how),
                }
                self.announce(Said::Ended(ended));
            }
            // Whoever waited may have given up at its own deadline.
            Effect::Spawned(waiter, outcome) => {
                let _ = self.starts.remove(&waiter).map(|reply| reply.send(outcome));
            }
            Effect::Stopped(waiter, outcome) => {
                let _ = self.stops.remove(&waiter).map(|reply| reply.send(outcome));
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
        let watching = watch(server.clone(), child, signs, self.reporter.clone());
        self.around.lifecycle.spawn_short(format!("watch {server}"), async {
            watching.await;
            anyhow::Ok(())
        });
        Event::Launched { server, pid }
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

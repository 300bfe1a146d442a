//! Where bots play: one thread that reads and writes for all of them.
//!
//! A task and a timer for each bot would cost more than what it does; see [`super::ground`].

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use mio::Waker;
use tokio::sync::mpsc;

use super::{
    bot::Departure,
    course::Plan,
    ground::Ground,
    tally::{Tally, Window},
};
use crate::entrance::Entered;

/// What the field is told.
pub(super) enum Order {
    Join(usize, Box<Entered>),
    Count(Window),
    /// Once the window has closed.
    Leave,
}

/// A bot that is not on the field any more.
pub(super) struct Return {
    pub(super) number: usize,
    pub(super) why: Departure,
}

/// What can be seen from outside while bots play.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) playing: AtomicUsize,
    pub(super) inputs: AtomicU64,
    pub(super) snapshots: AtomicU64,
}

/// The field from outside.
pub(super) struct Field {
    orders: SyncSender<Order>,
    waker: Waker,
    pub(super) returns: mpsc::Receiver<Return>,
    pub(super) scene: Arc<Scene>,
    thread: thread::JoinHandle<io::Result<Tally>>,
}

impl Field {
    /// Opens a field for so many bots.
    pub(super) fn open(plan: Plan, bots: usize) -> anyhow::Result<Self> {
        // A bot is in one place at a time, so neither queue is ever full.
        let (orders, incoming) = sync_channel(bots + 3);
        let (outgoing, returns) = mpsc::channel(bots + 1);
        let scene = Arc::new(Scene::default());
        let (ground, waker) = Ground::new(plan, bots, incoming, outgoing, Arc::clone(&scene))?;
        let thread = thread::Builder::new().name("field".to_owned()).spawn(|| ground.run())?;
        Ok(Self { orders, waker, returns, scene, thread })
    }

    /// A bot comes to play.
    pub(super) fn join(&self, number: usize, entered: Entered) -> anyhow::Result<()> {
        self.order(Order::Join(number, Box::new(entered)))
    }

    /// From now on and for so long it counts; then all play on until [`Field::end`], so that the
    /// server can be looked at with them on it.
    pub(super) fn count(&self, lasting: Duration) -> anyhow::Result<()> {
        let now = Instant::now();
        self.order(Order::Count(Window { opened: Some(now), closed: Some(now + lasting) }))
    }

    /// Lets all leave once the count is over, and waits until they have.
    pub(super) async fn end(self) -> anyhow::Result<Tally> {
        // One that has ended says why when it is joined.
        let _ = self.order(Order::Leave);
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        Ok(ended.map_err(|_| anyhow!("the bots' thread panicked"))??)
    }

    fn order(&self, order: Order) -> anyhow::Result<()> {
        self.orders.try_send(order).ok().context("the bots' thread has ended")?;
        Ok(self.waker.wake()?)
    }
}

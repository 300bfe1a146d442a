//! The commands this spawner takes, from the Cluster or typed by hand.

use std::time::Duration;

use nats::{Backbone, BackboneError, Service};
use protocol::{
    Code, Failure, SpawnerId,
    backbone::{
        Done,
        spawners::{Children, ClearChild, EndHungChild, ListChildren, StartChild, StopChild},
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::keeper::Order;

/// How long a command waits for the first registration. The Cluster's first command may come
/// while its answer to the registration is still being read.
const KNOWN_WITHIN: Duration = Duration::from_millis(500);

/// Where commands go.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) spawner: SpawnerId,
    pub(crate) keeper: mpsc::Sender<Order>,
    /// Whether the Cluster has ever known this life.
    pub(crate) known: watch::Receiver<bool>,
}

/// The endpoints of `spawner.<id>.…`. Deadlines and repetitions are the service's work.
pub(crate) async fn service(backbone: &Backbone, desk: Desk) -> Result<Service, BackboneError> {
    let mut service = backbone.service("starts, watches and stops Map Servers").await?;
    let id = desk.spawner.clone();
    let at = desk.clone();
    let start = move |body: StartChild| {
        let desk = at.clone();
        async move { desk.ask(|reply| Order::Start(body, reply)).await? }
    };
    service.add::<StartChild, _, _>(&id, start).await?;
    let at = desk.clone();
    let stop = move |body: StopChild| {
        let desk = at.clone();
        async move { desk.ask(|reply| Order::Stop(body, reply)).await?.map(|()| Done {}) }
    };
    service.add::<StopChild, _, _>(&id, stop).await?;
    let at = desk.clone();
    let hung = move |body: EndHungChild| {
        let desk = at.clone();
        async move { desk.ask(|reply| Order::Hung(body, reply)).await?.map(|()| Done {}) }
    };
    service.add::<EndHungChild, _, _>(&id, hung).await?;
    let at = desk.clone();
    let clear = move |body: ClearChild| {
        let desk = at.clone();
        async move { desk.ask(|reply| Order::Clear(body, reply)).await?.map(|()| Done {}) }
    };
    service.add::<ClearChild, _, _>(&id, clear).await?;
    let list = move |_: ListChildren| {
        let desk = desk.clone();
        async move { Ok(Children { children: desk.ask(Order::List).await? }) }
    };
    service.add::<ListChildren, _, _>(&id, list).await?;
    Ok(service)
}

impl Desk {
    async fn ask<T>(
        mut self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, Failure> {
        // A second spawner that started at the same time with the same id gets a share of the
        // first one's commands until it is refused by the Cluster: it must not act on them.
        let known = timeout(KNOWN_WITHIN, self.known.wait_for(|known| *known)).await.is_ok();
        if !known {
            let message = format!("{} has not registered with the Cluster yet", self.spawner);
            return Err(Failure::new(Code::Unavailable, message));
        }
        // The keeper is gone when the last child of a drain has ended.
        let gone = || {
            let message = format!("{} is shutting down; ask another spawner", self.spawner);
            Failure::new(Code::Draining, message)
        };
        let (reply, answer) = oneshot::channel();
        self.keeper.send(order(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

//! A Cluster from the first to the last moment of one term: its machine, its endpoints, its news.

use std::{
    future::pending,
    pin::pin,
    time::{Duration, Instant},
};

use nats::{Backbone, BackboneError, Service};
use protocol::{Failure, Incarnation, ServerId, backbone::events::ClusterUp};
use store::{Store, StoreError};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    cluster_driver::{self, ClusterHandle},
    desired::{self, Desk},
    desired_file::DesiredFile,
    drains,
    term::{Term, Until},
};

/// How long what has arrived by the end of a reign may take to be answered, and how long the last
/// news may take to be told.
const FINISH: Duration = Duration::from_millis(300);

/// What a reign is made with.
#[derive(Clone)]
pub(crate) struct Means {
    /// This Central.
    pub(crate) id: ServerId,
    pub(crate) store: Store,
    pub(crate) backbone: Backbone,
    /// What is meant to run, by this Central's settings.
    pub(crate) file: Option<DesiredFile>,
    /// The Cluster of this Central while it leads.
    pub(crate) own: watch::Sender<Option<ClusterHandle>>,
}

/// A term of this Central as the leader. Dropped, it is over at once.
pub(crate) struct Reign {
    epoch: u64,
    until: Until,
    stop: CancellationToken,
    task: JoinHandle<Ended>,
    own: watch::Sender<Option<ClusterHandle>>,
}

/// How a reign ended by itself.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Its term is over, or it was told to end.
    TermOver,
    /// It could not begin or go on.
    Failed(ReignError),
    /// A part of it is broken.
    Broken,
}

/// Why a Central that has the lease cannot serve as the leader.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReignError {
    #[error("what is meant to run cannot be read or stored: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Backbone(#[from] BackboneError),
}

impl Reign {
    /// Begins one; what it needs from SQL and NATS it finds in a task of its own.
    pub(crate) fn begin(means: Means, term: Term, until: Until) -> Self {
        let (epoch, stop, own) = (term.epoch, CancellationToken::new(), means.own.clone());
        let task = tokio::spawn(Box::pin(reign(means, term, stop.clone())));
        Self { epoch, until, stop, task, own }
    }

    /// Its term.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The lease was renewed.
    pub(crate) fn prolong(&self, until: Instant) {
        self.until.prolong(until);
    }

    /// Waits for the end of a reign, for good if there is none.
    pub(crate) async fn ended(reign: &mut Option<Self>) -> Ended {
        let Some(reign) = reign else { return pending().await };
        (&mut reign.task).await.unwrap_or_else(|error| {
            error!(%error, "the Cluster broke off");
            Ended::Broken
        })
    }

    /// Answers what has arrived by now, tells the last news, and ends.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        if timeout(FINISH * 3, &mut self.task).await.is_err() {
            warn!("the Cluster did not end in time");
        }
    }
}

impl Drop for Reign {
    fn drop(&mut self) {
        self.own.send_replace(None);
        self.task.abort();
    }
}

async fn reign(means: Means, term: Term, stop: CancellationToken) -> Ended {
    match serve(&means, term, stop).await {
        Ok(ended) => ended,
        Err(error) => Ended::Failed(error),
    }
}

async fn serve(means: &Means, term: Term, stop: CancellationToken) -> Result<Ended, ReignError> {
    let state = desired::settle(&means.store, means.file.as_ref()).await?;
    let drains = drains::left(&means.store).await?;
    let (life, epoch, backbone) = (Incarnation::new(), term.epoch, &means.backbone);
    let (cluster, driver, herald) =
        cluster_driver::new(backbone, &means.store, life, term, (state.clone(), drains));
    let mut tasks = JoinSet::new();
    let ended = CancellationToken::new();
    tasks.spawn(driver.run(ended.clone()));
    let mut herald = JoinSet::from_iter([herald.run()]);

    let mut service = backbone.sole_service("cluster", "Cluster Server").await?;
    cluster.serve(&mut service).await?;
    Desk::new(means.store.clone(), cluster.clone(), state).serve(&mut service).await?;
    service.live().await?;
    if !cluster.leads() {
        return Ok(Ended::TermOver); // all that took too long
    }
    means.own.send_replace(Some(cluster));
    let up = ClusterUp { central: means.id.clone(), incarnation: life, epoch };
    if let Err(error) = backbone.publish(&up).await {
        // The answer to its next beat tells everybody as much.
        warn!(%error, "nobody is told that a Cluster is up");
    }
    let how = run(service, &mut tasks, stop).await?;
    // The machine ends, and then whoever tells its news, once the last is told.
    ended.cancel();
    let last_words = async { while herald.join_next().await.is_some() {} };
    if timeout(FINISH, last_words).await.is_err() {
        warn!("the last news is not told");
    }
    Ok(how)
}

/// Serves until `stop`, and then what has arrived by then.
async fn run(
    service: Service,
    tasks: &mut JoinSet<Result<(), Failure>>,
    stop: CancellationToken,
) -> Result<Ended, BackboneError> {
    let no_more = service.stop_token();
    let mut run = pin!(service.run());
    tokio::select! {
        served = &mut run => served.map(|()| Ended::TermOver),
        ended = tasks.join_next() => match ended {
            Some(Err(error)) => {
                error!(%error, "the Cluster's machine broke off");
                Ok(Ended::Broken)
            }
            _ => Ok(Ended::TermOver),
        },
        () = stop.cancelled() => {
            no_more.cancel();
            if timeout(FINISH, run).await.is_err() {
                warn!("requests were still worked on when the Cluster ended");
            }
            Ok(Ended::TermOver)
        }
    }
}

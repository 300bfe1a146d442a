//! Whoever leads: this Central or another one. Clients' calls ask the Cluster through this.

use std::{convert::Infallible, time::Duration};

use cluster::{Answer, Asked, Fate};
use instance::Condition;
use nats::Backbone;
use protocol::{
    Code, Failure,
    backbone::{
        Life,
        maps::{ListPeers, MapServer, MorePeers},
        operations::AskFate,
    },
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::cluster_driver::ClusterHandle;

/// Between two looks whether somebody leads.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for the answer to one: somebody who listens to everything keeps NATS from saying
/// that nobody serves it.
const LOOK_WITHIN: Duration = Duration::from_millis(700);
/// Between two looks of a Central that starts, and how many of them it takes until it complains:
/// the lease of a leader that was killed is free after some 3 s.
const LOOK_AT_START: Duration = Duration::from_millis(100);
const COMPLAINS_AFTER: u32 = 40;

/// Whoever leads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Leader {
    me: Life,
    own: watch::Receiver<Option<ClusterHandle>>,
    backbone: Backbone,
    /// Whether it answered when it was last asked.
    answers: watch::Sender<bool>,
}

impl Leader {
    /// The leader as `me` finds it: in `own` while that is this Central.
    pub(crate) fn new(
        me: Life,
        own: watch::Receiver<Option<ClusterHandle>>,
        backbone: Backbone,
    ) -> Self {
        Self { me, own, backbone, answers: watch::Sender::new(true) }
    }

    /// Whether somebody led and answered at the last look.
    pub(crate) fn answers(&self) -> bool {
        *self.answers.borrow()
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the Cluster says; [`Code::Unavailable`] or [`Code::DeadlinePassed`] when nobody leads.
    pub(crate) async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let own = self.own.borrow().clone(); // no lock is held over the await
        match own.filter(ClusterHandle::leads) {
            Some(cluster) => cluster.ask(asked).await,
            None => self.ask_another(asked).await,
        }
    }

    async fn ask_another(&self, asked: Asked) -> Result<Answer, Failure> {
        match asked {
            Asked::Enqueue(ask) => self.backbone.call(&(), ask).await.map(Answer::Placed),
            Asked::Peers(None) => self.backbone.call(&(), ListPeers {}).await.map(Answer::Peers),
            Asked::Peers(Some(after)) => {
                self.backbone.call(&(), MorePeers { after }).await.map(Answer::Peers)
            }
            Asked::Fate(life) => {
                let answered = self.backbone.call(&(), AskFate { life }).await?;
                Ok(Answer::Fate(answered.fate))
            }
            _ => Err(Failure::new(Code::Internal, "this is not asked of another Central")),
        }
    }

    /// Whether a life of a Map Server goes on, as far as the Cluster knows.
    pub(crate) async fn fate(&self, life: &Life) -> Result<Fate, Failure> {
        match self.ask(Asked::Fate(life.clone())).await? {
            Answer::Fate(fate) => Ok(fate),
            _ => Err(Failure::new(Code::Internal, "the Cluster gave another answer")),
        }
    }

    /// Every Map Server.
    pub(crate) async fn maps(&self) -> Result<Vec<MapServer>, Failure> {
        let mut maps = Vec::new();
        loop {
            let after = maps.last().map(|last: &MapServer| last.server.clone());
            let Answer::Peers(page) = self.ask(Asked::Peers(after)).await? else {
                return Err(Failure::new(Code::Internal, "the Cluster gave another answer"));
            };
            maps.extend(page.maps);
            if !page.more {
                return Ok(maps);
            }
        }
    }

    /// Waits until somebody leads and answers.
    pub(crate) async fn found(&self, condition: &Condition) {
        let mut looks = 0_u32;
        while let Err(failure) = self.look().await {
            looks = looks.saturating_add(1);
            if looks >= COMPLAINS_AFTER {
                condition.down(failure.to_string());
            }
            self.changed_within(LOOK_AT_START).await;
        }
        condition.up();
    }

    /// Tells from now on whether somebody leads, until `stop`.
    pub(crate) async fn watch(
        self,
        condition: Condition,
        stop: CancellationToken,
    ) -> Result<(), Infallible> {
        let watching = async {
            loop {
                self.changed_within(LOOK).await;
                match self.look().await {
                    Ok(()) => condition.up(),
                    Err(failure) => condition.down(failure.to_string()),
                }
            }
        };
        stop.run_until_cancelled(watching).await;
        Ok(())
    }

    /// Whether somebody answers. Any question would do; this one is small, and so is its answer.
    async fn look(&self) -> Result<(), Failure> {
        let late = || Failure::new(Code::DeadlinePassed, "no Central that leads has answered");
        let looked = timeout(LOOK_WITHIN, self.fate(&self.me)).await;
        let looked = looked.unwrap_or_else(|_| Err(late())).map(drop);
        self.answers.send_replace(looked.is_ok());
        looked
    }

    /// Waits until this Central begins or ceases to lead, or for so long.
    async fn changed_within(&self, limit: Duration) {
        let mut own = self.own.clone();
        own.mark_unchanged();
        match timeout(limit, own.changed()).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(_)) => sleep(limit).await, // this Central leads no more, for good
        }
    }
}

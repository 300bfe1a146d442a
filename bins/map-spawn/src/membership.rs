//! Being known to the Cluster: registration, beats, farewell.

use std::{convert::Infallible, time::Duration};

use instance::Condition;
use nats::{Backbone, BackboneError, Subscription, backbone::STEP};
use protocol::{
    Code, Failure,
    backbone::{
        events::ClusterUp,
        maps::ListPeers,
        spawners::{LeaveSpawner, Machine, RegisterSpawner, Spawner, SpawnerBeat},
    },
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::{info, warn};

use crate::keeper::Fare;

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// How long a beat waits for its answer: the next one is due then.
const BEAT_WITHIN: Duration = Duration::from_millis(900);
/// Between two tries to register.
const RETRY: Duration = Duration::from_millis(500);
/// How long another life of this id is waited out. The Cluster notices a dead one after 3 s.
const ID_IN_USE_FOR: Duration = Duration::from_secs(6);
/// How long the farewell may take.
const LEAVE_WITHIN: Duration = Duration::from_millis(800);

/// Why this spawner is not known to the Cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MembershipError {
    #[error("another spawner with the id `{id}` is running ({said}); give this one another `id`")]
    IdInUse { id: String, said: String },
    #[error("the Cluster refuses this spawner: {0}")]
    Refused(#[source] Failure),
    #[error(transparent)]
    Backbone(#[from] BackboneError),
}

/// What passes between this spawner's membership and its other parts. Each says how things are
/// now, not how they were when somebody had time to tell.
pub(crate) struct News {
    pub(crate) fare: watch::Receiver<Fare>,
    pub(crate) machine: watch::Receiver<Machine>,
    /// The greatest term of a leading Cluster that was heard of.
    pub(crate) term: watch::Sender<u64>,
}

impl News {
    fn hear_term(&self, heard: u64) {
        self.term.send_if_modified(|term| {
            let is_newer = heard > *term;
            *term = heard.max(*term);
            is_newer
        });
    }
}

/// This spawner as the Cluster knows it.
pub(crate) struct Membership {
    backbone: Backbone,
    me: Spawner,
    news: News,
    /// For the readiness.
    registered: Condition,
    /// Whether any Cluster has ever known this life.
    known: watch::Sender<bool>,
    clusters: Subscription<ClusterUp>,
}

impl Membership {
    /// Not known yet.
    pub(crate) async fn new(
        backbone: Backbone,
        me: Spawner,
        news: News,
        registered: Condition,
    ) -> Result<Self, MembershipError> {
        let clusters = backbone.subscribe().await?;
        Ok(Self { backbone, me, news, registered, known: watch::Sender::new(false), clusters })
    }

    /// Whether the Cluster has ever known this life; once true, it stays so.
    pub(crate) fn known(&self) -> watch::Receiver<bool> {
        self.known.subscribe()
    }

    /// Registers, then beats; ends only when another spawner has this id, or the Cluster refuses.
    pub(crate) async fn live(&mut self) -> Result<Infallible, MembershipError> {
        self.register().await?;
        self.known.send_replace(true);
        Ok(self.keep().await)
    }

    /// Waits until no other spawner has this id: for a Cluster as long as it takes, for a dead
    /// spawner until it is missed. Only then may this one serve what is meant for its id.
    pub(crate) async fn find_id_free(&self) -> Result<(), MembershipError> {
        let mut patience = Patience::new(&self.me, ID_IN_USE_FOR);
        while let Err(failure) = self.look_for_id().await {
            patience.bear(failure)?;
            sleep(RETRY).await;
        }
        Ok(())
    }

    async fn look_for_id(&self) -> Result<(), Failure> {
        let peers = self.backbone.call(&(), ListPeers {}).await?;
        let other = peers.spawners.iter().find(|spawner| spawner.spawner == self.me.spawner);
        other.map_or(Ok(()), |other| {
            let message = format!("it lives on {}", other.address);
            Err(Failure::new(Code::IdInUse, message))
        })
    }

    /// Registers for the first time, for as long as it takes the Cluster to be there.
    async fn register(&self) -> Result<(), MembershipError> {
        let mut patience = Patience::new(&self.me, Duration::ZERO);
        while let Err(failure) = self.try_to_register().await {
            patience.bear(failure)?;
            sleep(RETRY).await;
        }
        Ok(())
    }

    /// Beats, and registers again with a Cluster that does not know this spawner.
    async fn keep(&mut self) -> Infallible {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_known = tokio::select! {
                _ = beats.tick() => self.beat().await,
                Some(up) = self.clusters.next() => {
                    info!(central = %up.central, term = up.epoch, "a Cluster is up");
                    self.news.hear_term(up.epoch);
                    Ok(false)
                }
            };
            // What fails now is tried again with the next beat. A spawner that has children with
            // players goes on, whatever the answer.
            let outcome = match is_known {
                Ok(true) => Ok(()),
                Ok(false) => self.try_to_register().await,
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(()) => self.registered.up(),
                Err(failure) => self.registered.down(failure.to_string()),
            }
        }
    }

    /// Tells the Cluster that this spawner stops.
    pub(crate) async fn leave(&self) {
        if !*self.known.borrow() {
            return;
        }
        let leave = LeaveSpawner {
            spawner: self.me.spawner.clone(),
            incarnation: self.me.incarnation,
            reason: "it was told to stop".to_owned(),
        };
        match self.backbone.call_within(&(), leave, LEAVE_WITHIN).await {
            Ok(_) => info!("left the Cluster"),
            Err(failure) => warn!("the Cluster was not told of this spawner's end: {failure}"),
        }
    }

    async fn beat(&self) -> Result<bool, Failure> {
        let now = self.now();
        let beat = SpawnerBeat {
            spawner: now.spawner,
            incarnation: now.incarnation,
            used: now.used,
            machine: now.machine,
            pending: now.pending,
        };
        let heard = self.backbone.call_within(&(), beat, BEAT_WITHIN).await?;
        Ok(heard.known)
    }

    /// This spawner as it is now.
    fn now(&self) -> Spawner {
        let (fare, machine) = (self.news.fare.borrow(), *self.news.machine.borrow());
        Spawner { used: fare.used, pending: fare.pending.clone(), machine, ..self.me.clone() }
    }

    async fn try_to_register(&self) -> Result<(), Failure> {
        let register = RegisterSpawner { spawner: self.now() };
        let registered = self.backbone.call_within(&(), register, STEP).await?;
        self.news.hear_term(registered.epoch);
        info!(view = registered.view.sequence, "registered with the Cluster");
        self.registered.up();
        Ok(())
    }
}

/// What is borne while a spawner waits for its place.
struct Patience<'a> {
    me: &'a Spawner,
    /// How long for an id in use.
    limit: Duration,
    in_use: Option<Instant>,
    said: bool,
}

impl<'a> Patience<'a> {
    fn new(me: &'a Spawner, limit: Duration) -> Self {
        Self { me, limit, in_use: None, said: false }
    }

    /// Says, once, what is waited for; fails when waiting does not help.
    fn bear(&mut self, failure: Failure) -> Result<(), MembershipError> {
        match failure.code {
            Code::IdInUse => {
                if self.in_use.get_or_insert_with(Instant::now).elapsed() >= self.limit {
                    let (id, said) = (self.me.spawner.to_string(), failure.message);
                    return Err(MembershipError::IdInUse { id, said });
                }
            }
            _ if !failure.retry => return Err(MembershipError::Refused(failure)),
            _ => self.in_use = None,
        }
        if !std::mem::replace(&mut self.said, true) {
            warn!("cannot register with the Cluster, trying until it works: {failure}");
        }
        Ok(())
    }
}

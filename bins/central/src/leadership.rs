//! Does what [`Candidate`] says: keeps the lease while this Central leads, looks at it while
//! another one does, and begins and ends the [`Reign`]s.

use std::time::{Duration, Instant};

use nats::BackboneError;
use protocol::backbone::Life;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    leader::Leader,
    lease::{Candidate, IdInUse, Step},
    reign::{Ended, Means, Reign, ReignError},
    term::Term,
};

/// Before a Central tries to lead again that could not serve as the leader.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the farewell to the lease may take.
const GIVE_UP: Duration = Duration::from_millis(600);

/// Why a Central cannot go on beside the others.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeadershipError {
    #[error(
        "another Central with the id `{}` is running (its life is {}); give this one another `id`",
        .0.server, .0.incarnation
    )]
    IdInUse(Life),
    #[error(transparent)]
    Forbidden(#[from] BackboneError),
    #[error("the Cluster is broken; the log has the details")]
    Broken,
}

/// This Central's part in leading.
pub(crate) struct Leadership {
    candidate: Candidate,
    me: Life,
    means: Means,
    leader: Leader,
    start: Instant,
    reign: Option<Reign>,
    /// Whether the last step failed, which is said once.
    failing: bool,
}

impl Leadership {
    /// A standby that knows nothing yet.
    pub(crate) fn new(me: Life, means: Means, leader: Leader) -> Self {
        Self {
            candidate: Candidate::new(me.clone(), Duration::ZERO),
            me,
            means,
            leader,
            start: Instant::now(),
            reign: None,
            failing: false,
        }
    }

    /// Leads or stands by until `stop`, then hands over: what has arrived is answered, and the
    /// lease is free before this returns.
    ///
    /// # Errors
    /// When another Central has this one's id, or NATS denies what a leader needs.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), LeadershipError> {
        let outcome = self.contend(&stop).await;
        if let Some(reign) = self.reign.take() {
            reign.end().await;
        }
        if let Some((epoch, _)) = self.candidate.leads(self.now()) {
            self.give_up(epoch).await;
        }
        outcome
    }

    async fn contend(&mut self, stop: &CancellationToken) -> Result<(), LeadershipError> {
        let mut connected = self.means.backbone.connected();
        while !stop.is_cancelled() {
            let reachable = *connected.borrow_and_update();
            self.candidate.reach(reachable, self.now());
            self.candidate.answered(self.leader.answers());
            let step = self.candidate.next(self.now());
            self.follow_belief();
            match step {
                Step::Wait(until) => tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    ended = Reign::ended(&mut self.reign) => self.reign_ended(ended).await?,
                    Ok(()) = connected.changed() => {}
                    () = sleep_until((self.start + until).into()) => {}
                },
                asked => self.ask(asked).await?,
            }
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Begins or ends the reign as the candidate believes.
    fn follow_belief(&mut self) {
        let leads = self.candidate.leads(self.now());
        match (leads, &mut self.reign) {
            (Some((epoch, until)), Some(reign)) if reign.epoch() == epoch => {
                reign.prolong(self.start + until);
            }
            (Some((epoch, until)), reign) => {
                info!(epoch, "this Central leads");
                metrics::gauge!("mmo_central_leads").set(1.0);
                let (term, until) = Term::new(epoch, self.start + until);
                *reign = Some(Reign::begin(self.means.clone(), term, until));
            }
            (None, Some(reign)) => {
                warn!(epoch = reign.epoch(), "this Central leads no more");
                metrics::gauge!("mmo_central_leads").set(0.0);
                self.reign = None;
            }
            (None, None) => {}
        }
    }

    async fn ask(&mut self, step: Step) -> Result<(), LeadershipError> {
        let asked = self.now();
        let store = &self.means.store;
        let answered = match step {
            Step::Wait(_) => return Ok(()),
            Step::Look { within } => {
                let lease = answer(within, store.lease()).await;
                let answered = lease.is_some();
                let looked = self.candidate.looked(lease, asked, self.now());
                looked.map_err(|IdInUse(life)| LeadershipError::IdInUse(life))?;
                answered
            }
            Step::Take { seen, within } => {
                let taken = answer(within, store.take_lease(&seen, &self.me)).await;
                self.candidate.took(taken, asked);
                taken.is_some()
            }
            Step::Keep { epoch, within } => {
                let kept = answer(within, store.keep_lease(&self.me, epoch)).await;
                self.candidate.kept(kept, asked, self.now());
                kept.is_some()
            }
            Step::Want { epoch, within } => {
                warn!(epoch, "the leader cannot be reached; it is asked to give way");
                answer(within, store.want_lease(epoch)).await.is_some()
            }
            Step::GiveUp { epoch } => {
                self.give_up(epoch).await;
                return Ok(());
            }
        };
        self.note(answered);
        Ok(())
    }

    /// Says once that the database does not answer, and once that it does again.
    fn note(&mut self, answered: bool) {
        match (std::mem::replace(&mut self.failing, !answered), answered) {
            (true, true) => info!("the lease can be used again"),
            (false, false) => warn!("the lease cannot be used now; trying until it can"),
            _ => {}
        }
    }

    /// A reign ended by itself: its lease is of no use.
    async fn reign_ended(&mut self, ended: Ended) -> Result<(), LeadershipError> {
        let Some(epoch) = self.reign.take().map(|reign| reign.epoch()) else { return Ok(()) };
        match ended {
            Ended::TermOver => {}
            Ended::Failed(ReignError::Backbone(error @ BackboneError::Forbidden(_))) => {
                return Err(error.into());
            }
            Ended::Broken => return Err(LeadershipError::Broken),
            Ended::Failed(error) => {
                warn!(%error, "this Central cannot serve as the leader; trying again");
                self.candidate.resign(self.now() + AGAIN);
                self.give_up(epoch).await;
            }
        }
        Ok(())
    }

    /// So that whoever stands by need not wait.
    async fn give_up(&self, epoch: u64) {
        match answer(GIVE_UP, self.means.store.give_lease_up(&self.me, epoch)).await {
            Some(_) => info!(epoch, "the lease is given up"),
            None => warn!(epoch, "the lease could not be given up; it will be missed"),
        }
    }
}

/// An answer in time, if there is one. What is wrong with the database is in the log by then, or
/// told by its readiness.
async fn answer<T, E>(within: Duration, asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    timeout(within, asked).await.ok()?.ok()
}

//! What is meant to run: which of the file and the store holds, and the endpoints that tell and
//! change it.

use std::sync::Arc;

use cluster::Asked;
use nats::{BackboneError, Service};
use protocol::{
    Failure,
    backbone::desired::{DesiredState, GetDesired, SetDesired},
};
use store::{Store, StoreError, StoredDesired};
use tokio::sync::Mutex;
use tracing::{error, info};

use crate::{cluster_driver::ClusterHandle, desired_file::DesiredFile};

/// What holds for a leader that begins: the file, if it is another than the last one taken, and
/// otherwise what is stored, which may have been changed since.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) async fn settle(
    store: &Store,
    file: Option<&DesiredFile>,
) -> Result<DesiredState, StoreError> {
    let stored = match store.desired().await {
        // A leader that does nothing of itself is better than none.
        Err(error @ StoreError::Corrupt { .. }) => {
            error!(%error, "nothing is meant to run until somebody says so");
            StoredDesired::default()
        }
        stored => stored?,
    };
    let Some(file) = file.filter(|file| stored.source.as_ref() != Some(&file.source)) else {
        return Ok(stored.state);
    };
    let revision = store.set_desired(None, &file.desired, Some(&file.source)).await?;
    info!(revision, file = %file.path.display(), "this file says what is meant to run");
    Ok(DesiredState { revision, desired: file.desired.clone() })
}

/// Tells and changes what is meant to run, for a leader.
pub(crate) struct Desk {
    store: Store,
    cluster: ClusterHandle,
    present: Mutex<Present>,
}

struct Present {
    state: DesiredState,
    /// The store may have a change that the machine has not heard of.
    in_doubt: bool,
}

impl Desk {
    /// A desk of this Cluster, whose machine knows of `state`.
    pub(crate) fn new(store: Store, cluster: ClusterHandle, state: DesiredState) -> Arc<Self> {
        let present = Mutex::new(Present { state, in_doubt: false });
        Arc::new(Self { store, cluster, present })
    }

    /// Adds the endpoints.
    ///
    /// # Errors
    /// As [`Service::add`].
    pub(crate) async fn serve(self: Arc<Self>, service: &mut Service) -> Result<(), BackboneError> {
        let desk = self.clone();
        let get = move |_: GetDesired| {
            let desk = desk.clone();
            async move { desk.cluster.while_it_leads(desk.get().await).await }
        };
        service.add(&(), get).await?;
        let set = move |ask: SetDesired| {
            let desk = self.clone();
            async move { desk.cluster.while_it_leads(desk.set(ask).await).await }
        };
        service.add(&(), set).await
    }

    async fn get(&self) -> Result<DesiredState, Failure> {
        let mut present = self.present.lock().await;
        self.settle_doubt(&mut present).await?;
        Ok(present.state.clone())
    }

    async fn set(&self, ask: SetDesired) -> Result<DesiredState, Failure> {
        cluster::desired::check(&ask.desired)?;
        // Held over the whole change, so that the machine hears of changes in their order.
        let mut present = self.present.lock().await;
        self.settle_doubt(&mut present).await?;
        let SetDesired { desired, revision } = ask;
        // Until the machine has heard of it: whoever asked may give up in the middle.
        present.in_doubt = true;
        let stored = self.store.set_desired(revision, &desired, None).await;
        if let Err(StoreError::Outdated { .. }) = stored {
            present.in_doubt = false;
        }
        let state = DesiredState { revision: stored?, desired };
        info!(revision = state.revision, "something else is meant to run");
        self.tell(&mut present, state).await
    }

    /// Reads what the store has where it is not known what came of the last change.
    async fn settle_doubt(&self, present: &mut Present) -> Result<(), Failure> {
        if present.in_doubt {
            let stored = self.store.desired().await?.state;
            self.tell(present, stored).await?;
        }
        Ok(())
    }

    async fn tell(
        &self,
        present: &mut Present,
        state: DesiredState,
    ) -> Result<DesiredState, Failure> {
        self.cluster.ask(Asked::Desire(state.clone())).await?;
        *present = Present { state: state.clone(), in_doubt: false };
        Ok(state)
    }
}

//! What is to be emptied, written down for the next leader: by the clock on the wall, which goes on
//! while nobody leads.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::{Failure, backbone::operations::Drain};
use store::{KeptDrain, Store, StoreError};
use tracing::{error, warn};

/// Writes down what is to be emptied by the leader of this term.
///
/// # Errors
/// As [`Store::keep_drains`], for the operator.
pub(crate) async fn keep(store: &Store, epoch: u64, drains: Vec<Drain>) -> Result<(), Failure> {
    let now = now_ms();
    let kept = drains.into_iter().map(|drain| {
        let ends_ms = now.saturating_add(u64::from(drain.countdown_s) * 1000);
        KeptDrain { target: drain.target, ends_ms, reason: drain.reason }
    });
    let kept: Vec<KeptDrain> = kept.collect();
    store.keep_drains(epoch, &kept).await.map_err(|error| {
        warn!(%error, "what is to be emptied is not written down; it is tried again");
        let code = Failure::from(error).code;
        let message = "it goes on, but the next leader would not know; say it once more shortly";
        Failure::new(code, message)
    })
}

/// What the leader before was told to empty, with what is left of each countdown.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn left(store: &Store) -> Result<Vec<Drain>, StoreError> {
    let kept = match store.drains().await {
        Err(error @ StoreError::Corrupt { .. }) => {
            error!(%error, "nothing is emptied until somebody says so");
            Vec::new()
        }
        kept => kept?,
    };
    let now = now_ms();
    let left = kept.into_iter().map(|drain| {
        let left = drain.ends_ms.saturating_sub(now).div_ceil(1000);
        let countdown_s = u32::try_from(left).unwrap_or(u32::MAX);
        Drain { target: drain.target, countdown_s, reason: drain.reason }
    });
    Ok(left.collect())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

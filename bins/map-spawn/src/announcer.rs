//! Tells everybody what happens to children, one after another, so that the order is kept.

use nats::Backbone;
use protocol::backbone::events::{ChildEnded, ChildStarted};
use tokio::sync::mpsc;
use tracing::debug;

/// Events that wait to be announced.
pub(crate) const QUEUE: usize = 256;

/// Something to be announced.
pub(crate) enum Said {
    Started(ChildStarted),
    Ended(ChildEnded),
}

/// Announces until nobody has anything more to say. What NATS does not take now is not said late.
pub(crate) async fn announce(backbone: Backbone, mut queue: mpsc::Receiver<Said>) {
    while let Some(said) = queue.recv().await {
        let published = match &said {
            Said::Started(started) => backbone.publish(started).await,
            Said::Ended(ended) => backbone.publish(ended).await,
        };
        if let Err(error) = published {
            debug!("an event of a child was not announced: {error}");
        }
    }
}

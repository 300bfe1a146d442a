//! What other servers may ask of this one, over NATS.

use nats::{Backbone, BackboneError, Service};
use protocol::{
    ServerId,
    backbone::{
        events::SessionEnded,
        seats::{CancelSeat, EvictCharacter, ReserveSeat},
    },
};

use crate::host::{Command, HostLink};

/// Starts the micro service; once it is returned, every endpoint is live.
pub(crate) async fn open(
    backbone: &Backbone,
    own: &ServerId,
    host: &HostLink,
) -> Result<Service, BackboneError> {
    let mut service = backbone.service("Map Server: seats and characters").await?;
    let link = host.clone();
    service
        .add::<ReserveSeat, _, _>(own, move |seat| {
            let link = link.clone();
            async move { link.ask(|reply| Command::Reserve(seat, reply)).await }
        })
        .await?;
    let link = host.clone();
    service
        .add::<CancelSeat, _, _>(own, move |cancel| {
            let link = link.clone();
            async move { link.ask(|reply| Command::Cancel(cancel, reply)).await }
        })
        .await?;
    let link = host.clone();
    service
        .add::<EvictCharacter, _, _>(own, move |evict| {
            let link = link.clone();
            async move { link.ask(|reply| Command::Evict(evict, reply)).await }
        })
        .await?;
    service.ready().await?;
    Ok(service)
}

/// Tells the host of every session that ends, until the connection is closed.
pub(crate) async fn hear_ended_sessions(
    mut ended: nats::Subscription<SessionEnded>,
    host: HostLink,
) {
    while let Some(ended) = ended.next().await {
        host.tell(Command::SessionEnded(ended)).await;
    }
}

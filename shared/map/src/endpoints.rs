//! What other servers may ask of this one, over NATS.

use std::time::Duration;

use nats::{Backbone, BackboneError, Service};
use protocol::{
    Code, Failure, ServerId,
    backbone::{
        events::SessionEnded,
        operations::DrainMap,
        seats::{CancelSeat, EvictCharacter, ReserveSeat},
    },
};

use sessions::Sessions;
use tokio::time::timeout;

use crate::host::{Command, HostLink};

/// How long Redis may take to answer before a seat is refused; who asks for one waits 800 ms.
const REDIS_ANSWERS: Duration = Duration::from_millis(500);

/// Starts the micro service; once it is returned, every endpoint is live.
pub(crate) async fn open(
    backbone: &Backbone,
    own: &ServerId,
    host: &HostLink,
    sessions: &Sessions,
) -> Result<Service, BackboneError> {
    let mut service = backbone.service("Map Server: seats and characters").await?;
    let (link, logins) = (host.clone(), sessions.clone());
    service
        .add::<ReserveSeat, _, _>(own, move |seat| {
            let (link, logins) = (link.clone(), logins.clone());
            async move {
                logins_can_be_checked(&logins).await?;
                link.ask(|reply| Command::Reserve(seat, reply)).await
            }
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
    let link = host.clone();
    service
        .add::<DrainMap, _, _>(own, move |drain| {
            let link = link.clone();
            async move { link.ask(|reply| Command::Empty(drain, reply)).await }
        })
        .await?;
    service.live().await?;
    Ok(service)
}

/// No seat for whom could not be let in: without Redis no login can be checked, and a
/// player on its way would be lost between two maps.
async fn logins_can_be_checked(sessions: &Sessions) -> Result<(), Failure> {
    let answer = timeout(REDIS_ANSWERS, sessions.ping()).await;
    let late = |_| Failure::new(Code::Unavailable, "logins cannot be checked; try again shortly");
    answer.map_err(late)?.map_err(Failure::from)
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

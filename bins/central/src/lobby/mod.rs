//! Clients: logging in, characters, selecting one.
//!
//! # Layout
//! - here: what all connections share, and the loop that accepts them.
//! - [`connection`]: one client, first a guest, then a member.
//! - [`accounts`]: register, log in, validate, log out.
//! - [`characters`]: list, create and delete; the maps that are up.
//! - [`select`]: from a character to a seat on a Map Server.

mod accounts;
mod characters;
mod connection;
mod select;

use std::sync::Arc;

use nats::{Backbone, Pulse};
use protocol::{Failure, backbone::events::SessionEnded, frame::Role};
use sessions::Sessions;
use store::Store;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, broadcast},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use wire::Limits;

use crate::{leader::Leader, passwords::Passwords, settings::Settings};

/// Ended sessions that a member's connection may be behind; one that is further behind asks Redis.
const ENDED: usize = 1024;

/// What all connections share.
pub(crate) struct Lobby {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) passwords: Passwords,
    pub(crate) backbone: Backbone,
    pub(crate) pulse: Pulse,
    pub(crate) cluster: Leader,
    pub(crate) ended: broadcast::Sender<SessionEnded>,
}

/// The channel on which connections hear that sessions have ended.
pub(crate) fn ended_channel() -> broadcast::Sender<SessionEnded> {
    broadcast::Sender::new(ENDED)
}

impl Lobby {
    /// Takes what other servers say about sessions, until NATS is closed or `stop`.
    pub(crate) async fn hear_endings(
        self: Arc<Self>,
        mut endings: nats::Subscription<SessionEnded>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        while let Some(Some(ended)) = stop.run_until_cancelled(endings.next()).await {
            let _ = self.ended.send(ended); // nobody may be connected
        }
        Ok(())
    }

    /// Accepts clients until `stop`, then says goodbye to all of them.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let room = Arc::new(Semaphore::new(self.settings.connections as usize));
        let mut clients = JoinSet::new();
        loop {
            let accept = async {
                // Never closed. Whoever finds no room waits in the system's queue.
                let permit = room.clone().acquire_owned().await;
                (listener.accept().await, permit)
            };
            let Some((accepted, permit)) = stop.run_until_cancelled(accept).await else { break };
            while clients.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer)) => {
                    let (lobby, stop) = (self.clone(), stop.clone());
                    clients.spawn(async move {
                        let _permit = permit;
                        metrics::gauge!("mmo_central_connections").increment(1.0);
                        match wire::accept(stream, Role::Central, Limits::default()).await {
                            Ok(connection) => connection::serve(&lobby, connection, stop).await,
                            Err(error) => debug!(%peer, %error, "no handshake"),
                        }
                        metrics::gauge!("mmo_central_connections").decrement(1.0);
                    });
                }
                // Such as too many open files: others may leave meanwhile.
                Err(error) => {
                    warn!(%error, "a client cannot be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
        while clients.join_next().await.is_some() {}
        Ok(())
    }
}

//! The connection to Redis: it reconnects by itself, and no call on it outlasts its deadline.

use std::{future::Future, sync::Arc, time::Duration};

use redis::{
    Client, ErrorKind, IntoConnectionInfo, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;

use crate::SessionsError;

/// Longest time that a call takes, whatever Redis does.
pub const CALL_DEADLINE: Duration = Duration::from_millis(900);
/// Longest time that [`crate::Sessions::connect`] takes.
pub const CONNECT_DEADLINE: Duration = Duration::from_millis(1_900);

/// One command; shorter than a call's deadline, so that a call names the command's own error.
const COMMAND_DEADLINE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts to reconnect: how late we may notice that Redis is back.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(200);
/// Attempts before the waiting calls are told; the next call starts over.
const RECONNECT_ATTEMPTS: usize = 4;
/// How long sent bytes may stay unacknowledged. Without it a connection to a machine that
/// vanished is kept for the kernel's quarter of an hour.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(2);

/// A connection that can be cloned at will; the clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RedisLink {
    manager: ConnectionManager,
    place: Arc<str>,
}

impl RedisLink {
    pub(crate) async fn connect(url: &str) -> Result<Self, SessionsError> {
        let bad_url = |error: RedisError| SessionsError::BadUrl { reason: error.to_string() };
        let info = url.into_connection_info().map_err(bad_url)?;
        #[cfg(target_os = "linux")]
        let info = {
            let tcp = info.tcp_settings().clone().set_user_timeout(UNACKNOWLEDGED_MAX);
            info.set_tcp_settings(tcp)
        };
        let place: Arc<str> = info.addr().to_string().into();
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(COMMAND_DEADLINE))
            .set_response_timeout(Some(COMMAND_DEADLINE))
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(RECONNECT_PAUSE_MAX)
            .set_number_of_retries(RECONNECT_ATTEMPTS);
        let client = Client::open(info).map_err(bad_url)?;
        let connecting = ConnectionManager::new_with_config(client, config);
        match timeout(CONNECT_DEADLINE, connecting).await {
            Ok(Ok(manager)) => Ok(Self { manager, place }),
            Ok(Err(error)) => Err(unavailable(&place, error.to_string())),
            Err(_) => Err(unavailable(&place, silent(CONNECT_DEADLINE))),
        }
    }

    /// The connection to send commands on.
    pub(crate) fn commands(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// Runs the commands of one call.
    pub(crate) async fn within_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, SessionsError>>,
    ) -> Result<T, SessionsError> {
        let late = |_| Err(unavailable(&self.place, silent(CALL_DEADLINE)));
        let done = timeout(CALL_DEADLINE, call).await.unwrap_or_else(late);
        if let Err(error) = &done {
            // Here, because what a client may hear of it names no places and no reasons.
            tracing::warn!(%error, "a call on the sessions failed");
        }
        done
    }

    /// What an error of a command on `key` means to the caller.
    pub(crate) fn failed(&self, key: &str, error: &RedisError) -> SessionsError {
        let foreign = matches!(error.kind(), ErrorKind::UnexpectedReturnType)
            || error.code() == Some("WRONGTYPE");
        if foreign { self.corrupt(key, error) } else { unavailable(&self.place, error.to_string()) }
    }

    /// The error for a key that holds something else than a session.
    pub(crate) fn corrupt(&self, key: &str, reason: impl ToString) -> SessionsError {
        SessionsError::Corrupt {
            place: self.place.to_string(),
            key: key.to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn unavailable(place: &str, reason: String) -> SessionsError {
    SessionsError::Unavailable { place: place.to_owned(), reason }
}

fn silent(after: Duration) -> String {
    format!("no answer in {} ms", after.as_millis())
}

//! The connection to NATS: made once, kept up by itself, drained at the end.

use std::{fmt, marker::PhantomData, path::PathBuf, sync::Arc, time::Duration};

use async_nats::{Client, ConnectErrorKind, Event as Happening, ServerError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Code, Failure, Realm};
use tokio::{sync::watch, time::timeout};
use tracing::{error, info, warn};

use crate::table::{self, Event, Heard};

/// Longest wait for a connection attempt, a publish or a flush.
pub const STEP: Duration = Duration::from_secs(2);
/// Between the attempts to reach a NATS server that is not there at start.
const RETRY: Duration = Duration::from_millis(500);
/// A server that answers no ping is left after two of these.
const PING: Duration = Duration::from_secs(2);

/// How to reach NATS, and as whom.
#[derive(Clone)]
pub struct Options {
    /// `nats://[user:password@]host:port`, several separated by commas.
    pub url: String,
    /// A credentials file (`.creds`) for servers that use JWT.
    pub credentials: Option<PathBuf>,
    /// The world whose subjects are used.
    pub realm: Realm,
    /// Which kind of server this is: `central`, `map`, `spawner` …; names its inbox, which is
    /// `_INBOX_<role>.>`, so that permissions can tell roles apart.
    pub role: String,
    /// Which server of that kind.
    pub id: String,
}

/// Why something could not be said over NATS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackboneError {
    /// The address or the credentials file cannot be used as they are.
    #[error("NATS cannot be used as configured: {0}")]
    BadOptions(String),
    /// The server does not let this user in.
    #[error("NATS at {at} refuses this user: check NATS_URL's user and password, or NATS_CREDS")]
    Unauthorized {
        /// Where, without the password.
        at: String,
    },
    /// This user may not use a subject that its role needs.
    #[error(
        "NATS denies this user a subject that it needs: {0}; see nats/conf for each role's list"
    )]
    Forbidden(String),
    /// Not connected, or too slow; trying again may help.
    #[error("NATS at {at} is away ({what})")]
    Unavailable {
        /// Where, without the password.
        at: String,
        /// What was waited for.
        what: String,
    },
    /// A message that cannot be written as JSON.
    #[error("a message cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl From<BackboneError> for Failure {
    fn from(error: BackboneError) -> Self {
        let code = match error {
            BackboneError::Unavailable { .. } => Code::Unavailable,
            _ => Code::Internal,
        };
        Failure::new(code, error.to_string())
    }
}

/// A connection to NATS, cheap to clone.
#[derive(Clone)]
pub struct Backbone {
    pub(crate) client: Client,
    pub(crate) realm: Realm,
    pub(crate) options: Arc<Options>,
    connected: watch::Receiver<bool>,
    denied: watch::Receiver<Option<String>>,
}

impl fmt::Debug for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backbone({} as {}#{})", self.at(), self.options.role, self.options.id)
    }
}

impl Backbone {
    /// Connects, waiting for a server that is not there yet for as long as it takes; says in the
    /// log where it looks. Drop the future to give up.
    ///
    /// # Errors
    /// At once for options that can never work, and for a user that the server refuses.
    pub async fn connect(options: Options) -> Result<Self, BackboneError> {
        let at = masked(&options.url);
        let mut said = false;
        loop {
            let (up, connected) = watch::channel(true);
            let (deny, denied) = watch::channel(None);
            let urls: Vec<&str> = options.url.split(',').map(str::trim).collect();
            let attempt = client_options(&options, up, deny).await?.connect(urls);
            match timeout(STEP, attempt).await {
                Ok(Ok(client)) => {
                    info!(at, "connected to NATS");
                    let realm = options.realm.clone();
                    return Ok(Self {
                        client,
                        realm,
                        options: Arc::new(options),
                        connected,
                        denied,
                    });
                }
                Ok(Err(error)) => match error.kind() {
                    ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                        return Err(BackboneError::Unauthorized { at });
                    }
                    ConnectErrorKind::ServerParse | ConnectErrorKind::Tls => {
                        return Err(BackboneError::BadOptions(format!("{at}: {error}")));
                    }
                    _ if !said => warn!(at, %error, "NATS is not there; trying until it is"),
                    _ => {}
                },
                Err(_) if !said => warn!(at, "NATS does not answer; trying until it does"),
                Err(_) => {}
            }
            said = true;
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The realm whose subjects are used.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Where the server is, without the password.
    pub fn at(&self) -> String {
        masked(&self.options.url)
    }

    /// Whether the connection stands, as it changes.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    pub(crate) fn unavailable(&self, what: impl Into<String>) -> BackboneError {
        BackboneError::Unavailable { at: self.at(), what: what.into() }
    }

    /// What the server has denied this user so far.
    pub(crate) fn denied(&self) -> Result<(), BackboneError> {
        match self.denied.borrow().clone() {
            Some(what) => Err(BackboneError::Forbidden(what)),
            None => Ok(()),
        }
    }

    /// Tells whoever listens. Delivery is not confirmed; within [`STEP`] it is handed over.
    ///
    /// # Errors
    /// [`BackboneError::Unavailable`] while not connected: what is not said now is not said late.
    pub async fn publish<E: Event>(&self, event: &E) -> Result<(), BackboneError> {
        if !*self.connected.borrow() {
            return Err(self.unavailable("not connected"));
        }
        let payload = Bytes::from(serde_json::to_vec(event)?);
        let subject = table::event::<E>(&self.realm);
        match timeout(STEP, self.client.publish(subject, payload)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.unavailable(error.to_string())),
            Err(_) => Err(self.unavailable("publishing is held up")),
        }
    }

    /// Listens for an event or a family of events. What is sent after the next answered request
    /// of this connection is heard for sure.
    ///
    /// # Errors
    /// [`BackboneError::Unavailable`] when the connection is closed or held up.
    pub async fn subscribe<H: Heard>(&self) -> Result<Subscription<H>, BackboneError> {
        let subject = table::heard::<H>(&self.realm);
        let inner = self.listen(subject).await?;
        Ok(Subscription { inner, realm: self.realm.clone(), heard: PhantomData })
    }

    /// Listens to every subject of every realm, for people to read: subject and payload.
    ///
    /// # Errors
    /// As [`Backbone::subscribe`].
    pub async fn watch(&self, subjects: &str) -> Result<Watch, BackboneError> {
        Ok(Watch { inner: self.listen(subjects.to_owned()).await? })
    }

    async fn listen(&self, subject: String) -> Result<Subscriber, BackboneError> {
        match timeout(STEP, self.client.subscribe(subject)).await {
            Ok(Ok(inner)) => Ok(inner),
            Ok(Err(error)) => Err(self.unavailable(error.to_string())),
            Err(_) => Err(self.unavailable("subscribing is held up")),
        }
    }

    /// Sends what is still queued and closes the connection, within [`STEP`]. Flush goes first:
    /// drain alone loses large messages that are still queued.
    pub async fn close(self) {
        let farewell = async {
            let _ = self.client.flush().await;
            let _ = self.client.drain().await;
            let mut connected = self.connected.clone();
            let _ = connected.wait_for(|up| !up).await;
        };
        if timeout(STEP, farewell).await.is_err() {
            warn!(at = self.at(), "NATS did not take the last messages in time");
        }
    }
}

/// A typed stream of events.
pub struct Subscription<H> {
    inner: Subscriber,
    realm: Realm,
    heard: PhantomData<fn() -> H>,
}

impl<H: Heard> Subscription<H> {
    /// The next event; `None` when the connection is closed. A message that cannot be read is
    /// logged and passed over: it comes from another version, and the rest still counts.
    pub async fn next(&mut self) -> Option<H> {
        loop {
            let message = self.inner.next().await?;
            let subject = message.subject.as_str();
            match table::words(&self.realm, subject)
                .and_then(|words| H::hear(words, &message.payload))
            {
                Some(Ok(event)) => return Some(event),
                Some(Err(error)) => warn!(subject, %error, "an event cannot be read"),
                None => warn!(subject, "an unknown event"),
            }
        }
    }
}

/// An untyped stream of messages, for people to read.
pub struct Watch {
    inner: Subscriber,
}

impl Watch {
    /// The next message's subject and payload; `None` when the connection is closed.
    pub async fn next(&mut self) -> Option<(String, Bytes)> {
        let message = self.inner.next().await?;
        Some((message.subject.to_string(), message.payload))
    }
}

async fn client_options(
    options: &Options,
    up: watch::Sender<bool>,
    deny: watch::Sender<Option<String>>,
) -> Result<async_nats::ConnectOptions, BackboneError> {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    let mut made = async_nats::ConnectOptions::new()
        .name(format!("{}@{host}#{}", options.role, options.id))
        .custom_inbox_prefix(format!("_INBOX_{}", options.role))
        .ping_interval(PING)
        .connection_timeout(STEP)
        .request_timeout(Some(STEP))
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |happening| {
            notice(&happening, &up, &deny);
            async {}
        });
    if let Some(file) = &options.credentials {
        made = made.credentials_file(file).await.map_err(|error| {
            BackboneError::BadOptions(format!("credentials file {}: {error}", file.display()))
        })?;
    }
    Ok(made)
}

/// Quick at first, then up to a second, with jitter so that a cluster does not return as one.
fn reconnect_delay(attempts: usize) -> Duration {
    let ceiling = 50_u64.saturating_mul(1 << attempts.min(5)).min(1000);
    Duration::from_millis(rand::random_range(ceiling / 2..=ceiling))
}

fn notice(happening: &Happening, up: &watch::Sender<bool>, deny: &watch::Sender<Option<String>>) {
    match happening {
        Happening::Connected => {
            if !up.send_replace(true) {
                info!("connected to NATS again");
            }
        }
        Happening::Disconnected | Happening::Closed => {
            if up.send_replace(false) {
                warn!("the connection to NATS is gone");
            }
        }
        Happening::ServerError(ServerError::Other(what))
            if what.starts_with("permissions violation") =>
        {
            error!(what, "NATS denies a subject");
            deny.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert_with(|| what.clone());
                is_first
            });
        }
        other => warn!("NATS: {other}"),
    }
}

/// The addresses without user and password.
fn masked(urls: &str) -> String {
    let mask = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => url.to_owned(),
    };
    urls.split(',').map(|url| mask(url.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(masked("nats://map:pw@a:4222, b:4222"), "nats://a:4222,b:4222");
        assert_eq!(masked("map:p@w@a:4222"), "a:4222");
    }

    #[test]
    fn reconnects_come_quickly_then_every_second_at_most() {
        for attempts in [0, 1, 5, 60] {
            assert!(reconnect_delay(attempts) <= Duration::from_secs(1));
        }
        assert!(reconnect_delay(1) <= Duration::from_millis(100));
    }
}

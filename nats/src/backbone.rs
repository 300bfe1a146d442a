//! The connection to NATS: made once, kept up by itself, drained at the end.

use std::{
    fmt,
    marker::PhantomData,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, PublishErrorKind, Subscriber, connection::State,
};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Code, Failure, Realm};
use tokio::{sync::watch, time::timeout};
use tracing::{info, warn};

use crate::{
    address::Addresses,
    inbox::Inbox,
    notices::{Link, Notices},
    table::{self, Event, Heard},
};

/// Longest wait for a connection attempt, a publish or a flush.
pub const STEP: Duration = Duration::from_secs(2);
/// How long the last messages may take to be taken. Somebody who listens to everything keeps the
/// server from saying that nobody serves the last word; a server that ends has 2 s in all.
pub const LAST_WORD: Duration = Duration::from_millis(1200);
/// Between the attempts to reach a NATS server that is not there at start.
const RETRY: Duration = Duration::from_millis(500);
/// A server that answers no ping is left after three of these.
const PING: Duration = Duration::from_secs(2);

/// How to reach NATS, and as whom.
#[derive(Clone)]
pub struct Options {
    /// `nats://[user:password@]host:port`, several separated by commas; what is special in a
    /// password is percent-encoded. The first user named is the user for all of them.
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
    /// A message is larger than the server takes.
    #[error("a message is too large for NATS: {0}; see max_payload in its configuration")]
    TooLarge(String),
    /// A message that cannot be written as JSON.
    #[error("a message cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// What a client may hear: no addresses.
impl From<BackboneError> for Failure {
    fn from(error: BackboneError) -> Self {
        match error {
            BackboneError::Unavailable { what, .. } => {
                Failure::new(Code::Unavailable, format!("NATS is away ({what}); try again shortly"))
            }
            _ => Failure::new(Code::Internal, error.to_string()),
        }
    }
}

/// A connection to NATS, cheap to clone.
#[derive(Clone)]
pub struct Backbone {
    pub(crate) client: Client,
    pub(crate) realm: Realm,
    pub(crate) options: Arc<Options>,
    pub(crate) link: Link,
    pub(crate) inbox: Inbox,
    at: Arc<str>,
}

impl fmt::Debug for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backbone({} as {}#{})", self.at, self.options.role, self.options.id)
    }
}

impl Backbone {
    /// Connects, waiting for a server that is not there yet for as long as it takes; says in the
    /// log where it looks. Drop the future to give up.
    ///
    /// # Errors
    /// At once for options that can never work, and for a user that the server refuses.
    pub async fn connect(options: Options) -> Result<Self, BackboneError> {
        let mut said = false;
        let absent = |error| {
            if !std::mem::replace(&mut said, true) {
                warn!(%error, "NATS is not there; trying until it is");
            }
        };
        Self::connect_telling(options, absent).await
    }

    /// As [`Backbone::connect`], but tells `absent` of each attempt that failed, not the log.
    ///
    /// # Errors
    /// As [`Backbone::connect`].
    pub async fn connect_telling(
        options: Options,
        mut absent: impl FnMut(BackboneError),
    ) -> Result<Self, BackboneError> {
        let addresses = Addresses::parse(&options.url)?;
        let at = addresses.masked();
        // Each address may take a whole step before the next one gets its turn.
        let turns = u32::try_from(addresses.servers.len()).unwrap_or(u32::MAX).saturating_add(1);
        loop {
            let (notices, link) = Notices::new();
            let made = client_options(&options, &addresses, notices).await?;
            let attempt = made.connect(addresses.servers.clone());
            let what = match timeout(STEP.saturating_mul(turns), attempt).await {
                Ok(Ok(client)) => match Inbox::open(&client, link.denied.clone()).await {
                    Ok(inbox) => {
                        info!(at, "connected to NATS");
                        let (realm, at) = (options.realm.clone(), at.into());
                        let options = Arc::new(options);
                        return Ok(Self { client, realm, options, link, inbox, at });
                    }
                    Err(error) => error.to_string(),
                },
                Ok(Err(error)) => match error.kind() {
                    ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                        return Err(BackboneError::Unauthorized { at });
                    }
                    ConnectErrorKind::ServerParse | ConnectErrorKind::Tls => {
                        return Err(BackboneError::BadOptions(format!("{at}: {error}")));
                    }
                    _ => error.to_string(),
                },
                Err(_) => "no answer".to_owned(),
            };
            absent(BackboneError::Unavailable { at: at.clone(), what });
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The realm whose subjects are used.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Where the server is, without the password.
    pub fn at(&self) -> String {
        self.at.to_string()
    }

    /// Whether the connection stands, as it changes.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.link.up.clone()
    }

    /// Whether what is sent now goes out now. Notices come a moment late and may be lost in a
    /// flood of them, so the connection itself is asked too.
    pub(crate) fn is_up(&self) -> bool {
        *self.link.up.borrow() && self.client.connection_state() == State::Connected
    }

    pub(crate) fn unavailable(&self, what: impl Into<String>) -> BackboneError {
        BackboneError::Unavailable { at: self.at(), what: what.into() }
    }

    /// Tells whoever listens. Delivery is not confirmed; within [`STEP`] it is handed over.
    ///
    /// # Errors
    /// [`BackboneError::Unavailable`] while not connected: what is not said now is not said late;
    /// [`BackboneError::TooLarge`].
    pub async fn publish<E: Event>(&self, event: &E) -> Result<(), BackboneError> {
        if !self.is_up() {
            return Err(self.unavailable("not connected"));
        }
        let payload = Bytes::from(serde_json::to_vec(event)?);
        let subject = table::event::<E>(&self.realm);
        match timeout(STEP, self.client.publish(subject, payload)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                Err(BackboneError::TooLarge(error.to_string()))
            }
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

    /// Listens to the subjects named, such as [`table::EVERYTHING`], for people to read.
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

    /// Sends what is still queued, for [`LAST_WORD`] at most, and closes the connection.
    pub async fn close(self) {
        // Drain gives up what is still queued while the socket is busy, and flush returns early
        // then. A server takes a connection's lines in order, so its answer to this one, which
        // nobody serves, proves that it has all the lines before.
        let last_word = format!("$SRV.PING.{}.closing", self.options.role);
        let heard = timeout(LAST_WORD, self.client.request(last_word, Bytes::new()));
        if !self.is_up() || heard.await.is_err() {
            warn!(at = self.at(), "NATS did not take the last messages in time");
        }
        let farewell = async {
            let _ = self.client.drain().await;
            let mut up = self.link.up.clone();
            let _ = up.wait_for(|up| !up).await;
        };
        let _ = timeout(LAST_WORD / 3, farewell).await;
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
    addresses: &Addresses,
    notices: Notices,
) -> Result<ConnectOptions, BackboneError> {
    let made = ConnectOptions::new()
        .name(format!("{}@{}#{}", options.role, machine(), options.id))
        .custom_inbox_prefix(format!("_INBOX_{}", options.role))
        .ping_interval(PING)
        .connection_timeout(STEP)
        .request_timeout(Some(STEP))
        .reconnect_delay_callback(delays())
        .event_callback(move |notice| {
            notices.note(&notice);
            async {}
        });
    let made = addresses.authenticate(made);
    match &options.credentials {
        None => Ok(made),
        Some(file) => made.credentials_file(file).await.map_err(|error| {
            BackboneError::BadOptions(format!("credentials file {}: {error}", file.display()))
        }),
    }
}

/// This machine's name, to tell connections apart in the server's monitoring.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// How long to wait before each attempt. The library asks before the very first one too: a server
/// that starts waits for nothing, and one that was connected comes back with the others' jitter.
fn delays() -> impl Fn(usize) -> Duration {
    let has_begun = AtomicBool::new(false);
    move |attempts| {
        let is_first = !has_begun.swap(true, Ordering::Relaxed);
        if is_first { Duration::ZERO } else { reconnect_delay(attempts) }
    }
}

/// Quick at first, then up to a second, with jitter so that a cluster does not return as one.
fn reconnect_delay(attempts: usize) -> Duration {
    let ceiling = 50_u64.saturating_mul(1 << attempts.min(5)).min(1000);
    Duration::from_millis(rand::random_range(ceiling / 2..=ceiling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnects_come_quickly_then_every_second_at_most() {
        let delay = delays();
        assert_eq!(delay(1), Duration::ZERO, "a start waits for nothing");
        assert!(
            delay(1) >= Duration::from_millis(50),
            "all who lost it at once do not come at once"
        );
        for attempts in [0, 1, 5, 60] {
            assert!(reconnect_delay(attempts) <= Duration::from_secs(1));
        }
        assert!(reconnect_delay(1) <= Duration::from_millis(100));
    }
}

//! What both kinds of connection share.

use std::{io::ErrorKind, marker::PhantomData, time::Duration};

use protocol::{frame::Role, lobby::LobbyMessage, play::PlayMessage};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use wire::{Connection, WireError};

use crate::{ClientConfig, ClientError, Reason};

/// How long the last words on a failed connection are looked for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What one kind of server says.
pub(crate) trait Spoken: DeserializeOwned {
    /// Which kind.
    const ROLE: Role;

    /// Why the connection ends, if this is the last word on it.
    fn farewell(&self) -> Option<Reason>;
}

impl Spoken for LobbyMessage {
    const ROLE: Role = Role::Central;

    fn farewell(&self) -> Option<Reason> {
        match self {
            Self::Goodbye { failure } => Some(Reason::Told(failure.clone())),
            _ => None,
        }
    }
}

impl Spoken for PlayMessage {
    const ROLE: Role = Role::Map;

    fn farewell(&self) -> Option<Reason> {
        match self {
            Self::Goodbye { failure } => {
                Some(failure.clone().map_or(Reason::Planned, Reason::Told))
            }
            _ => None,
        }
    }
}

/// A connection with a server that says `M`.
#[derive(Debug)]
pub(crate) struct Link<M> {
    connection: Connection,
    /// The server said something that cannot be read: it would be no better on another connection.
    is_garbled: bool,
    says: PhantomData<M>,
}

/// Why a server was not reached, or did not let somebody in.
#[derive(Debug)]
pub(crate) struct Unreached {
    pub(crate) error: ClientError,
    /// Nobody listens there: the server has ended.
    pub(crate) is_gone: bool,
}

impl From<ClientError> for Unreached {
    fn from(error: ClientError) -> Self {
        Self { error, is_gone: false }
    }
}

impl From<Unreached> for ClientError {
    fn from(unreached: Unreached) -> Self {
        unreached.error
    }
}

impl From<WireError> for Unreached {
    fn from(error: WireError) -> Self {
        let refused = ErrorKind::ConnectionRefused;
        let is_gone =
            matches!(&error, WireError::Unreachable { source, .. } if source.kind() == refused);
        let error = match error {
            WireError::Refused(failure) => ClientError::Failed(failure),
            WireError::Silent { after, .. } => {
                ClientError::DeadlinePassed { call: "connect", after }
            }
            other => ClientError::Disconnected(other.into()),
        };
        Self { error, is_gone }
    }
}

impl<M: Spoken> Link<M> {
    /// Connects to a server, which must be of the right kind.
    pub(crate) async fn open(
        address: &str,
        port: u16,
        config: &ClientConfig,
    ) -> Result<Self, Unreached> {
        let ClientConfig { encoding, program, deadline, .. } = config;
        let (connection, role) =
            wire::connect(address, port, *encoding, program, *deadline).await?;
        if role != M::ROLE {
            let what = format!("{address}:{port} is not a {:?} server but a {role:?} one", M::ROLE);
            return Err(ClientError::Disconnected(Reason::Lost(what)).into());
        }
        Ok(Self { connection, is_garbled: false, says: PhantomData })
    }

    /// The next message, or why none will come. Cancel-safe.
    pub(crate) async fn hear(&mut self) -> Result<M, Reason> {
        let frame = self.connection.receive().await?;
        let message: M = self.connection.encoding().decode(&frame).map_err(|error| {
            self.is_garbled = true;
            Reason::Lost(format!("the server said something this client cannot read: {error}"))
        })?;
        message.farewell().map_or(Ok(message), Err)
    }

    /// Whether the server said something that this client cannot read.
    pub(crate) fn is_garbled(&self) -> bool {
        self.is_garbled
    }

    /// Sends a message.
    pub(crate) async fn say<T: Serialize>(&mut self, message: &T) -> Result<(), Fault> {
        let Err(error) = self.connection.send(message).await else { return Ok(()) };
        match error {
            WireError::FrameTooLarge { .. } | WireError::Encoding(_) => {
                let unsendable = ClientError::Disconnected(Reason::Lost(error.to_string()));
                Err(Fault::Message(error.failure().map_or(unsendable, ClientError::Failed)))
            }
            // The server is gone, but may have left word why.
            WireError::Io(_) => Err(Fault::Connection(self.last_words().await)),
            other => Err(Fault::Connection(other.into())),
        }
    }

    async fn last_words(&mut self) -> Reason {
        let listen = async {
            loop {
                if let Err(reason) = self.hear().await {
                    break reason;
                }
            }
        };
        let nothing = |_| Reason::Lost("the server takes no more words".to_owned());
        timeout(LAST_WORDS, listen).await.unwrap_or_else(nothing)
    }

    /// Ends the connection cleanly, within bounds.
    pub(crate) async fn close(self) {
        self.connection.close().await;
    }
}

/// Why something was not sent.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The message is at fault; the connection goes on.
    Message(ClientError),
    /// The connection is over.
    Connection(Reason),
}

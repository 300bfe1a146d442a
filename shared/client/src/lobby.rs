//! The connection with Central.

use protocol::lobby::{Answer, LobbyMessage, Numbered};

use crate::{
    ClientError, Reason,
    calls::{Answered, Calls},
    command::{LobbyCall, Reply},
    link::{Fault, Link},
};

/// A connection with Central.
#[derive(Debug)]
pub(crate) struct Lobby {
    link: Link<LobbyMessage>,
    calls: Calls,
}

impl Lobby {
    pub(crate) fn new(link: Link<LobbyMessage>) -> Self {
        Self { link, calls: Calls::new() }
    }

    /// Sends a call, or answers it with why that cannot be.
    ///
    /// # Errors
    /// The reason, when the connection is over.
    pub(crate) async fn call(
        &mut self,
        call: LobbyCall,
        reply: Reply<Answer>,
    ) -> Result<(), Reason> {
        let Some(id) = self.calls.take(&call, reply) else { return Ok(()) };
        let sent = match call {
            LobbyCall::Guest(call) => self.link.say(&Numbered { id, call }).await,
            LobbyCall::Member(call) => self.link.say(&Numbered { id, call }).await,
        };
        match sent {
            Ok(()) => Ok(()),
            Err(Fault::Connection(reason)) => Err(reason),
            Err(Fault::Message(error)) => {
                self.calls.fail(id, error);
                Ok(())
            }
        }
    }

    /// The next answer, or why none will come. Cancel-safe.
    pub(crate) async fn hear(&mut self) -> Result<Answered, Reason> {
        self.link.hear().await.map(|message| self.calls.hear(message))
    }

    /// Ends the connection; calls that still wait hear why.
    pub(crate) async fn close(self, reason: Reason) {
        self.calls.fail_all(&ClientError::Disconnected(reason));
        self.link.close().await;
    }
}

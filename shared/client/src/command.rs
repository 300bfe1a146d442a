//! What the calls ask of the background task.

use protocol::{
    CharacterId, ConnectionInfo,
    lobby::{Answer, GuestCall, MemberCall},
    play::PlayInput,
};
use tokio::sync::oneshot;

use crate::{ClientError, Surroundings};

/// Where the outcome of a call goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, ClientError>>;

/// A call to Central.
#[derive(Debug)]
pub(crate) enum LobbyCall {
    Guest(GuestCall),
    Member(MemberCall),
}

/// One call on its way to the background task.
#[derive(Debug)]
pub(crate) enum Command {
    Connect(Reply<()>),
    Lobby(LobbyCall, Reply<Answer>),
    /// The character is the one last selected where it is `None`.
    Enter(Box<ConnectionInfo>, Option<CharacterId>, Reply<Surroundings>),
    /// Done when it is sent.
    Play(PlayInput, Reply<()>),
    Ping(Reply<()>),
    Leave(Reply<()>),
}

impl Command {
    /// Answers the call with an error, without doing anything.
    pub(crate) fn fail(self, error: ClientError) {
        // A caller that gave up is not told.
        match self {
            Self::Connect(reply)
            | Self::Play(_, reply)
            | Self::Ping(reply)
            | Self::Leave(reply) => drop(reply.send(Err(error))),
            Self::Lobby(_, reply) => drop(reply.send(Err(error))),
            Self::Enter(_, _, reply) => drop(reply.send(Err(error))),
        }
    }
}

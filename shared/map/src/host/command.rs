//! What the host can be told, and the handle to tell it.

use protocol::{
    AccountId, CharacterId, Code, Failure, ResumeTicket, SessionId, Ticket,
    backbone::{
        Done,
        characters::LoadedCharacter,
        events::SessionEnded,
        operations::DrainMap,
        seats::{CancelSeat, EvictCharacter, ReserveSeat, SeatReserved},
    },
    frame::Encoding,
    play::PlayInput,
};
use sessions::Note;
use tokio::sync::{mpsc, oneshot};

use super::{inputs, links::LinkId, outbox::Inbox};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// Something the host is told or asked.
#[derive(Debug)]
pub(crate) enum Command {
    Reserve(ReserveSeat, Reply<SeatReserved>),
    Cancel(CancelSeat, Reply<Done>),
    Evict(EvictCharacter, Reply<Done>),
    Empty(DrainMap, Reply<Done>),
    TakeSeat(Shown, Reply<()>),
    /// The character could not be loaded after its ticket was taken.
    Forfeit(CharacterId),
    Enter(Box<Entry>, Reply<Admitted>),
    Resume(Box<Resumption>, Reply<Admitted>),
    Ended(LinkId, Ending),
    SessionEnded(SessionEnded),
}

/// What a client shows for its seat.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) account: AccountId,
    pub(crate) character: CharacterId,
    pub(crate) ticket: Ticket,
}

/// A character that is loaded and wants to stand on the map.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) loaded: LoadedCharacter,
    pub(crate) session: SessionId,
    pub(crate) note: Note,
    pub(crate) encoding: Encoding,
}

/// A client that is back for its character, with its session proved.
#[derive(Debug)]
pub(crate) struct Resumption {
    pub(crate) account: AccountId,
    pub(crate) character: CharacterId,
    pub(crate) session: SessionId,
    pub(crate) note: Note,
    pub(crate) ticket: ResumeTicket,
    pub(crate) encoding: Encoding,
}

/// It stands there. Its connection is lost when the inbox is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) link: LinkId,
    pub(crate) messages: Inbox,
}

/// How a connection ended on the client's side.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It failed, or nothing came any more: the client may be back with another one. It is told
    /// this, if it still listens.
    Lost(String, Option<Failure>),
    /// The client broke the rules, which it is told. It has no grace.
    Broken(Failure),
}

/// Commands that wait for the host, at most.
const COMMANDS: usize = 4096;

/// A handle to the host. Who tells it something waits while too much is on its way.
#[derive(Debug, Clone)]
pub(crate) struct HostLink {
    commands: mpsc::Sender<Command>,
    inputs: inputs::Sender,
}

/// What the host is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) inputs: inputs::Receiver,
}

impl HostLink {
    /// A handle, and where what is told comes out.
    pub(crate) fn new() -> (Self, Told) {
        let (commands_in, commands) = mpsc::channel(COMMANDS);
        let (inputs_in, inputs) = inputs::channel();
        (Self { commands: commands_in, inputs: inputs_in }, Told { commands, inputs })
    }

    /// Tells; once the host has ended it does nothing.
    pub(crate) async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// Tells what a client says, before whatever is told of the same connection later.
    pub(crate) async fn say(&self, link: LinkId, input: Result<PlayInput, Failure>) {
        self.inputs.send(link, input).await;
    }

    /// Asks, and waits for the answer. The caller sets the deadline.
    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply)).await;
        // A dropped reply is a host that has ended.
        answer.await.unwrap_or_else(|_| Err(draining()))
    }
}

/// What is said while this server shuts down.
pub(crate) fn draining() -> Failure {
    Failure::new(Code::Draining, "this map is shutting down; select again shortly")
}

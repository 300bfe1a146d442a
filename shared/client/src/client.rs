//! Every client call.

use std::{future::Future, time::Duration};

use protocol::{
    AccessToken, AccountId, CharacterId, ConnectionInfo, Position,
    lobby::{Answer, GuestCall, MapSummary, MemberCall},
    play::PlayInput,
    world::CharacterSummary,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::{
    ClientConfig, ClientError, Events, Reason, Server, Surroundings, Wish, backlog,
    command::{Command, LobbyCall, Reply},
    driver::{Driver, Known},
};

/// Calls that wait for the background task at once.
const QUEUE: usize = 32;
/// The longest wait before the place in a line is asked for again: it is kept for 5 s.
const QUEUED: Duration = Duration::from_secs(2);

/// Proof of a login, good for Central and for every Map Server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// The proof.
    pub access_token: AccessToken,
}

/// A player's client.
///
/// Connections are made and served by one background task, which ends, with its connection, when
/// the client is dropped. Calls may be made at the same time; each has a deadline.
///
/// # Errors
/// Every call can fail with [`ClientError::WrongState`] (nothing was sent),
/// [`ClientError::Disconnected`] (at once when the connection ends, with its reason) and
/// [`ClientError::DeadlinePassed`]. [`ClientError::Failed`] is the server's answer, with a code,
/// and is named at each call where it says more.
#[derive(Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    known: watch::Receiver<Known>,
    deadline: Duration,
    _driver: AbortOnDropHandle<()>,
}

impl Client {
    /// A client, not connected yet, and its events.
    ///
    /// # Panics
    /// Outside a Tokio runtime, which the background task needs.
    pub fn new(config: ClientConfig) -> (Self, Events) {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (reporter, events) = backlog::queue();
        let (tell, known) = watch::channel(Known::default());
        let deadline = config.deadline;
        let span = tracing::info_span!("client", program = %config.program);
        let driver = Driver::new(config, queue, reporter, tell);
        let driver = AbortOnDropHandle::new(tokio::spawn(driver.run().instrument(span)));
        (Self { commands, known, deadline, _driver: driver }, events)
    }

    /// The session of the last login, until it is known to be over.
    pub fn session(&self) -> Option<Session> {
        self.known.borrow().session.clone()
    }

    /// Whom the client is connected with; `None` on the way between two maps too, and while a lost
    /// connection is made again.
    pub fn server(&self) -> Option<Server> {
        self.known.borrow().server.clone()
    }

    /// What the player sees now; `None` when not on a map.
    pub fn surroundings(&self) -> Option<Surroundings> {
        self.known.borrow().surroundings.clone()
    }

    /// Connects to Central.
    ///
    /// # Errors
    /// [`ClientError::Failed`] when Central refuses; others as for every call.
    pub async fn connect(&self) -> Result<(), ClientError> {
        self.travel("connect", Command::Connect).await
    }

    /// Makes an account and logs in.
    ///
    /// # Errors
    /// `name_taken`, `name_invalid`, `password_invalid`; others as for every call.
    pub async fn register(&self, account: &str, password: &str) -> Result<Session, ClientError> {
        let (account, password) = (account.to_owned(), password.to_owned());
        self.logged_in("register", GuestCall::Register { account, password }).await
    }

    /// Logs in. An older session of the account ends, wherever its client is.
    ///
    /// # Errors
    /// `bad_credentials`; others as for every call.
    pub async fn login(&self, account: &str, password: &str) -> Result<Session, ClientError> {
        let (account, password) = (account.to_owned(), password.to_owned());
        self.logged_in("login", GuestCall::Login { account, password }).await
    }

    /// Goes on with a session from an earlier connection.
    ///
    /// # Errors
    /// `token_invalid`; others as for every call.
    pub async fn validate(
        &self,
        account: AccountId,
        access_token: AccessToken,
    ) -> Result<(), ClientError> {
        match self.guest("validate", GuestCall::Validate { account, access_token }).await? {
            Answer::Valid { .. } => Ok(()),
            other => unexpected("validate", &other),
        }
    }

    /// Ends the session; the connection stays, as a guest's.
    ///
    /// # Errors
    /// As for every call.
    pub async fn logout(&self) -> Result<(), ClientError> {
        match self.member("logout", MemberCall::Logout).await? {
            Answer::LoggedOut => Ok(()),
            other => unexpected("logout", &other),
        }
    }

    /// The account's characters, oldest first.
    ///
    /// # Errors
    /// As for every call.
    pub async fn list_characters(&self) -> Result<Vec<CharacterSummary>, ClientError> {
        match self.member("list_characters", MemberCall::ListCharacters).await? {
            Answer::Characters { characters } => Ok(characters),
            other => unexpected("list_characters", &other),
        }
    }

    /// Makes a character.
    ///
    /// # Errors
    /// `name_taken`, `name_invalid`, `character_limit`; others as for every call.
    pub async fn create_character(&self, name: &str) -> Result<CharacterSummary, ClientError> {
        let call = MemberCall::CreateCharacter { name: name.to_owned() };
        match self.member("create_character", call).await? {
            Answer::Created { character } => Ok(character),
            other => unexpected("create_character", &other),
        }
    }

    /// Deletes a character.
    ///
    /// # Errors
    /// `character_unknown`, `character_in_use`; others as for every call.
    pub async fn delete_character(&self, character: CharacterId) -> Result<(), ClientError> {
        match self.member("delete_character", MemberCall::DeleteCharacter { character }).await? {
            Answer::Deleted { .. } => Ok(()),
            other => unexpected("delete_character", &other),
        }
    }

    /// The maps that are up.
    ///
    /// # Errors
    /// As for every call.
    pub async fn list_maps(&self) -> Result<Vec<MapSummary>, ClientError> {
        match self.member("list_maps", MemberCall::ListMaps).await? {
            Answer::Maps { maps } => Ok(maps),
            other => unexpected("list_maps", &other),
        }
    }

    /// Has a seat kept on the character's map and leaves Central. [`Client::enter`] takes the
    /// seat, within [`ConnectionInfo::seat_kept_ms`]. While every place is taken it waits in line,
    /// for as long as that takes; [`ClientEvent::Queued`](crate::ClientEvent::Queued) tells the
    /// position. Dropping the future gives the place in the line up.
    ///
    /// # Errors
    /// `character_unknown` (of the one to be beside, too), `character_in_use`, `no_server`,
    /// `map_full`; then the connection with Central stays. Others as for every call.
    pub async fn select(
        &self,
        character: CharacterId,
        wish: impl Into<Wish>,
    ) -> Result<ConnectionInfo, ClientError> {
        let Wish { channel, beside } = wish.into();
        loop {
            let beside = beside.clone();
            let select = MemberCall::SelectCharacter { character, channel, beside };
            match self.member("select", select).await? {
                Answer::Selected { connection } => return Ok(connection),
                // Asking again is what keeps its place in the line.
                Answer::Queued { again_ms, .. } => {
                    tokio::time::sleep(Duration::from_millis(again_ms).min(QUEUED)).await;
                }
                other => return unexpected("select", &other),
            }
        }
    }

    /// Takes the seat kept for the character that was selected.
    ///
    /// # Errors
    /// `ticket_invalid`, `key_invalid`, `token_invalid` and whatever else the Map Server says;
    /// others as for every call. The client is then connected to nothing: connect to Central,
    /// validate the session and select again.
    pub async fn enter(&self, connection: &ConnectionInfo) -> Result<Surroundings, ClientError> {
        let connection = Box::new(connection.clone());
        self.travel("enter", |reply| Command::Enter(connection, None, reply)).await
    }

    /// As [`Client::enter`], for a character that another client has selected.
    ///
    /// # Errors
    /// As [`Client::enter`].
    pub async fn enter_as(
        &self,
        character: CharacterId,
        connection: &ConnectionInfo,
    ) -> Result<Surroundings, ClientError> {
        let connection = Box::new(connection.clone());
        self.travel("enter", |reply| Command::Enter(connection, Some(character), reply)).await
    }

    /// Selects a character, leaves Central and enters the character's map.
    ///
    /// # Errors
    /// As [`Client::select`] and [`Client::enter`].
    pub async fn play(
        &self,
        character: CharacterId,
        wish: impl Into<Wish>,
    ) -> Result<Surroundings, ClientError> {
        let connection = self.select(character, wish).await?;
        self.enter(&connection).await
    }

    /// Starts to walk. Done when it is sent; the way is reported by
    /// [`ClientEvent::Moved`](crate::ClientEvent::Moved).
    ///
    /// # Errors
    /// As for every call.
    pub async fn walk(&self, to: Position) -> Result<(), ClientError> {
        self.ask("walk", |reply| Command::Play(PlayInput::Walk { to, seq: 0 }, reply)).await
    }

    /// Does something that the game knows. Done when it is sent; what comes of it is reported by
    /// [`ClientEvent::Game`](crate::ClientEvent::Game), or by
    /// [`ClientEvent::Refused`](crate::ClientEvent::Refused) where the game does not know it.
    ///
    /// # Errors
    /// As for every call.
    pub async fn act(&self, action: serde_json::Value) -> Result<(), ClientError> {
        self.ask("act", |reply| Command::Play(PlayInput::Act { action, seq: 0 }, reply)).await
    }

    /// Says something to everybody near. Done when it is sent; a text that breaks the rules
    /// is reported by [`ClientEvent::Refused`](crate::ClientEvent::Refused).
    ///
    /// # Errors
    /// As for every call.
    pub async fn say(&self, text: &str) -> Result<(), ClientError> {
        let input = PlayInput::Say { text: text.to_owned() };
        self.ask("say", |reply| Command::Play(input, reply)).await
    }

    /// How long a word to the Map Server and back takes.
    ///
    /// # Errors
    /// As for every call.
    pub async fn ping(&self) -> Result<Duration, ClientError> {
        let start = Instant::now();
        self.ask("ping", Command::Ping).await?;
        Ok(start.elapsed())
    }

    /// Leaves the map, saved, or leaves Central; then connected to nothing. The session stays.
    ///
    /// # Errors
    /// As for every call. While a lost connection is made again this gives up, with how it was lost;
    /// the Map Server saves the character once it has waited in vain.
    pub async fn leave(&self) -> Result<(), ClientError> {
        self.ask("leave", Command::Leave).await
    }

    async fn logged_in(&self, name: &'static str, call: GuestCall) -> Result<Session, ClientError> {
        match self.guest(name, call).await? {
            Answer::LoggedIn { account, access_token, .. } => Ok(Session { account, access_token }),
            other => unexpected(name, &other),
        }
    }

    async fn guest(&self, name: &'static str, call: GuestCall) -> Result<Answer, ClientError> {
        self.ask(name, |reply| Command::Lobby(LobbyCall::Guest(call), reply)).await
    }

    async fn member(&self, name: &'static str, call: MemberCall) -> Result<Answer, ClientError> {
        self.ask(name, |reply| Command::Lobby(LobbyCall::Member(call), reply)).await
    }

    async fn ask<T>(
        &self,
        name: &'static str,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, ClientError> {
        let late = |_| ClientError::DeadlinePassed { call: name, after: self.deadline };
        timeout(self.deadline, self.order(command)).await.map_err(late)?
    }

    /// As [`Client::ask`] for calls whose deadline the background task holds, so that it knows
    /// where the client is when one has passed. This one is only in case that task is stuck.
    async fn travel<T>(
        &self,
        name: &'static str,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, ClientError> {
        let late = |_| ClientError::DeadlinePassed { call: name, after: self.deadline };
        timeout(self.deadline * 2, self.order(command)).await.map_err(late)?
    }

    fn order<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> impl Future<Output = Result<T, ClientError>> {
        let (reply, outcome) = oneshot::channel();
        let command = command(reply);
        async move {
            let gone = || ClientError::Disconnected(Reason::Lost("the client has ended".into()));
            self.commands.send(command).await.map_err(|_| gone())?;
            outcome.await.map_err(|_| gone())?
        }
    }
}

fn unexpected<T>(call: &str, answer: &Answer) -> Result<T, ClientError> {
    tracing::debug!(call, ?answer, "an answer of the wrong kind");
    let what = format!("the server answered `{call}` with something else");
    Err(ClientError::Disconnected(Reason::Lost(what)))
}

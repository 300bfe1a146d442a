//! The one background task of a client. It owns the connection, so nothing is locked while the
//! network is waited for, and a call and a message never meet half way.

use std::future::Future;

use protocol::{CharacterId, ConnectionInfo, play::PlayMessage, snapshot::Snapshot};
use tokio::sync::{mpsc, watch};

use crate::{
    ClientConfig, ClientError, ClientEvent, Reason, Server, Session, Surroundings,
    backlog::Reporter,
    calls::{Answered, Change},
    command::{Command, Reply},
    link::Link,
    lobby::Lobby,
    visit::Visit,
};

/// What a client knows, shared with its owner.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) session: Option<Session>,
    /// Whom the client is connected with.
    pub(crate) server: Option<Server>,
    /// Set while on a map.
    pub(crate) surroundings: Option<Surroundings>,
}

/// Whom the client is connected with.
#[derive(Debug, Default)]
enum Place {
    #[default]
    Nowhere,
    Central(Box<Lobby>),
    Map(Box<Visit>),
}

enum Heard {
    Central(Answered),
    Map(PlayMessage),
    End(Reason),
}

impl Place {
    /// What the server says next; never, without a server. Cancel-safe.
    async fn hear(&mut self) -> Heard {
        match self {
            Self::Nowhere => std::future::pending().await,
            Self::Central(lobby) => lobby.hear().await.map_or_else(Heard::End, Heard::Central),
            Self::Map(visit) => visit.hear().await.map_or_else(Heard::End, Heard::Map),
        }
    }
}

/// The background task.
#[derive(Debug)]
pub(crate) struct Driver {
    config: ClientConfig,
    commands: mpsc::Receiver<Command>,
    events: Reporter,
    known: watch::Sender<Known>,
    place: Place,
    /// The character that was last selected or entered with.
    character: Option<CharacterId>,
}

impl Driver {
    pub(crate) fn new(
        config: ClientConfig,
        commands: mpsc::Receiver<Command>,
        events: Reporter,
        known: watch::Sender<Known>,
    ) -> Self {
        Self { config, commands, events, known, place: Place::Nowhere, character: None }
    }

    /// Serves calls and messages until the client is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                heard = self.place.hear() => match heard {
                    Heard::Central(answered) => self.answered(answered).await,
                    Heard::Map(message) => self.play(message).await,
                    Heard::End(reason) => self.end(reason).await,
                },
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        let done = match (command, &mut self.place) {
            (Command::Connect(reply), Place::Nowhere) => {
                self.connect(reply).await;
                Ok(())
            }
            (Command::Lobby(call, reply), Place::Central(lobby)) => lobby.call(call, reply).await,
            (Command::Enter(connection, character, reply), Place::Nowhere) => {
                self.enter(&connection, character, reply).await;
                Ok(())
            }
            (Command::Play(input, reply), Place::Map(visit)) => visit.play(&input, reply).await,
            (Command::Ping(reply), Place::Map(visit)) => visit.ping(reply).await,
            (Command::Leave(reply), Place::Map(visit)) => visit.leave(reply).await,
            (Command::Leave(reply), Place::Central(_)) => {
                self.end(Reason::Planned).await;
                drop(reply.send(Ok(())));
                Ok(())
            }
            (command, place) => {
                let why = out_of_place(&command, place);
                command.fail(ClientError::WrongState(why));
                Ok(())
            }
        };
        if let Err(reason) = done {
            self.end(reason).await;
        }
    }

    async fn connect(&mut self, reply: Reply<()>) {
        let opening = async {
            let (host, port) = self.config.address()?;
            Ok(Link::open(host, port, &self.config).await?)
        };
        let outcome = match meanwhile(&mut self.commands, opening).await {
            Ok(link) => {
                self.place = Place::Central(Box::new(Lobby::new(link)));
                self.known.send_modify(|known| known.server = Some(Server::Central));
                self.events.report(ClientEvent::ConnectedToCentral);
                Ok(())
            }
            Err(error) => Err(error),
        };
        drop(reply.send(outcome));
    }

    async fn answered(&mut self, mut answered: Answered) {
        match std::mem::replace(&mut answered.change, Change::Nothing) {
            Change::Nothing => {}
            Change::LoggedIn(session) => {
                let account = session.account;
                self.known.send_modify(|known| known.session = Some(session));
                self.events.report(ClientEvent::LoggedIn { account });
            }
            Change::LoggedOut => {
                self.known.send_modify(|known| known.session = None);
                self.events.report(ClientEvent::LoggedOut);
            }
            Change::Selected(character) => {
                self.character = Some(character);
                self.end(Reason::Planned).await;
            }
            Change::Queued { position, of } => {
                self.events.report(ClientEvent::Queued { position, of });
            }
            Change::Refused(failure) => self.events.report(ClientEvent::Refused { failure }),
        }
        answered.tell();
    }

    async fn enter(
        &mut self,
        connection: &ConnectionInfo,
        character: Option<CharacterId>,
        reply: Reply<Surroundings>,
    ) {
        let outcome = match character.or(self.character) {
            Some(character) => self.arrive(connection, character).await,
            None => Err(ClientError::WrongState("no character; select one first")),
        };
        drop(reply.send(outcome));
    }

    async fn arrive(
        &mut self,
        connection: &ConnectionInfo,
        character: CharacterId,
    ) -> Result<Surroundings, ClientError> {
        let session = self.known.borrow().session.clone();
        let session = session.ok_or(ClientError::WrongState("no session; log in first"))?;
        let entering = Visit::enter(connection, character, session, &self.config);
        let (visit, surroundings) = meanwhile(&mut self.commands, Box::pin(entering)).await?;
        self.character = Some(character);
        self.stay(visit, &surroundings);
        self.events.report(ClientEvent::EnteredMap(Box::new(surroundings.clone())));
        Ok(surroundings)
    }

    fn stay(&mut self, visit: Visit, surroundings: &Surroundings) {
        self.place = Place::Map(Box::new(visit));
        self.known.send_modify(|known| {
            known.server = Some(Server::Map(surroundings.map.clone()));
            known.surroundings = Some(surroundings.clone());
        });
    }

    async fn play(&mut self, message: PlayMessage) {
        match message {
            PlayMessage::WarpTo { connection } => self.warp(&connection).await,
            PlayMessage::Pong { nonce } => {
                if let Place::Map(visit) = &mut self.place {
                    visit.pong(nonce);
                }
            }
            PlayMessage::Appeared { sights } => {
                for sight in sights {
                    self.see(|around| around.appeared(&sight));
                    self.events.report(ClientEvent::Appeared { sight });
                }
            }
            PlayMessage::Vanished { entities } => {
                for entity in entities {
                    if let Some(sight) = self.see(|around| around.vanished(entity)).flatten() {
                        self.events.report(ClientEvent::Vanished { sight });
                    }
                }
            }
            other => {
                if let Some(event) = self.seen(other) {
                    self.events.report(event);
                }
            }
        }
    }

    /// Takes a message into the surroundings, and gives the event to report.
    fn seen(&self, message: PlayMessage) -> Option<ClientEvent> {
        match message {
            PlayMessage::Snapshot { view: Snapshot { moves, .. } } => {
                self.see(|around| around.moved(&moves));
                // What only tells that inputs were taken in is no event.
                (!moves.is_empty()).then_some(ClientEvent::Moved { moves })
            }
            PlayMessage::Game { output } => Some(ClientEvent::Game { output }),
            PlayMessage::Said { entity, name, text } => {
                Some(ClientEvent::Said { entity, name, text })
            }
            PlayMessage::WarpRefused { map, failure } => {
                Some(ClientEvent::WarpRefused { map, failure })
            }
            PlayMessage::Refused { failure } => Some(ClientEvent::Refused { failure }),
            PlayMessage::Emptying { countdown_ms, reason } => {
                Some(ClientEvent::Emptying { countdown_ms, reason })
            }
            // Said once, at the start of a stay; what ends a stay is the link's to notice.
            PlayMessage::Entered { .. }
            | PlayMessage::Appeared { .. }
            | PlayMessage::Vanished { .. }
            | PlayMessage::WarpTo { .. }
            | PlayMessage::Pong { .. }
            | PlayMessage::Goodbye { .. } => None,
        }
    }

    fn see<T>(&self, change: impl FnOnce(&mut Surroundings) -> T) -> Option<T> {
        let mut seen = None;
        self.known.send_modify(|known| seen = known.surroundings.as_mut().map(change));
        seen
    }

    /// Goes where the Map Server says. Calls made on the way are refused: they were meant for the
    /// map that is left.
    async fn warp(&mut self, connection: &ConnectionInfo) {
        let (Place::Map(visit), Some(character)) =
            (std::mem::take(&mut self.place), self.character)
        else {
            return;
        };
        self.events.report(ClientEvent::Warping { to: connection.map.clone() });
        self.known.send_modify(|known| (known.server, known.surroundings) = (None, None));
        meanwhile(&mut self.commands, visit.depart()).await;
        if let Err(error) = self.arrive(connection, character).await {
            self.disconnected(Server::Map(connection.map.clone()), error.into_reason());
        }
    }

    /// The connection is over. Everybody is told before the socket is closed, which can take a
    /// second when the server is stuck.
    async fn end(&mut self, reason: Reason) {
        match std::mem::take(&mut self.place) {
            Place::Nowhere => {}
            Place::Central(lobby) => {
                self.disconnected(Server::Central, reason.clone());
                lobby.close(reason).await;
            }
            Place::Map(visit) if self.config.resume && visit.is_resumable(&reason) => {
                self.recover(visit, reason).await;
            }
            Place::Map(visit) => {
                let reason = visit.reason(reason);
                self.disconnected(Server::Map(visit.map().clone()), reason.clone());
                visit.close(reason).await;
            }
        }
    }

    /// Tries to get back to a map whose connection was lost.
    async fn recover(&mut self, visit: Box<Visit>, reason: Reason) {
        let from = Server::Map(visit.map().clone());
        let session = self.known.borrow().session.clone();
        let Some(session) = session else { return self.disconnected(from, reason) };
        let recovery = visit.recovery(reason.clone());
        self.known.send_modify(|known| (known.server, known.surroundings) = (None, None));
        self.events.report(ClientEvent::LinkLost { from: from.clone(), reason: reason.clone() });
        let recovering = Box::pin(recovery.run(session, &self.config));
        match unless_left(&mut self.commands, recovering, reason).await {
            Ok((visit, surroundings)) => {
                self.stay(visit, &surroundings);
                self.events.report(ClientEvent::Resumed(Box::new(surroundings)));
            }
            Err(reason) => self.disconnected(from, reason),
        }
    }

    fn disconnected(&self, from: Server, reason: Reason) {
        self.known.send_modify(|known| {
            (known.server, known.surroundings) = (None, None);
            if reason.ends_session() {
                known.session = None;
            }
        });
        self.events.report(ClientEvent::Disconnected { from, reason });
    }
}

/// Does something slow; calls made meanwhile are refused instead of being done late.
async fn meanwhile<T>(commands: &mut mpsc::Receiver<Command>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(command) = commands.recv() => {
                let busy = "on the way to a server; wait until it is reached";
                command.fail(ClientError::WrongState(busy));
            }
        }
    }
}

/// Tries to get back to a map, until a call to leave gives up. Other calls are refused.
async fn unless_left<T>(
    commands: &mut mpsc::Receiver<Command>,
    mut recovering: impl Future<Output = Result<T, Reason>> + Unpin,
    reason: Reason,
) -> Result<T, Reason> {
    loop {
        tokio::select! {
            done = &mut recovering => return done,
            Some(command) = commands.recv() => {
                if let Command::Leave(reply) = command {
                    drop(reply.send(Err(ClientError::Disconnected(reason.clone()))));
                    return Err(reason);
                }
                let lost = "the connection was lost; wait until it is there again, or leave";
                command.fail(ClientError::WrongState(lost));
            }
        }
    }
}

fn out_of_place(command: &Command, place: &Place) -> &'static str {
    match (place, command) {
        (Place::Nowhere, _) => "not connected; connect to Central first",
        (Place::Central(_), Command::Connect(_)) => "already connected to Central",
        (Place::Central(_), _) => "not on a map; select a character and enter its map first",
        (Place::Map(_), _) => "on a map; leave it first",
    }
}

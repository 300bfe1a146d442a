//! Servers that do what a test says, over real sockets.

use std::{future::Future, time::Duration};

use client::{Client, ClientConfig, ClientEvent, Events};
use protocol::{
    AccessToken, AccountId, Channel, CharacterId, ConnectionInfo, ConnectionKey, EntityId, Failure,
    Position, ResumeTicket, Ticket,
    frame::{Encoding, Role},
    lobby::{Answer, GuestCall, LobbyMessage, MemberCall, Numbered},
    play::{Arrival, PlayMessage, Portal, Sight},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpListener, time::timeout};
use wire::{Connection, Limits, WireError};

/// Longer than anything here takes, so that a test that hangs fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The deadline of a client's calls in these tests.
pub(crate) const DEADLINE: Duration = Duration::from_millis(500);

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("the test hangs")
}

/// A server that waits for clients.
pub(crate) struct Stage {
    listener: TcpListener,
    role: Role,
}

impl Stage {
    pub(crate) async fn open(role: Role) -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), role }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// A client that talks to this Central.
    pub(crate) fn client(&self, encoding: Encoding) -> (Client, Events) {
        let config = ClientConfig::new(format!("127.0.0.1:{}", self.port()));
        Client::new(ClientConfig { encoding, deadline: DEADLINE, ..config })
    }

    /// The next client that connects.
    pub(crate) async fn guest(&self) -> Peer {
        let (socket, _) = within(self.listener.accept()).await.unwrap();
        Peer(within(wire::accept(socket, self.role, Limits::default())).await.unwrap())
    }

    /// What a client needs to come here.
    pub(crate) fn connection(&self, map: &str) -> ConnectionInfo {
        ConnectionInfo {
            address: "127.0.0.1".to_owned(),
            port: self.port(),
            connection_key: ConnectionKey::from_bytes([1; 32]),
            ticket: Ticket::from_bytes([2; 32]),
            seat_kept_ms: 10_000,
            server: format!("map-{map}-1").parse().unwrap(),
            map: map.parse().unwrap(),
            channel: Channel::FIRST,
        }
    }
}

/// A client, seen from the server.
pub(crate) struct Peer(pub(crate) Connection);

impl Peer {
    pub(crate) async fn heard<T: DeserializeOwned>(&mut self) -> T {
        let frame = within(self.0.receive()).await.unwrap();
        self.0.encoding().decode(&frame).unwrap()
    }

    pub(crate) async fn tell<T: Serialize>(&mut self, message: &T) {
        self.0.send(message).await.unwrap();
    }

    pub(crate) async fn answer(&mut self, id: u32, answer: Answer) {
        self.tell(&LobbyMessage::Answer { id, answer }).await;
    }

    pub(crate) async fn refuse(&mut self, id: u32, failure: Failure) {
        self.tell(&LobbyMessage::Failed { id: Some(id), failure }).await;
    }

    /// Hears a login and grants it.
    pub(crate) async fn let_in(&mut self, account: AccountId) {
        let login: Numbered<GuestCall> = self.heard().await;
        assert!(matches!(login.call, GuestCall::Login { .. }), "{login:?}");
        let access_token = AccessToken::from_bytes([3; 32]);
        let answer = Answer::LoggedIn { account, access_token, expires_in_s: 600 };
        self.answer(login.id, answer).await;
    }

    /// Hears a select and answers it; then the client is to leave.
    pub(crate) async fn send_to(mut self, connection: ConnectionInfo) {
        let select: Numbered<MemberCall> = self.heard().await;
        assert!(matches!(select.call, MemberCall::SelectCharacter { .. }), "{select:?}");
        self.answer(select.id, Answer::Selected { connection }).await;
        self.gone().await;
    }

    /// Hears an arrival and lets it in at (1, 1), with Bob (2) in sight.
    pub(crate) async fn admit(&mut self, map: &str, to: &str) -> Arrival {
        self.admit_for(map, to, 0).await
    }

    /// As [`Peer::admit`], by a server that waits so long for a client whose link was lost.
    pub(crate) async fn admit_for(&mut self, map: &str, to: &str, link_grace_ms: u64) -> Arrival {
        let arrival = self.heard().await;
        let portal =
            Portal { at: Position { x: 9.0, y: 1.0 }, radius: 1.0, to: to.parse().unwrap() };
        self.tell(&PlayMessage::Entered {
            map: map.parse().unwrap(),
            channel: Channel::FIRST,
            you: EntityId(1),
            position: Position { x: 1.0, y: 1.0 },
            size: (10.0, 10.0),
            view: 16.0,
            tick_ms: 50,
            portals: vec![portal],
            others: vec![bob()],
            resume_ticket: ResumeTicket::from_bytes([5; 32]),
            link_grace_ms,
        })
        .await;
        arrival
    }

    /// The client ends the connection, cleanly, and so does the server.
    pub(crate) async fn gone(mut self) {
        let end = within(self.0.receive()).await;
        assert!(matches!(end, Err(WireError::Closed)), "{end:?}");
    }
}

pub(crate) fn bob() -> Sight {
    let position = Position { x: 5.0, y: 5.0 };
    Sight { entity: EntityId(2), name: "Bob".to_owned(), look: "player".to_owned(), position }
}

pub(crate) async fn next(events: &mut Events) -> ClientEvent {
    within(events.next()).await.expect("no more events")
}

/// A client on the map `town`, its events from there on, and both servers' sides of it.
pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) town: Peer,
    pub(crate) central: Stage,
    /// Where the town listens.
    pub(crate) map: Stage,
}

impl Scene {
    pub(crate) async fn in_town() -> Self {
        Self::in_town_for(0).await
    }

    /// In a town that waits so long for a client whose link was lost.
    pub(crate) async fn in_town_for(link_grace_ms: u64) -> Self {
        let (central, map) = (Stage::open(Role::Central).await, Stage::open(Role::Map).await);
        let (client, mut events) = central.client(Encoding::Msgpack);
        let servers = async {
            let mut lobby = central.guest().await;
            lobby.let_in(AccountId::new()).await;
            lobby.send_to(map.connection("town")).await;
            let mut town = map.guest().await;
            town.admit_for("town", "field", link_grace_ms).await;
            town
        };
        let player = async {
            client.connect().await.unwrap();
            client.login("ada", "correct horse").await.unwrap();
            client.play(CharacterId::new(), None).await.unwrap();
        };
        let (town, ()) = tokio::join!(servers, player);
        while !matches!(next(&mut events).await, ClientEvent::EnteredMap(_)) {}
        Self { client, events, town, central, map }
    }
}

//! A small world in this process, for tests: one Central and two maps, `town` and `field`, with a
//! portal to each other. Real sockets and messages; nothing is saved beyond its life.

mod central;
mod map;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use client::ClientConfig;
use protocol::{
    AccessToken, AccountId, Channel, CharacterId, ConnectionInfo, ConnectionKey, MapName, Ticket,
    frame::Encoding, world::CharacterSummary,
};
use tokio::{net::TcpListener, task::JoinSet};

/// What this world does wrong, so that a journey must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Nobody hears what is said.
    Deaf,
    /// The portal of `town` is shut.
    WarpRefused,
    /// Nobody moves.
    Frozen,
    /// A warp leads to another place than the portal says: back to `town`.
    WarpAstray,
    /// `town` does not save who comes to it.
    NotSaved,
    /// The token outlives the logout.
    TokenKept,
    /// The server says nothing when it goes away during the walk.
    Crash,
}

/// A player's account.
#[derive(Debug, Clone)]
struct Account {
    id: AccountId,
    password: String,
    token: Option<AccessToken>,
    characters: Vec<CharacterSummary>,
}

#[derive(Debug, Default)]
struct Books {
    /// By name.
    accounts: HashMap<String, Account>,
    /// Whose seat a ticket is.
    seats: HashMap<Ticket, CharacterId>,
    ports: HashMap<MapName, u16>,
}

impl Books {
    fn seat(&mut self, character: CharacterId, map: &MapName) -> ConnectionInfo {
        let ticket = Ticket::from_bytes(rand::random());
        self.seats.insert(ticket.clone(), character);
        ConnectionInfo {
            address: "127.0.0.1".to_owned(),
            port: self.ports[map],
            connection_key: ConnectionKey::from_bytes([1; 32]),
            ticket,
            seat_kept_ms: 10_000,
            server: map.as_str().parse().unwrap(),
            map: map.clone(),
            channel: Channel::FIRST,
        }
    }

    fn character(&mut self, id: CharacterId) -> &mut CharacterSummary {
        let all = self.accounts.values_mut().flat_map(|account| &mut account.characters);
        all.into_iter().find(|summary| summary.character == id).unwrap()
    }
}

/// What Central and the maps share.
#[derive(Debug, Clone)]
struct Shared {
    books: Arc<Mutex<Books>>,
    fault: Fault,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }
}

/// The running world; it ends when this is dropped.
pub(crate) struct World {
    port: u16,
    _tasks: JoinSet<()>,
}

impl World {
    pub(crate) async fn start(fault: Fault) -> Self {
        let shared = Shared { books: Arc::default(), fault };
        let mut tasks = JoinSet::new();
        for (map, to) in [("town", "field"), ("field", "town")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            shared.books().ports.insert(map.parse().unwrap(), port);
            let (map, to) = (map.parse().unwrap(), to.parse().unwrap());
            tasks.spawn(map::Map::new(map, to, shared.clone()).serve(listener));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tasks.spawn(central::serve(listener, shared));
        Self { port, _tasks: tasks }
    }

    pub(crate) fn config(&self, encoding: Encoding) -> ClientConfig {
        ClientConfig { encoding, ..ClientConfig::new(format!("127.0.0.1:{}", self.port)) }
    }
}

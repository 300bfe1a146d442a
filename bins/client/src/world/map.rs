//! A map of 12 by 6 tiles: players start at (2, 3), the portal is at (10, 3).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use protocol::{
    Channel, CharacterId, Code, EntityId, Failure, MapName, Position, ResumeTicket,
    frame::Role,
    play::{Arrival, Move, PlayInput, PlayMessage, Portal, Sight},
    snapshot::Snapshot,
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
    time::{Interval, interval},
};
use wire::{Connection, Limits};

use super::{Fault, Shared};

const START: Position = Position { x: 2.0, y: 3.0 };
const PORTAL: Position = Position { x: 10.0, y: 3.0 };
/// Tiles walked in a tick.
const PACE: f32 = 0.5;
const TICK: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
struct Crowd {
    last: u32,
    players: HashMap<EntityId, (Sight, mpsc::UnboundedSender<PlayMessage>)>,
}

impl Crowd {
    fn tell(&self, message: &PlayMessage) {
        for (_, player) in self.players.values() {
            let _ = player.send(message.clone());
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Map {
    name: MapName,
    to: MapName,
    shared: Shared,
    crowd: Arc<Mutex<Crowd>>,
}

/// One player on the map.
struct Player {
    you: EntityId,
    name: String,
    character: CharacterId,
    position: Position,
    target: Option<Position>,
    inbox: mpsc::UnboundedReceiver<PlayMessage>,
}

impl Map {
    pub(super) fn new(name: MapName, to: MapName, shared: Shared) -> Self {
        Self { name, to, shared, crowd: Arc::default() }
    }

    pub(super) async fn serve(self, listener: TcpListener) {
        let mut players = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let map = self.clone();
            players.spawn(async move {
                let accepted = wire::accept(socket, Role::Map, Limits::default()).await;
                map.host(accepted.unwrap()).await;
            });
        }
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap()
    }

    async fn host(self, mut connection: Connection) {
        let frame = connection.receive().await.unwrap();
        let arrival: Arrival = connection.encoding().decode(&frame).unwrap();
        let Arrival::Enter { ticket, .. } = arrival else { panic!("{arrival:?}") };
        let Some(character) = self.shared.books().seats.remove(&ticket) else {
            let failure = Failure::new(Code::TicketInvalid, "select the character again");
            let _ = connection.send(&PlayMessage::Goodbye { failure: Some(failure) }).await;
            return connection.close().await;
        };
        let mut player = self.admit(&mut connection, character).await;
        let mut tick = interval(TICK);
        while self.turn(&mut connection, &mut player, &mut tick).await {}
        self.crowd().players.remove(&player.you);
        self.crowd().tell(&PlayMessage::Vanished { entities: vec![player.you] });
        if self.shared.fault != Fault::Crash {
            connection.close().await;
        }
    }

    async fn admit(&self, connection: &mut Connection, character: CharacterId) -> Player {
        let name = {
            let mut books = self.shared.books();
            let summary = books.character(character);
            if self.shared.fault != Fault::NotSaved || self.name.as_str() != "town" {
                summary.map = self.name.clone();
            }
            summary.name.clone()
        };
        let (player, entered) = {
            let mut crowd = self.crowd();
            crowd.last += 1;
            let you = EntityId(crowd.last);
            let look = "player".to_owned();
            let sight = Sight { entity: you, name: name.clone(), look, position: START };
            let others = crowd.players.values().map(|(sight, _)| sight.clone()).collect();
            crowd.tell(&PlayMessage::Appeared { sights: vec![sight.clone()] });
            let (outbox, inbox) = mpsc::unbounded_channel();
            crowd.players.insert(you, (sight, outbox));
            let entered = PlayMessage::Entered {
                map: self.name.clone(),
                channel: Channel::FIRST,
                you,
                position: START,
                size: (12.0, 6.0),
                view: 16.0,
                tick_ms: 50,
                portals: vec![Portal { at: PORTAL, radius: 1.0, to: self.to.clone() }],
                others,
                resume_ticket: ResumeTicket::from_bytes([4; 32]),
                link_grace_ms: 0,
            };
            (Player { you, name, character, position: START, target: None, inbox }, entered)
        };
        connection.send(&entered).await.unwrap();
        player
    }

    /// Serves one thing that happens. False ends the stay.
    async fn turn(
        &self,
        connection: &mut Connection,
        player: &mut Player,
        tick: &mut Interval,
    ) -> bool {
        tokio::select! {
            Some(message) = player.inbox.recv() => connection.send(&message).await.is_ok(),
            _ = tick.tick() => self.step(connection, player).await,
            frame = connection.receive() => match frame {
                Ok(frame) => {
                    let input = connection.encoding().decode(&frame).unwrap();
                    self.input(connection, player, input).await
                }
                Err(_) => false,
            },
        }
    }

    async fn input(
        &self,
        connection: &mut Connection,
        player: &mut Player,
        input: PlayInput,
    ) -> bool {
        match input {
            PlayInput::Walk { to, .. } => {
                player.target = Some(to);
                self.shared.fault != Fault::Crash
            }
            PlayInput::Say { text } => {
                if self.shared.fault != Fault::Deaf {
                    let (entity, name) = (player.you, player.name.clone());
                    self.crowd().tell(&PlayMessage::Said { entity, name, text });
                }
                true
            }
            PlayInput::Act { .. } => true,
            PlayInput::Ping { nonce } => {
                connection.send(&PlayMessage::Pong { nonce }).await.is_ok()
            }
            PlayInput::Leave => {
                let _ = connection.send(&PlayMessage::Goodbye { failure: None }).await;
                false
            }
        }
    }

    async fn step(&self, connection: &mut Connection, player: &mut Player) -> bool {
        let Some(target) = player.target.filter(|_| self.shared.fault != Fault::Frozen) else {
            return true;
        };
        let way = player.position.distance(target);
        let share = if way <= PACE { 1.0 } else { PACE / way };
        player.position.x += (target.x - player.position.x) * share;
        player.position.y += (target.y - player.position.y) * share;
        if share >= 1.0 {
            player.target = None;
        }
        let moves = vec![Move { entity: player.you, position: player.position }];
        self.crowd().tell(&PlayMessage::Snapshot { view: Snapshot { tick: 1, ack: 0, moves } });
        if player.position.distance(PORTAL) > 1.0 {
            return true;
        }
        player.target = None;
        if self.shared.fault == Fault::WarpRefused {
            let failure = Failure::new(Code::NoServer, "nobody runs that map; try again soon");
            let refused = PlayMessage::WarpRefused { map: self.to.clone(), failure };
            return connection.send(&refused).await.is_ok();
        }
        let to = if self.shared.fault == Fault::WarpAstray { &self.name } else { &self.to };
        let seat = self.shared.books().seat(player.character, to);
        let _ = connection.send(&PlayMessage::WarpTo { connection: seat }).await;
        false
    }
}

//! From a character to a seat on a Map Server.

use std::time::Duration;

use cluster::{Asked, Fate};
use protocol::{
    Channel, CharacterId, Code, ConnectionInfo, Failure, ServerId,
    backbone::{
        Life,
        events::CharacterSelected,
        maps::MapServer,
        operations::{Enqueue, Placed},
        seats::{CancelSeat, EvictCharacter, ReserveSeat, SeatReserved},
    },
    lobby::Answer,
    names,
};
use sessions::Session;
use store::Character;
use tracing::warn;

use super::{Lobby, characters::unknown};

/// How long a Map Server has for one step. A selection has two, eviction and seat, so that a map
/// that does not answer costs its player less than 2 s.
const MAP_SERVER: Duration = Duration::from_millis(900);

/// How often a character is looked for that moves from owner to owner meanwhile, and a seat that is
/// taken by others.
const ROUNDS: usize = 2;

/// After so many milliseconds a client asks again whether it is its turn.
const ASK_AGAIN_MS: u64 = 1000;

/// What is found for a character.
enum Found {
    Seat(Box<MapServer>, SeatReserved),
    Line { position: u32, of: u32 },
}

impl Lobby {
    /// Keeps a seat on the character's map, hands the character to the Map Server there, and tells
    /// the client where it is.
    pub(super) async fn select(
        &self,
        session: &Session,
        character: CharacterId,
        channel: Option<Channel>,
        beside: Option<&str>,
    ) -> Result<Answer, Failure> {
        let beside = match beside {
            Some(name) => self.whereabouts(name).await?,
            None => None,
        };
        let row = self.bring_home(session, character).await?;
        let (server, seat) = match self.find_seat(session, &row, channel, beside).await? {
            Found::Seat(server, seat) => (*server, seat),
            Found::Line { position, of } => {
                return Ok(Answer::Queued { position, of, again_ms: ASK_AGAIN_MS });
            }
        };
        if let Err(error) = self.store.claim(session.account, character, &server.life(), None).await
        {
            self.cancel(character, &server, &seat).await;
            return Err(match Failure::from(error) {
                Failure { code: Code::Fenced, .. } => in_use("it was selected elsewhere just now"),
                failure => failure,
            });
        }
        metrics::counter!("mmo_central_selects_total").increment(1);
        self.tell_selected(session, &row, &server).await;
        Ok(Answer::Selected {
            connection: ConnectionInfo {
                address: server.address,
                port: server.port,
                connection_key: server.connection_key,
                ticket: seat.ticket,
                seat_kept_ms: seat.kept_ms,
                server: server.server,
                map: server.map,
                channel: server.channel,
            },
        })
    }

    /// A seat, or a position in the line of those who wait for one.
    async fn find_seat(
        &self,
        session: &Session,
        row: &Character,
        channel: Option<Channel>,
        beside: Option<ServerId>,
    ) -> Result<Found, Failure> {
        let (character, map) = (row.summary.character, row.state.map.clone());
        let mut ask = Enqueue { character, map, channel, beside };
        for round in 1..=ROUNDS {
            let cluster::Answer::Placed(placed) =
                self.cluster.ask(Asked::Enqueue(ask.clone())).await?
            else {
                return Err(Failure::new(Code::Internal, "the Cluster gave another answer"));
            };
            let server = match placed {
                Placed::Go(server) => server,
                Placed::Wait { position, of } => return Ok(Found::Line { position, of }),
            };
            match self.reserve(session, row, &server).await {
                Ok(seat) => return Ok(Found::Seat(server, seat)),
                // Others came by a warp meanwhile.
                Err(failure) if failure.code == Code::MapFull && round < ROUNDS => {
                    ask.beside = None;
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::new(Code::MapFull, "the last places were taken just now; try again shortly"))
    }

    /// The Map Server that a character of this name is on, if it is in play.
    async fn whereabouts(&self, name: &str) -> Result<Option<ServerId>, Failure> {
        let found = self.store.find_character(&names::character_key(name)?).await?;
        let found = found.ok_or_else(|| {
            let message =
                format!("nobody is called {name}; look at the name, or select without it");
            Failure::new(Code::CharacterUnknown, message)
        })?;
        Ok(found.owner.map(|owner| owner.server))
    }

    /// The character with no owner: a live owner saves it and lets it go, a dead one is passed
    /// over, and what it might still save is fenced by the next claim.
    pub(super) async fn bring_home(
        &self,
        session: &Session,
        character: CharacterId,
    ) -> Result<Character, Failure> {
        for _ in 0..ROUNDS {
            let row = self.own(session, character).await?;
            let Some(owner) = &row.owner else { return Ok(row) };
            self.take_from(owner, character).await?;
            // Its epoch is named: a newer claim of the same owner is not this one.
            self.store.abandon(character, owner, Some(row.epoch)).await?;
        }
        let row = self.own(session, character).await?;
        if row.owner.is_some() { Err(in_use("it moves between maps")) } else { Ok(row) }
    }

    /// Has an owner save a character and let it go. One that does not answer is passed over only
    /// when it is known to be gone: it may hold what it could not save yet.
    async fn take_from(&self, owner: &Life, character: CharacterId) -> Result<(), Failure> {
        if self.cluster.fate(owner).await? == Fate::Gone {
            return Ok(());
        }
        let evict = EvictCharacter {
            incarnation: owner.incarnation,
            character,
            reason: "its player selected it again".to_owned(),
        };
        let evicted = self.backbone.call_within(&owner.server, evict, MAP_SERVER).await;
        evicted.map(drop).map_err(|failure| in_use(&failure.message))
    }

    async fn own(&self, session: &Session, character: CharacterId) -> Result<Character, Failure> {
        let row = self.store.character(session.account, character).await?;
        row.ok_or_else(|| unknown(character))
    }

    async fn reserve(
        &self,
        session: &Session,
        row: &Character,
        server: &MapServer,
    ) -> Result<SeatReserved, Failure> {
        let reserve = ReserveSeat {
            incarnation: server.incarnation,
            account: session.account,
            character: row.summary.character,
            name: row.summary.name.clone(),
            instance: false,
        };
        self.backbone.call_within(&server.server, reserve, MAP_SERVER).await
    }

    async fn cancel(&self, character: CharacterId, server: &MapServer, seat: &SeatReserved) {
        let cancel = CancelSeat { character, ticket: seat.ticket.clone() };
        // The seat expires by itself if this is not heard.
        if let Err(failure) = self.backbone.call_within(&server.server, cancel, MAP_SERVER).await {
            warn!(%failure, server = %server.server, "a seat is not cancelled");
        }
    }

    async fn tell_selected(&self, session: &Session, row: &Character, server: &MapServer) {
        let event = CharacterSelected {
            account: session.account,
            character: row.summary.character,
            name: row.summary.name.clone(),
            server: server.server.clone(),
        };
        if let Err(error) = self.backbone.publish(&event).await {
            warn!(%error, "a selection is not told");
        }
    }
}

fn in_use(why: &str) -> Failure {
    let message = format!("the character is still in play ({why}); try again in a few seconds");
    Failure::new(Code::CharacterInUse, message)
}

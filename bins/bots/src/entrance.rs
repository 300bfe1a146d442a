//! From a kept seat onto the map.

use std::{net::TcpStream, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use protocol::{
    CharacterId, ConnectionInfo, EntityId, MapName, Position,
    frame::{Encoding, Role},
    play::{Arrival, PlayMessage, Portal},
};
use tokio::time::timeout;
use wire::Connection;

use crate::lobby::{CONNECT, Login, PROGRAM};

/// For a Map Server to load the character and say where it stands.
const ENTER: Duration = Duration::from_secs(10);

/// Somebody who is on a map.
pub(crate) struct Entered {
    /// Does not block.
    pub(crate) socket: TcpStream,
    /// What was read ahead of the first message.
    pub(crate) ahead: Bytes,
    pub(crate) place: Place,
    /// Whom it sees at first.
    pub(crate) others: Vec<EntityId>,
}

/// Where somebody came in.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) map: MapName,
    pub(crate) you: EntityId,
    pub(crate) position: Position,
    /// Width and height, in tiles.
    pub(crate) size: (f32, f32),
    pub(crate) portals: Vec<Portal>,
}

/// Takes the seat; from then on the socket is the caller's.
///
/// # Errors
/// As [`arrive`].
pub(crate) async fn enter(
    seat: &ConnectionInfo,
    login: Login,
    character: CharacterId,
) -> anyhow::Result<Entered> {
    let (connection, place, others) = arrive(seat, login, character).await?;
    let (socket, ahead) = connection.into_socket().await?;
    Ok(Entered { socket: socket.into_std()?, ahead, place, others })
}

/// Takes the seat: a connection with the Map Server, where one came in, and whom one sees.
///
/// # Errors
/// The Map Server's refusal is a [`protocol::Failure`] to be downcast to.
pub(crate) async fn arrive(
    seat: &ConnectionInfo,
    login: Login,
    character: CharacterId,
) -> anyhow::Result<(Connection, Place, Vec<EntityId>)> {
    let ConnectionInfo { address, port, .. } = seat;
    let connected = wire::connect(address, *port, Encoding::Msgpack, PROGRAM, CONNECT).await;
    let (mut connection, Role::Map) = connected? else {
        bail!("{address}:{port} is Central, not a Map Server");
    };
    let Login { account, access_token } = login;
    let (connection_key, ticket) = (seat.connection_key.clone(), seat.ticket.clone());
    let arrival = Arrival::Enter { account, access_token, character, connection_key, ticket };
    connection.send(&arrival).await?;
    let first = timeout(ENTER, connection.receive())
        .await
        .with_context(|| format!("the Map Server did not answer within {ENTER:?}"))??;
    match Encoding::Msgpack.decode(&first)? {
        PlayMessage::Entered { map, you, position, size, portals, others, .. } => {
            let others = others.into_iter().map(|other| other.entity).collect();
            Ok((connection, Place { map, you, position, size, portals }, others))
        }
        PlayMessage::Goodbye { failure: Some(failure) } => Err(failure.into()),
        other => bail!("the Map Server's first word was not `entered` but {other:?}"),
    }
}

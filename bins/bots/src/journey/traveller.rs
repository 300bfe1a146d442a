//! One who goes the way.

use std::time::Duration;

use anyhow::bail;
use protocol::{
    frame::Encoding,
    play::{PlayInput, PlayMessage},
};
use tokio::time::Instant;
use wire::Connection;

use super::Hashing;
use crate::{
    company::{Member, PASSWORD},
    entrance::arrive,
    lobby::Lobby,
};

/// The steps of a journey, in their order. All but the last are the journey; leaving is done before
/// the next one, and told beside it.
pub(super) const STEPS: [&str; 6] = ["connect", "log in", "list", "select", "enter", "leave"];

/// How long each of [`STEPS`] took, journey by journey.
pub(super) type Steps = Vec<[Duration; STEPS.len()]>;

/// Somebody with a character.
#[derive(Debug, Clone)]
pub(super) struct Traveller {
    central: String,
    member: Member,
    hashing: Hashing,
}

impl Traveller {
    pub(super) fn new(central: &str, member: Member, hashing: Hashing) -> Self {
        Self { central: central.to_owned(), member, hashing }
    }

    /// From nowhere onto the map and off it again.
    ///
    /// # Errors
    /// Whatever a server refuses.
    pub(super) async fn go(&self) -> anyhow::Result<[Duration; STEPS.len()]> {
        let Member { account, login, character } = &self.member;
        let mut clock = Clock::new();
        let mut lobby = Lobby::connect(&self.central).await?;
        let connect = clock.lap();
        let login = match self.hashing {
            Hashing::Counted => lobby.log_in(account, PASSWORD).await?,
            Hashing::Apart => {
                lobby.validate(login.clone()).await?;
                login.clone()
            }
        };
        let log_in = clock.lap();
        lobby.character(account).await?;
        let list = clock.lap();
        let seat = lobby.select(*character).await?;
        let select = clock.lap();
        let (connection, ..) = arrive(&seat, login, *character).await?;
        let enter = clock.lap();
        leave(connection).await?;
        Ok([connect, log_in, list, select, enter, clock.lap()])
    }
}

/// Leaves, and waits until the character is saved: the goodbye says so.
async fn leave(mut connection: Connection) -> anyhow::Result<()> {
    connection.send(&PlayInput::Leave).await?;
    loop {
        match Encoding::Msgpack.decode(&connection.receive().await?)? {
            PlayMessage::Goodbye { failure: None } => return Ok(()),
            PlayMessage::Goodbye { failure } => bail!("sent away: {failure:?}"),
            _ => {}
        }
    }
}

struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now))
    }
}

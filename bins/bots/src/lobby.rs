//! A bot's talk with Central: from a connection to a seat.

use std::time::Duration;

use anyhow::{Context, bail};
use protocol::{
    AccessToken, AccountId, CharacterId, ConnectionInfo, Failure,
    frame::{Encoding, Role},
    lobby::{Answer, GuestCall, LobbyMessage, MemberCall, Numbered},
    world::CharacterSummary,
};
use serde::Serialize;
use tokio::time::{sleep, timeout};
use wire::Connection;

/// For each call; a login may stand in line for the hashing of other bots' passwords.
const CALL: Duration = Duration::from_secs(15);
/// For a server to take a connection and greet.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// Told to every server, for its logs.
pub(crate) const PROGRAM: &str = concat!("waystone-bots/", env!("CARGO_PKG_VERSION"));

/// A login.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) account: AccountId,
    pub(crate) access_token: AccessToken,
}

/// A connection with Central.
pub(crate) struct Lobby {
    connection: Connection,
    last_call: u32,
}

impl Lobby {
    /// Connects to Central at `HOST:PORT`.
    pub(crate) async fn connect(central: &str) -> anyhow::Result<Self> {
        let (host, port) = host_and_port(central)?;
        let connected = wire::connect(host, port, Encoding::Msgpack, PROGRAM, CONNECT).await;
        let (connection, Role::Central) = connected? else {
            bail!("{central} is a Map Server, not Central");
        };
        Ok(Self { connection, last_call: 0 })
    }

    /// Makes an account and logs in.
    pub(crate) async fn register(&mut self, name: &str, password: &str) -> anyhow::Result<Login> {
        let (account, password) = (name.to_owned(), password.to_owned());
        self.logged_in(GuestCall::Register { account, password }).await
    }

    /// Logs in to an account that is there.
    pub(crate) async fn log_in(&mut self, name: &str, password: &str) -> anyhow::Result<Login> {
        let (account, password) = (name.to_owned(), password.to_owned());
        self.logged_in(GuestCall::Login { account, password }).await
    }

    /// Goes on with a login from an earlier connection, which costs no hashing.
    pub(crate) async fn validate(&mut self, login: Login) -> anyhow::Result<()> {
        let Login { account, access_token } = login;
        match self.call(GuestCall::Validate { account, access_token }).await? {
            Answer::Valid { .. } => Ok(()),
            other => unexpected(&other),
        }
    }

    /// The account's first character, or a new one of this name.
    pub(crate) async fn character(&mut self, name: &str) -> anyhow::Result<CharacterSummary> {
        let known = match self.call(MemberCall::ListCharacters).await? {
            Answer::Characters { characters } => characters.into_iter().next(),
            other => return unexpected(&other),
        };
        if let Some(character) = known {
            return Ok(character);
        }
        match self.call(MemberCall::CreateCharacter { name: name.to_owned() }).await? {
            Answer::Created { character } => Ok(character),
            other => unexpected(&other),
        }
    }

    /// Has a seat kept, and leaves Central.
    pub(crate) async fn select(mut self, character: CharacterId) -> anyhow::Result<ConnectionInfo> {
        loop {
            match self
                .call(MemberCall::SelectCharacter { character, channel: None, beside: None })
                .await?
            {
                Answer::Selected { connection } => return Ok(connection),
                Answer::Queued { again_ms, .. } => sleep(Duration::from_millis(again_ms)).await,
                other => return unexpected(&other),
            }
        }
    }

    async fn logged_in(&mut self, call: GuestCall) -> anyhow::Result<Login> {
        match self.call(call).await? {
            Answer::LoggedIn { account, access_token, .. } => Ok(Login { account, access_token }),
            other => unexpected(&other),
        }
    }

    /// # Errors
    /// Central's refusal is a [`Failure`] to be downcast to.
    async fn call<T: Serialize>(&mut self, call: T) -> anyhow::Result<Answer> {
        self.last_call += 1;
        let id = self.last_call;
        self.connection.send(&Numbered { id, call }).await?;
        timeout(CALL, self.answer(id))
            .await
            .with_context(|| format!("Central did not answer within {CALL:?}"))?
    }

    async fn answer(&mut self, call: u32) -> anyhow::Result<Answer> {
        loop {
            let frame = self.connection.receive().await?;
            match self.connection.encoding().decode(&frame)? {
                LobbyMessage::Answer { id, answer } if id == call => return Ok(answer),
                LobbyMessage::Failed { id, failure } if id.is_none_or(|id| id == call) => {
                    return Err(failure.into());
                }
                LobbyMessage::Goodbye { failure } => return Err(failure.into()),
                LobbyMessage::Answer { .. } | LobbyMessage::Failed { .. } => {}
            }
        }
    }
}

/// Whether trying again later may help: a server that says so, or a connection that failed.
pub(crate) fn is_retryable(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_none_or(|failure| failure.retry)
}

/// The parts of `HOST:PORT`.
pub(crate) fn host_and_port(address: &str) -> anyhow::Result<(&str, u16)> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some((host, port.parse().ok()?)).filter(|_| !host.is_empty())
    });
    parts.with_context(|| format!("`{address}` is no address; write HOST:PORT"))
}

fn unexpected<T>(answer: &Answer) -> anyhow::Result<T> {
    // Whatever it is may hold a token, so it is not shown.
    let kind = std::mem::discriminant(answer);
    bail!("Central answered with something else than was asked for ({kind:?})")
}

//! Who may enter: the right life of the right server (connection key), the right player (access
//! token), the right seat (ticket). Who lost its connection takes its character over with a resume
//! ticket in place of the seat's.

use std::time::Duration;

use nats::Backbone;
use protocol::{
    AccessToken, AccountId, CharacterId, Code, ConnectionKey, Failure,
    backbone::{
        Life,
        characters::{LoadCharacter, LoadedCharacter},
    },
    frame::{Encoding, FRAME_MAX},
    play::{Arrival, PlayInput},
};
use sessions::{Session, Sessions};
use tokio::time::timeout;
use wire::Connection;

use crate::host::{Admitted, Command, Entry, HostLink, Resumption, Shown};

/// How long a client may take from its hello to its arrival.
const ARRIVAL: Duration = Duration::from_secs(5);
/// How long the host may take to answer. Its tick takes milliseconds.
const HOST: Duration = Duration::from_secs(2);

/// Whom admission asks, and what it compares with.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) own: Life,
    pub(crate) key: ConnectionKey,
    pub(crate) sessions: Sessions,
    pub(crate) backbone: Backbone,
    pub(crate) host: HostLink,
}

impl Admission {
    /// Reads the client's arrival and puts its character on the map, or finds it there.
    pub(crate) async fn admit(&self, connection: &mut Connection) -> Result<Admitted, Refusal> {
        let encoding = connection.encoding();
        let admitted = match read_arrival(connection).await? {
            Arrival::Enter { account, access_token, character, connection_key, ticket } => {
                let session = self.prove(account, &access_token, &connection_key).await?;
                let shown = Shown { account, character, ticket };
                self.take_seat(shown, session, encoding).await?
            }
            Arrival::Resume { account, access_token, character, connection_key, resume_ticket } => {
                let session = self.prove(account, &access_token, &connection_key).await?;
                let Session { session, note, .. } = session;
                let ticket = resume_ticket;
                let back = Resumption { account, character, session, note, ticket, encoding };
                self.ask(|reply| Command::Resume(Box::new(back), reply)).await?
            }
        };
        connection.set_frame_max(FRAME_MAX);
        Ok(admitted)
    }

    /// The session, where the key is this server's and the token holds.
    async fn prove(
        &self,
        account: AccountId,
        access_token: &AccessToken,
        connection_key: &ConnectionKey,
    ) -> Result<Session, Failure> {
        if *connection_key != self.key {
            let message = "that key is of another server or of an earlier life of this one: \
                log in and select again";
            return Err(Failure::new(Code::KeyInvalid, message));
        }
        let session = self.sessions.validate(account, access_token).await?;
        session.ok_or_else(|| {
            let message = "that access token is wrong or has expired: log in again";
            Failure::new(Code::TokenInvalid, message)
        })
    }

    async fn take_seat(
        &self,
        shown: Shown,
        session: Session,
        encoding: Encoding,
    ) -> Result<Admitted, Failure> {
        let character = shown.character;
        self.ask(|reply| Command::TakeSeat(shown, reply)).await?;
        let entered = self.enter(character, session, encoding).await;
        if entered.is_err() {
            // Also where the host has done so already: giving up twice is giving up.
            self.host.tell(Command::Forfeit(character)).await;
        }
        entered
    }

    async fn enter(
        &self,
        character: CharacterId,
        session: Session,
        encoding: Encoding,
    ) -> Result<Admitted, Failure> {
        let load = LoadCharacter { character, owner: self.own.clone() };
        let loaded: LoadedCharacter = self.backbone.call(&(), load).await?;
        if loaded.account != session.account {
            let message = "your account has no such character";
            return Err(Failure::new(Code::CharacterUnknown, message));
        }
        let Session { session, note, .. } = session;
        let entry = Box::new(Entry { loaded, session, note, encoding });
        self.ask(|reply| Command::Enter(entry, reply)).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(tokio::sync::oneshot::Sender<Result<T, Failure>>) -> Command,
    ) -> Result<T, Failure> {
        timeout(HOST, self.host.ask(command)).await.unwrap_or_else(|_| {
            Err(Failure::new(Code::Busy, "this map is too busy just now; select again shortly"))
        })
    }
}

/// Why a client was not let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is told this.
    Told(Failure),
    /// It is gone.
    Gone(String),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

async fn read_arrival(connection: &mut Connection) -> Result<Arrival, Refusal> {
    let frame = match timeout(ARRIVAL, connection.receive()).await {
        Ok(Ok(frame)) => frame,
        Ok(Err(error)) => {
            return Err(match error.failure() {
                Some(failure) => Refusal::Told(failure),
                None => Refusal::Gone(error.to_string()),
            });
        }
        Err(_) => {
            let message = format!("say `enter` or `resume` within {ARRIVAL:?} of connecting");
            return Err(Failure::new(Code::Silent, message).into());
        }
    };
    Ok(parse(connection.encoding(), &frame)?)
}

fn parse(encoding: Encoding, frame: &[u8]) -> Result<Arrival, Failure> {
    encoding.decode(frame).map_err(|error| match encoding.decode::<PlayInput>(frame) {
        Ok(_) => Failure::new(Code::WrongState, "you are not on the map yet: say `enter` first"),
        Err(_) => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_before_entering_is_told_from_nonsense() {
        let code = |text: &str| parse(Encoding::Json, text.as_bytes()).unwrap_err().code;
        assert_eq!(code(r#"{"type":"leave"}"#), Code::WrongState);
        assert_eq!(code(r#"{"type":"walk","to":{"x":1,"y":2}}"#), Code::WrongState);
        assert_eq!(code(r#"{"type":"fly"}"#), Code::Malformed);
        assert_eq!(code("\u{0}"), Code::Malformed);
    }

    #[test]
    fn who_comes_back_shows_a_resume_ticket_and_no_seats() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        let secret = "0".repeat(64);
        let arrival = |ticket: &str| {
            let text = format!(
                r#"{{"type":"resume","account":"{id}","access_token":"{secret}","character":"{id}",
                    "connection_key":"{secret}","{ticket}":"{secret}"}}"#
            );
            parse(Encoding::Json, text.as_bytes())
        };
        assert!(matches!(arrival("resume_ticket"), Ok(Arrival::Resume { .. })));
        assert_eq!(arrival("ticket").unwrap_err().code, Code::Malformed);
    }
}

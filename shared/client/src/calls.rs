//! The calls on one connection with Central: which are in place, and what their answers change.

use protocol::{
    CharacterId, Failure,
    lobby::{Answer, GuestCall, LobbyMessage, MemberCall},
};

use crate::{
    ClientError, Session,
    command::{LobbyCall, Reply},
    pending::{Pending, Waiting},
};

/// What an answer will need to know of its call.
#[derive(Debug)]
enum Kept {
    Nothing,
    Session(Session),
    Character(CharacterId),
}

/// What an answer changes for the client as a whole.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Nothing,
    LoggedIn(Session),
    LoggedOut,
    /// A seat is kept for this character; Central is to be left.
    Selected(CharacterId),
    /// The selected character waits in line.
    Queued {
        position: u32,
        of: u32,
    },
    /// Central could not make sense of something, it does not say of what.
    Refused(Failure),
}

/// A call with its outcome, to be told once the change has been made.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) change: Change,
    pub(crate) call: Option<(Reply<Answer>, Result<Answer, ClientError>)>,
}

impl Answered {
    /// Tells the caller. One that gave up is not told.
    pub(crate) fn tell(self) {
        if let Some((reply, outcome)) = self.call {
            drop(reply.send(outcome));
        }
    }
}

/// The calls on one connection with Central.
#[derive(Debug)]
pub(crate) struct Calls {
    /// Logged in, as Central last said.
    member: bool,
    waiting: Pending<Kept, Answer>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self { member: false, waiting: Pending::new() }
    }

    /// Takes a call and gives its number, or answers at once one that is out of place.
    pub(crate) fn take(&mut self, call: &LobbyCall, reply: Reply<Answer>) -> Option<u32> {
        match self.check(call) {
            Ok(()) => Some(self.waiting.add(kept(call), reply)),
            Err(error) => {
                drop(reply.send(Err(error)));
                None
            }
        }
    }

    /// Fails one call.
    pub(crate) fn fail(&mut self, id: u32, error: ClientError) {
        if let Some(waiting) = self.waiting.take(id) {
            drop(waiting.reply.send(Err(error)));
        }
    }

    /// Fails every call.
    pub(crate) fn fail_all(self, error: &ClientError) {
        self.waiting.fail(error);
    }

    fn check(&self, call: &LobbyCall) -> Result<(), ClientError> {
        match call {
            LobbyCall::Guest(_) if self.member => {
                Err(ClientError::WrongState("already logged in; log out first"))
            }
            LobbyCall::Member(_) if !self.member => {
                Err(ClientError::WrongState("not logged in; log in or validate a session first"))
            }
            _ => Ok(()),
        }
    }

    /// Finds what a message answers.
    pub(crate) fn hear(&mut self, message: LobbyMessage) -> Answered {
        let (id, outcome) = match message {
            LobbyMessage::Answer { id, answer } => (Some(id), Ok(answer)),
            LobbyMessage::Failed { id, failure } => (id, Err(failure)),
            LobbyMessage::Goodbye { failure } => (None, Err(failure)),
        };
        match (id.and_then(|id| self.waiting.take(id)), outcome) {
            (Some(Waiting { kept, reply }), Ok(answer)) => {
                let change = match self.change(&answer, kept) {
                    // Nobody would take the seat: better stay than be nowhere.
                    Change::Selected(_) if reply.is_closed() => Change::Nothing,
                    change => change,
                };
                Answered { change, call: Some((reply, Ok(answer))) }
            }
            (Some(Waiting { reply, .. }), Err(failure)) => Answered {
                change: Change::Nothing,
                call: Some((reply, Err(ClientError::Failed(failure)))),
            },
            (None, Err(failure)) => Answered { change: Change::Refused(failure), call: None },
            // Its caller gave up, but what Central did holds all the same.
            (None, Ok(answer)) => {
                Answered { change: self.change(&answer, Kept::Nothing), call: None }
            }
        }
    }

    fn change(&mut self, answer: &Answer, kept: Kept) -> Change {
        match (answer, kept) {
            (Answer::LoggedIn { account, access_token, .. }, _) => {
                self.member = true;
                Change::LoggedIn(Session { account: *account, access_token: access_token.clone() })
            }
            (Answer::Valid { .. }, kept) => {
                self.member = true;
                match kept {
                    Kept::Session(session) => Change::LoggedIn(session),
                    _ => Change::Nothing,
                }
            }
            (Answer::LoggedOut, _) => {
                self.member = false;
                Change::LoggedOut
            }
            (Answer::Selected { .. }, Kept::Character(character)) => Change::Selected(character),
            (Answer::Queued { position, of, .. }, _) => {
                Change::Queued { position: *position, of: *of }
            }
            _ => Change::Nothing,
        }
    }
}

fn kept(call: &LobbyCall) -> Kept {
    match call {
        LobbyCall::Guest(GuestCall::Validate { account, access_token }) => {
            Kept::Session(Session { account: *account, access_token: access_token.clone() })
        }
        LobbyCall::Member(MemberCall::SelectCharacter { character, .. }) => {
            Kept::Character(*character)
        }
        _ => Kept::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        AccessToken, AccountId, Channel, Code, ConnectionInfo, ConnectionKey, Ticket,
        secret::SECRET_BYTES,
    };
    use tokio::sync::oneshot;

    use super::*;

    fn session() -> Session {
        let access_token = AccessToken::from_bytes([1; SECRET_BYTES]);
        Session { account: AccountId::new(), access_token }
    }

    #[test]
    fn calls_of_members_and_guests_are_told_apart() {
        let mut calls = Calls::new();
        let login =
            LobbyCall::Guest(GuestCall::Login { account: "a".into(), password: "b".into() });
        let list = LobbyCall::Member(MemberCall::ListMaps);
        assert!(calls.check(&login).is_ok() && calls.check(&list).is_err());
        calls.member = true;
        assert!(calls.check(&login).is_err() && calls.check(&list).is_ok());
    }

    #[test]
    fn a_validated_session_is_the_one_that_was_shown() {
        let (mut calls, shown) = (Calls::new(), session());
        let id = calls.waiting.add(Kept::Session(shown.clone()), oneshot::channel().0);
        let answer = Answer::Valid { account: shown.account };
        let answered = calls.hear(LobbyMessage::Answer { id, answer });
        assert_eq!(answered.change, Change::LoggedIn(shown));
        assert!(calls.member);
    }

    #[test]
    fn a_login_answered_after_its_caller_gave_up_still_holds() {
        let (mut calls, session) = (Calls::new(), session());
        let Session { account, access_token } = session.clone();
        let answer = Answer::LoggedIn { account, access_token, expires_in_s: 60 };
        let answered = calls.hear(LobbyMessage::Answer { id: 7, answer });
        assert_eq!(answered.change, Change::LoggedIn(session));
        assert!(answered.call.is_none());
    }

    #[test]
    fn a_seat_that_nobody_waits_for_does_not_lead_away_from_central() {
        let mut calls = Calls::new();
        let connection = ConnectionInfo {
            address: "127.0.0.1".to_owned(),
            port: 1,
            connection_key: ConnectionKey::from_bytes([1; SECRET_BYTES]),
            ticket: Ticket::from_bytes([2; SECRET_BYTES]),
            seat_kept_ms: 1,
            server: "town-1".parse().unwrap(),
            map: "town".parse().unwrap(),
            channel: Channel::FIRST,
        };
        let character = CharacterId::new();
        let mut select = |reply| {
            let id = calls.waiting.add(Kept::Character(character), reply);
            let answer = Answer::Selected { connection: connection.clone() };
            calls.hear(LobbyMessage::Answer { id, answer }).change
        };
        let (reply, _waiting) = oneshot::channel();
        assert_eq!(select(reply), Change::Selected(character));
        let (reply, given_up) = oneshot::channel();
        drop(given_up);
        assert_eq!(select(reply), Change::Nothing);
    }

    #[test]
    fn a_failure_without_a_number_is_reported() {
        let failure = Failure::new(Code::Malformed, "what was that?");
        let answered =
            Calls::new().hear(LobbyMessage::Failed { id: None, failure: failure.clone() });
        assert_eq!(answered.change, Change::Refused(failure));
    }
}

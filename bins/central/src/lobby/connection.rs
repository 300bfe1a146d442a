//! One client, first a guest, then a member.

use std::time::Duration;

use protocol::{
    AccountId, Code, Failure, SessionId,
    backbone::events::SessionEnded,
    frame::{FRAME_MAX, GUEST_FRAME_MAX},
    lobby::{Answer, GuestCall, LobbyMessage, MemberCall, Numbered, read_call},
};
use sessions::Session;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use wire::Connection;

use super::Lobby;

/// How long a guest may say nothing.
const GUEST_SILENCE: Duration = Duration::from_secs(30);
/// How long a member may say nothing.
const MEMBER_SILENCE: Duration = Duration::from_secs(600);
/// How long the word of who ended a session may take after Redis knows that it is over.
const WORD_OF_END: Duration = Duration::from_millis(200);

/// A session on this connection, and what is heard about sessions since before it was opened.
pub(super) struct Member {
    pub(super) session: Session,
    pub(super) endings: broadcast::Receiver<SessionEnded>,
}

impl Member {
    fn key(&self) -> (AccountId, SessionId) {
        (self.session.account, self.session.session)
    }
}

/// Why a connection ends.
enum End {
    /// The client is told why.
    Goodbye(Failure),
    /// The client is gone.
    Gone,
}

/// Serves a client until it leaves, is sent away, or `stop`.
pub(super) async fn serve(lobby: &Lobby, mut connection: Connection, stop: CancellationToken) {
    let peer = connection.peer();
    let draining =
        || Failure::new(Code::Draining, "this Central is shutting down; connect again shortly");
    let end = match stop.run_until_cancelled(converse(lobby, &mut connection)).await {
        Some(end) => end,
        None => End::Goodbye(draining()),
    };
    if let End::Goodbye(failure) = end {
        info!(%peer, %failure, "a client is sent away");
        metrics::counter!("mmo_central_goodbyes_total", "code" => failure.code.as_str())
            .increment(1);
        let _ = connection.send(&LobbyMessage::Goodbye { failure }).await;
    }
    connection.close().await;
}

async fn converse(lobby: &Lobby, connection: &mut Connection) -> End {
    loop {
        let member = match as_guest(lobby, connection).await {
            Ok(member) => member,
            Err(end) => return end,
        };
        connection.set_frame_max(FRAME_MAX);
        if let Err(end) = as_member(lobby, connection, member).await {
            return end;
        }
        connection.set_frame_max(GUEST_FRAME_MAX);
    }
}

/// Until the client has logged in.
async fn as_guest(lobby: &Lobby, connection: &mut Connection) -> Result<Member, End> {
    loop {
        let frame = frame(connection, GUEST_SILENCE).await?;
        let hint = "log in first: register, login or validate";
        match read_call::<GuestCall, MemberCall>(connection.encoding(), &frame, hint) {
            // Boxed, so that a connection that waits takes little memory.
            Ok(Numbered { id, call }) => match Box::pin(lobby.admit(call)).await {
                Ok((member, answer)) => {
                    send(connection, LobbyMessage::Answer { id, answer }).await?;
                    return Ok(member);
                }
                Err(failure) => fail(connection, Some(id), failure).await?,
            },
            Err((id, failure)) => fail(connection, id, failure).await?,
        }
    }
}

/// Until the client has logged out.
async fn as_member(
    lobby: &Lobby,
    connection: &mut Connection,
    mut member: Member,
) -> Result<(), End> {
    loop {
        let frame = tokio::select! {
            frame = frame(connection, MEMBER_SILENCE) => frame?,
            failure = ended(lobby, &mut member) => return Err(End::Goodbye(failure)),
        };
        let hint = "already logged in; log out first";
        match read_call::<MemberCall, GuestCall>(connection.encoding(), &frame, hint) {
            Ok(Numbered { id, call }) => match answer(lobby, &mut member, call).await? {
                Ok(Answer::LoggedOut) => {
                    let message = LobbyMessage::Answer { id, answer: Answer::LoggedOut };
                    return send(connection, message).await;
                }
                Ok(answer) => send(connection, LobbyMessage::Answer { id, answer }).await?,
                Err(failure) => fail(connection, Some(id), failure).await?,
            },
            Err((id, failure)) => fail(connection, id, failure).await?,
        }
    }
}

/// Answers a call if the session still holds, and prolongs it: a call is a use.
async fn answer(
    lobby: &Lobby,
    member: &mut Member,
    call: MemberCall,
) -> Result<Result<Answer, Failure>, End> {
    match lobby.sessions.which_hold(&[member.key()]).await {
        // Boxed, so that a connection that waits takes little memory.
        Ok(holds) if holds == [true] => Ok(Box::pin(lobby.answer(&member.session, call)).await),
        Ok(_) => Err(End::Goodbye(over(lobby, member).await)),
        Err(error) => Ok(Err(error.into())),
    }
}

/// Why a session does not hold any more: whoever ended it says so at once, time says nothing.
async fn over(lobby: &Lobby, member: &mut Member) -> Failure {
    let expired = |_| Failure::new(Code::TokenInvalid, "this session has expired; log in again");
    timeout(WORD_OF_END, ended(lobby, member)).await.unwrap_or_else(expired)
}

/// Waits until this session ends elsewhere.
async fn ended(lobby: &Lobby, member: &mut Member) -> Failure {
    loop {
        let why = match member.endings.recv().await {
            Ok(ended) if ended.session == member.session.session => ended.why,
            Ok(_) => continue,
            Err(RecvError::Lagged(_)) => {
                // What was missed may have been about this one: Redis knows.
                match lobby.sessions.which_hold(&[member.key()]).await.as_deref() {
                    Ok([false]) => Code::SessionReplaced,
                    _ => continue,
                }
            }
            Err(RecvError::Closed) => std::future::pending().await,
        };
        return ended_failure(why);
    }
}

fn ended_failure(why: Code) -> Failure {
    let message = match why {
        Code::LoggedOut => "this session was logged out; log in again",
        _ => "this account logged in elsewhere, which ended this session",
    };
    Failure::new(why, message)
}

async fn frame(connection: &mut Connection, patience: Duration) -> Result<bytes::Bytes, End> {
    match timeout(patience, connection.receive()).await {
        Ok(Ok(frame)) => Ok(frame),
        Ok(Err(error)) => {
            debug!(%error, "a client's connection ends");
            Err(error.failure().map_or(End::Gone, End::Goodbye))
        }
        Err(_) => {
            let message = format!("nothing was heard for {} s", patience.as_secs());
            Err(End::Goodbye(Failure::new(Code::Silent, message)))
        }
    }
}

async fn fail(connection: &mut Connection, id: Option<u32>, failure: Failure) -> Result<(), End> {
    metrics::counter!("mmo_central_failures_total", "code" => failure.code.as_str()).increment(1);
    debug!(%failure, "a call failed");
    send(connection, LobbyMessage::Failed { id, failure }).await
}

async fn send(connection: &mut Connection, message: LobbyMessage) -> Result<(), End> {
    connection.send(&message).await.map_err(|error| {
        debug!(%error, "a client's connection ends");
        End::Gone
    })
}

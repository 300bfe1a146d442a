//! Clients' connections: taken, admitted, served.

use std::{sync::Arc, time::Duration};

use protocol::{
    Code, Failure,
    frame::{Encoding, Role},
    play::{Arrival, PlayInput, PlayMessage},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::{Instrument, debug, info, info_span, warn};
use wire::{Connection, Limits, Reader, WireError, Writer};

use crate::{
    admission::{Admission, Refusal},
    host::{Admitted, Command, Ending, HostLink, Inbox, LinkId, draining},
};

/// Connections that are not admitted yet, at most; more wait in the system's backlog.
const GUESTS: usize = 256;
/// After an accept that failed, as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long clients have to read their goodbyes when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Takes clients' connections and serves them.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) admission: Admission,
    pub(crate) host: HostLink,
}

impl Gate {
    /// Serves until `draining`; once the host has said its goodbyes too (`hosted`), waits until
    /// they are sent, for [`LAST_WORDS`] at most.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        draining: CancellationToken,
        hosted: CancellationToken,
    ) {
        let (gate, guests) = (Arc::new(self), Arc::new(Semaphore::new(GUESTS)));
        let connections = TaskTracker::new();
        while let Some(accepted) = draining.run_until_cancelled(accept(&listener, &guests)).await {
            let Some((stream, permit)) = accepted else { continue };
            let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            let (gate, draining) = (gate.clone(), draining.clone());
            let (tasks, span) = (connections.clone(), info_span!("connection", peer));
            let arrival = async move {
                if let Some((connection, Admitted { link, messages })) =
                    gate.arrive(stream, draining).await
                {
                    let (reader, writer) = connection.split();
                    let writing = tasks.spawn(write(messages, writer, link));
                    // Tasks of their own: what it takes to come in is a lot of memory, and most of
                    // the time nobody comes in. Nor is one polled within the span, which is entered
                    // for each input then, and of which nothing is said any more.
                    tasks.spawn(async move { gate.play(reader, link, writing).await });
                }
                drop(permit);
            };
            connections.spawn(arrival.instrument(span));
        }
        drop(listener);
        connections.close();
        hosted.cancelled().await;
        if timeout(LAST_WORDS, connections.wait()).await.is_err() {
            debug!(left = connections.len(), "clients did not read their goodbye");
        }
    }

    /// Lets a client in, or tells it why not.
    async fn arrive(
        &self,
        stream: TcpStream,
        draining_now: CancellationToken,
    ) -> Option<(Connection, Admitted)> {
        let accepted = draining_now
            .run_until_cancelled(wire::accept(stream, Role::Map, Limits::default()))
            .await;
        let mut connection = match accepted {
            Some(Ok(connection)) => connection,
            Some(Err(error)) => {
                debug!(%error, "no handshake");
                return None;
            }
            None => return None,
        };
        let admitted =
            draining_now.run_until_cancelled(self.admission.admit(&mut connection)).await;
        match admitted.unwrap_or_else(|| Err(draining().into())) {
            Ok(admitted) => Some((connection, admitted)),
            Err(refusal) => {
                refuse(connection, refusal).await;
                None
            }
        }
    }

    /// Serves a player: this task reads, and `writing` writes what the host cannot at once.
    async fn play(&self, mut reader: Reader, link: LinkId, writing: JoinHandle<()>) {
        let mut writing = AbortOnDropHandle::new(writing);
        tokio::select! {
            _ = &mut writing => {}
            // The host has been told; it still has its last words.
            () = self.read(&mut reader, link) => drop(writing.await),
        }
        // Boxed, as all that comes once at the end: it is no part of what each connection takes.
        Box::pin(reader.drain()).await;
    }

    /// Reads inputs until the connection ends or the client breaks the rules, and tells the host.
    async fn read(&self, reader: &mut Reader, link: LinkId) {
        let encoding = reader.encoding();
        let ending = loop {
            match reader.receive().await {
                Ok(frame) => match parse(encoding, &frame) {
                    Ok(input) => self.host.say(link, input).await,
                    Err(failure) => break Ending::Broken(failure),
                },
                Err(error) => break ending(&error),
            }
        };
        Box::pin(self.host.tell(Command::Ended(link, ending))).await;
    }
}

/// Tells a client what the host cannot at once.
async fn write(messages: Inbox, writer: Writer, link: LinkId) {
    if let Err(error) = messages.deliver(writer).await {
        debug!(entity = %link.entity, %error, "the client cannot be told any more");
    }
}

/// What a connection that cannot be read any more means. One that ends inside of a frame was cut
/// off, which is no fault of its client's.
fn ending(error: &WireError) -> Ending {
    match (error, error.failure()) {
        (WireError::FrameTooLarge { .. }, Some(failure)) => Ending::Broken(failure),
        (_, failure) => Ending::Lost(error.to_string(), failure),
    }
}

async fn accept(
    listener: &TcpListener,
    guests: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    // The semaphore is never closed, so a permit always comes.
    let permit = guests.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            warn!(%error, "a connection could not be taken");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn refuse(mut connection: Connection, refusal: Refusal) {
    match refusal {
        Refusal::Gone(reason) => debug!(reason, "gone before it had entered"),
        Refusal::Told(failure) => {
            info!(%failure, "refused");
            let code = failure.code.as_str();
            metrics::counter!("mmo_map_refusals_total", "code" => code).increment(1);
            // The client may be gone; nothing changes by it.
            let _ = connection.send(&PlayMessage::Goodbye { failure: Some(failure) }).await;
            connection.close().await;
        }
    }
}

/// An input, or a message that is refused and play goes on; an error ends the connection.
fn parse(encoding: Encoding, frame: &[u8]) -> Result<Result<PlayInput, Failure>, Failure> {
    PlayInput::read(encoding, frame).map(Ok).or_else(|error| {
        match encoding.decode::<Arrival>(frame) {
            Ok(_) => Ok(Err(Failure::new(Code::WrongState, "you are on the map already"))),
            Err(_) => Err(error.into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_at_play_is_refused_and_nonsense_ends_the_connection() {
        let read = |text: &str| parse(Encoding::Json, text.as_bytes());
        assert_eq!(read(r#"{"type":"ping","nonce":7}"#), Ok(Ok(PlayInput::Ping { nonce: 7 })));
        let secret = "0".repeat(64);
        let enter = format!(
            r#"{{"type":"enter","account":"{0}","access_token":"{secret}","character":"{0}",
                "connection_key":"{secret}","ticket":"{secret}"}}"#,
            "0198c0de-0000-7000-8000-000000000001"
        );
        assert_eq!(read(&enter).unwrap().unwrap_err().code, Code::WrongState);
        let resume = enter.replace("enter", "resume").replace("ticket", "resume_ticket");
        assert_eq!(read(&resume).unwrap().unwrap_err().code, Code::WrongState);
        assert_eq!(read(r#"{"type":"fly"}"#).unwrap_err().code, Code::Malformed);
    }

    #[test]
    fn a_connection_that_was_cut_off_is_lost_and_one_that_was_abused_is_not() {
        let lost = |error| matches!(ending(&error), Ending::Lost(..));
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(lost(WireError::Closed) && lost(WireError::Truncated) && lost(reset.into()));
        assert!(!lost(WireError::FrameTooLarge { max: 1 }));
    }
}

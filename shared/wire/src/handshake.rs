//! The first frame each way.

use std::time::Duration;

use protocol::{
    Code, Failure,
    frame::{Encoding, FRAME_MAX, GUEST_FRAME_MAX, Greeting, Hello, Role, VERSION},
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use crate::{Connection, WireError};

/// How long a peer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the accepted socket to the whole hello.
    pub handshake: Duration,
    /// For the peer to make room for one write.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(5), write: Duration::from_secs(5) }
    }
}

/// Server side: reads the hello from an accepted socket and answers it. The connection takes
/// frames of [`GUEST_FRAME_MAX`] until [`Connection::set_frame_max`] says otherwise.
///
/// A bad hello is answered with [`Greeting::Refused`] and the socket closed; waiting for the
/// client to take that can add up to a second, so give each socket a task of its own.
///
/// # Errors
/// [`WireError::Handshake`] for a hello that cannot be accepted; [`WireError::FrameTooLarge`],
/// [`WireError::Silent`], [`WireError::Truncated`] for one that does not come;
/// [`WireError::Closed`] or [`WireError::Io`] when the client is gone.
pub async fn accept(
    stream: TcpStream,
    role: Role,
    limits: Limits,
) -> Result<Connection, WireError> {
    let nobody = Hello::new(Encoding::Json, "");
    let mut connection = Connection::new(stream, nobody, GUEST_FRAME_MAX, limits.write)?;
    let error = match read_hello(&mut connection, limits.handshake).await {
        Ok(hello) => {
            connection.send(&Greeting::Welcome { version: VERSION, role }).await?;
            return Ok(connection.greeted(hello));
        }
        Err(error) => error,
    };
    if let Some(failure) = error.failure() {
        // The client may be gone already; the caller hears the first error, not this one.
        let _ = connection.send(&Greeting::Refused { failure }).await;
        connection.close().await;
    }
    Err(error)
}

async fn read_hello(connection: &mut Connection, within: Duration) -> Result<Hello, WireError> {
    let frame = timeout(within, connection.receive())
        .await
        .map_err(|_| WireError::Silent { waiting_for: "the first frame", after: within })??;
    let hello: Hello = Encoding::Json.decode(&frame).map_err(|error| {
        let message = format!("the first frame must be a hello in JSON: {error}");
        WireError::Handshake(Failure::new(Code::Malformed, message))
    })?;
    hello.check().map_err(WireError::Handshake)?;
    Ok(hello)
}

/// Client side: connects, says hello and waits for the welcome, all within `deadline`, which
/// from then on bounds each write. The connection takes frames of [`FRAME_MAX`].
///
/// # Errors
/// [`WireError::Unreachable`] when no connection comes about, [`WireError::Refused`] with the
/// server's words, [`WireError::Silent`] at the deadline, [`WireError::Handshake`] when whoever
/// answers is no server of this protocol, or another error of the connection.
pub async fn connect(
    address: &str,
    port: u16,
    encoding: Encoding,
    program: &str,
    deadline: Duration,
) -> Result<(Connection, Role), WireError> {
    let end = Instant::now() + deadline;
    let late = |waiting_for| WireError::Silent { waiting_for, after: deadline };
    let stream = timeout_at(end, TcpStream::connect((address, port)))
        .await
        .map_err(|_| late("the server to take the connection"))?
        .map_err(|source| WireError::Unreachable {
            address: format!("{address}:{port}"),
            source,
        })?;
    let hello = Hello::new(encoding, program);
    let mut connection = Connection::new(stream, hello.clone(), FRAME_MAX, deadline)?;
    connection.send(&hello).await?;
    let role = timeout_at(end, read_greeting(&mut connection))
        .await
        .map_err(|_| late("the server's greeting"))??;
    Ok((connection.greeted(hello), role))
}

async fn read_greeting(connection: &mut Connection) -> Result<Role, WireError> {
    let refuse = |code, message: String| Err(WireError::Handshake(Failure::new(code, message)));
    match Encoding::Json.decode(&connection.receive().await?) {
        Ok(Greeting::Welcome { version: VERSION, role }) => Ok(role),
        Ok(Greeting::Welcome { version, .. }) => {
            refuse(Code::WrongVersion, format!("the server chose version {version}, not offered"))
        }
        Ok(Greeting::Refused { failure }) => Err(WireError::Refused(failure)),
        Err(error) => {
            refuse(Code::Malformed, format!("whoever answers is no Waystone server: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::Code;
    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;
    use crate::loopback::{LIMITS, connections, frame, last_words, sockets};

    /// What the client and the caller of `accept` hear when a client sends these bytes.
    async fn refused(bytes: &[u8]) -> (Failure, WireError) {
        let (client, server) = sockets().await;
        let (greeting, accepted) =
            tokio::join!(last_words(client, bytes), accept(server, Role::Central, LIMITS));
        let Greeting::Refused { failure } = greeting else { panic!("welcomed") };
        (failure, accepted.unwrap_err())
    }

    #[tokio::test]
    async fn both_sides_agree_on_the_encoding() {
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            let (client, server) = connections(encoding).await;
            assert_eq!((client.encoding(), server.encoding()), (encoding, encoding));
            assert_eq!(server.hello().program, "test");
        }
    }

    #[tokio::test]
    async fn a_wrong_version_is_answered_with_ours() {
        let hello = Hello { versions: vec![2, 3], ..Hello::new(Encoding::Msgpack, "t") };
        let (failure, error) = refused(&frame(&Encoding::Json.encode(&hello).unwrap())).await;
        assert_eq!(failure.code, Code::WrongVersion);
        assert_eq!(error.failure(), Some(failure));
    }

    #[tokio::test]
    async fn another_protocol_and_nonsense_are_answered_with_malformed() {
        for payload in [&br#"{"protocol":"chess","versions":[1]}"#[..], b"\xff\x00", b"", b"{}"] {
            let (failure, error) = refused(&frame(payload)).await;
            assert_eq!(failure.code, Code::Malformed, "{payload:?}");
            assert!(matches!(error, WireError::Handshake(_)), "{payload:?}: {error:?}");
        }
    }

    #[tokio::test]
    async fn an_oversized_hello_is_refused_and_the_words_survive_its_unread_rest() {
        let (failure, error) = refused(&frame(&vec![b' '; 100_000])).await;
        assert_eq!(failure.code, Code::FrameTooLarge);
        assert!(matches!(error, WireError::FrameTooLarge { max: GUEST_FRAME_MAX }), "{error:?}");
        // A browser's first four bytes announce a frame of a gigabyte.
        let (failure, _) = refused(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(failure.code, Code::FrameTooLarge);
    }

    #[tokio::test]
    async fn a_silent_or_dribbling_client_is_told_so() {
        for bytes in [&b""[..], b"\0\0\0\x20{\"proto"] {
            let (failure, error) = refused(bytes).await;
            assert_eq!(failure.code, Code::Silent);
            assert!(matches!(error, WireError::Silent { .. }), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_goes_away_is_closed_or_truncated() {
        for (bytes, truncated) in [(&b""[..], false), (b"\0\0\0\x20", true)] {
            let (mut client, server) = sockets().await;
            client.write_all(bytes).await.unwrap();
            drop(client);
            let error = accept(server, Role::Central, LIMITS).await.unwrap_err();
            let told = if truncated {
                matches!(error, WireError::Truncated)
            } else {
                matches!(error, WireError::Closed)
            };
            assert!(told, "{error:?}");
        }
    }

    /// What a client hears from a server that answers its hello with these bytes.
    async fn greeted_with(bytes: Option<Vec<u8>>) -> WireError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            if let Some(bytes) = bytes {
                socket.write_all(&bytes).await.unwrap();
            }
            socket
        };
        let deadline = Duration::from_millis(200);
        let client = connect("127.0.0.1", port, Encoding::Json, "t", deadline);
        let (client, _socket) = tokio::join!(client, server);
        client.unwrap_err()
    }

    #[tokio::test]
    async fn a_client_hears_why_it_is_refused() {
        let failure = Failure::new(Code::Draining, "this server stops; try another");
        let greeting = Greeting::Refused { failure: failure.clone() };
        let bytes = frame(&Encoding::Json.encode(&greeting).unwrap());
        let error = greeted_with(Some(bytes)).await;
        assert!(matches!(&error, WireError::Refused(heard) if *heard == failure), "{error:?}");
    }

    #[tokio::test]
    async fn a_client_tells_a_silent_server_from_a_strange_or_an_absent_one() {
        let silent = greeted_with(None).await;
        assert!(matches!(silent, WireError::Silent { .. }), "{silent:?}");
        let strange = greeted_with(Some(frame(b"220 mail ready"))).await;
        assert!(matches!(strange, WireError::Handshake(_)), "{strange:?}");
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let second = Duration::from_secs(1);
        let absent = connect("127.0.0.1", port, Encoding::Json, "t", second).await.unwrap_err();
        assert!(matches!(absent, WireError::Unreachable { .. }), "{absent:?}");
        assert!(absent.to_string().contains(&port.to_string()), "{absent}");
    }
}

//! Sockets for this crate's tests.

use std::time::Duration;

use protocol::frame::{Encoding, Role};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{Connection, Limits, accept, connect};

/// Short, so that a test of silence ends soon.
pub(crate) const LIMITS: Limits =
    Limits { handshake: Duration::from_millis(200), write: Duration::from_millis(200) };

/// Longer than anything here takes, so that a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Both ends of a fresh socket: the client's, then the server's.
pub(crate) async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Both ends after the handshake: the client's, then the server's.
pub(crate) async fn connections(encoding: Encoding) -> (Connection, Connection) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server =
        async { accept(listener.accept().await.unwrap().0, Role::Map, LIMITS).await.unwrap() };
    let client = connect("127.0.0.1", port, encoding, "test", Duration::from_secs(5));
    let (client, server) = tokio::join!(client, server);
    let (client, role) = client.unwrap();
    assert_eq!(role, Role::Map);
    (client, server)
}

/// A frame as it goes over the wire.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends raw bytes, and reads one frame of JSON and the clean end after it.
pub(crate) async fn last_words<T: serde::de::DeserializeOwned>(
    mut client: TcpStream,
    bytes: &[u8],
) -> T {
    client.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, client.read_to_end(&mut all)).await.expect("nothing came").unwrap();
    let payload = &all[4..];
    assert_eq!(frame(payload), all, "exactly one frame");
    Encoding::Json.decode(payload).unwrap()
}

//! A client's socket without the client: it says any bytes at all.

use std::time::Duration;

use client::Session;
use protocol::{
    CharacterId, ConnectionInfo,
    frame::{Encoding, Greeting, Hello, Role},
    play::{Arrival, PlayMessage},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::SOON;

/// A socket to Central or to a Map Server.
pub struct Raw {
    stream: TcpStream,
    encoding: Encoding,
}

impl Raw {
    /// Connects and says nothing. Both sides speak JSON until a hello says otherwise.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn dial(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a server listens there");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, encoding: Encoding::Json }
    }

    /// Connects and is welcomed.
    ///
    /// # Panics
    /// When it is refused, or by another kind of server.
    pub async fn welcomed(address: &str, role: Role, encoding: Encoding) -> Self {
        let mut raw = Self::dial(address).await;
        raw.say(&Hello::new(encoding, "story")).await;
        let greeting: Greeting = raw.hear().await;
        assert!(matches!(greeting, Greeting::Welcome { role: own, .. } if own == role));
        Self { encoding, ..raw }
    }

    /// Takes the seat of a character on a Map Server.
    ///
    /// # Panics
    /// When it is not let in.
    pub async fn entered(
        session: &Session,
        character: CharacterId,
        seat: &ConnectionInfo,
        encoding: Encoding,
    ) -> Self {
        let (raw, first) = Self::arrived(&arrival(session, character, seat), seat, encoding).await;
        assert!(matches!(first, PlayMessage::Entered { .. }), "{first:?}");
        raw
    }

    /// Arrives at a Map Server, and hears its first word.
    pub async fn arrived(
        arrival: &Arrival,
        at: &ConnectionInfo,
        encoding: Encoding,
    ) -> (Self, PlayMessage) {
        let address = format!("{}:{}", at.address, at.port);
        let mut raw = Self::welcomed(&address, Role::Map, encoding).await;
        raw.say(arrival).await;
        let first = raw.hear().await;
        (raw, first)
    }

    /// Sends these bytes.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        // A server that has closed already does not take them all; what it said tells why.
        let _ = timeout(SOON, self.stream.write_all(bytes)).await.expect("the server reads");
    }

    /// Sends a frame with this payload, whatever it is.
    pub async fn frame(&mut self, payload: &[u8]) {
        let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(payload);
        self.bytes(&bytes).await;
    }

    /// Sends a message.
    pub async fn say<T: Serialize>(&mut self, message: &T) {
        self.frame(&self.encoding.encode(message).expect("a message")).await;
    }

    /// Sends a message in JSON, filled up with spaces to a frame of this many bytes.
    ///
    /// # Panics
    /// When the message itself is longer.
    pub async fn say_padded<T: Serialize>(&mut self, message: &T, length: usize) {
        let mut payload = Encoding::Json.encode(message).expect("a message");
        assert!(payload.len() <= length);
        payload.resize(length, b' ');
        self.frame(&payload).await;
    }

    /// Begins a frame and ends this side in the middle of it.
    pub async fn truncated(&mut self) {
        self.bytes(b"\0\0\0\x20{\"type\"").await;
        let _ = self.stream.shutdown().await;
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes soon, or it is of another kind.
    pub async fn hear<T: DeserializeOwned>(&mut self) -> T {
        let frame = self.next(SOON).await.expect("a message, not the end");
        self.encoding.decode(&frame).expect("a message of that kind")
    }

    /// The first message that `wanted` takes something from; others before it are dropped.
    ///
    /// # Panics
    /// As [`Raw::hear`].
    pub async fn hear_until<T: DeserializeOwned, U>(
        &mut self,
        mut wanted: impl FnMut(T) -> Option<U>,
    ) -> U {
        loop {
            if let Some(found) = wanted(self.hear().await) {
                return found;
            }
        }
    }

    /// The last message before the server ends the connection, cleanly.
    ///
    /// # Panics
    /// When it does not end within `limit`, or without a word.
    pub async fn last_word<T: DeserializeOwned>(mut self, limit: Duration) -> T {
        let mut last = None;
        while let Some(frame) = self.next(limit).await {
            last = Some(frame);
        }
        self.encoding.decode(&last.expect("a last word")).expect("a message of that kind")
    }

    /// The next frame, or `None` at the end of the connection.
    async fn next(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let frame = async {
            let mut header = [0; 4];
            match self.stream.read(&mut header[..1]).await.expect("no reset") {
                0 => return None,
                _ => self.stream.read_exact(&mut header[1..]).await.expect("a whole frame"),
            };
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes(header)).unwrap()];
            self.stream.read_exact(&mut payload).await.expect("a whole frame");
            Some(payload)
        };
        let said = timeout(limit, frame).await;
        said.unwrap_or_else(|_| panic!("the server said nothing within {limit:?}"))
    }
}

/// What a client says to take a seat.
pub fn arrival(session: &Session, character: CharacterId, seat: &ConnectionInfo) -> Arrival {
    Arrival::Enter {
        account: session.account,
        access_token: session.access_token.clone(),
        character,
        connection_key: seat.connection_key.clone(),
        ticket: seat.ticket.clone(),
    }
}

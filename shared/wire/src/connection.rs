//! Both directions of a connection that has passed the handshake.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use protocol::frame::{Encoding, Hello};
use serde::Serialize;
use tokio::net::TcpStream;

use crate::{Reader, WireError, Writer};

/// A connection that carries whole messages.
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    writer: Writer,
    peer: SocketAddr,
    hello: Hello,
}

impl Connection {
    /// Takes a fresh socket for the handshake, which is in JSON.
    pub(crate) fn new(
        stream: TcpStream,
        hello: Hello,
        frame_max: usize,
        write: Duration,
    ) -> Result<Self, WireError> {
        // Messages are small and each is awaited: waiting to fill a packet only adds delay.
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        let (read, written) = stream.into_split();
        let reader = Reader::new(read, Encoding::Json, frame_max);
        let writer = Writer::new(written, Encoding::Json, write);
        Ok(Self { reader, writer, peer, hello })
    }

    /// Leaves the handshake: from here on the encoding of the hello holds.
    pub(crate) fn greeted(mut self, hello: Hello) -> Self {
        self.reader.encoding = hello.encoding;
        self.writer.encoding = hello.encoding;
        self.hello = hello;
        self
    }

    /// The other side's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// How messages on this connection are written.
    pub fn encoding(&self) -> Encoding {
        self.reader.encoding()
    }

    /// The client's first frame: the peer's on the server's side, one's own on the client's.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Sets the longest frame taken from here on, in bytes.
    pub fn set_frame_max(&mut self, bytes: usize) {
        self.reader.set_frame_max(bytes);
    }

    /// The next frame. Cancel-safe: a frame half read stays until the next call.
    ///
    /// # Errors
    /// As [`Reader::receive`].
    pub async fn receive(&mut self) -> Result<Bytes, WireError> {
        self.reader.receive().await
    }

    /// Sends one message. Cancel-safe: the rest goes out with the next one.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), WireError> {
        self.writer.send(message).await
    }

    /// Ends the connection so that the peer still reads the last words: writes what is left, ends
    /// this direction, then throws away what the peer still sends, within bounds.
    pub async fn close(self) {
        self.writer.close().await;
        self.reader.drain().await;
    }

    /// The bare socket and what was read ahead of the last frame received, for a program with a
    /// loop of its own, such as one that plays for thousands.
    ///
    /// # Errors
    /// When a message that was cancelled cannot be written to its end.
    pub async fn into_socket(self) -> Result<(TcpStream, Bytes), WireError> {
        let (half, ahead) = self.reader.into_parts();
        let stream = half.reunite(self.writer.into_half().await?);
        Ok((stream.map_err(io::Error::other)?, ahead.freeze()))
    }

    /// The two directions, for two tasks. To close: [`Writer::close`], then [`Reader::drain`].
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }
}

#[cfg(test)]
mod tests {
    use protocol::frame::FRAME_MAX;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::timeout,
    };

    use super::*;
    use crate::Frame;
    use crate::loopback::{LIMITS, connections, frame, sockets};

    async fn raw() -> (TcpStream, Connection) {
        let (client, server) = sockets().await;
        let hello = Hello::new(Encoding::Json, "");
        (client, Connection::new(server, hello, 16, LIMITS.write).unwrap())
    }

    #[tokio::test]
    async fn messages_arrive_whole_and_in_order_then_a_clean_end() {
        let (mut client, server) = connections(Encoding::Msgpack).await;
        let (mut reader, mut writer) = server.split();
        client.send(&"one").await.unwrap();
        assert_eq!(reader.receive().await.unwrap(), Encoding::Msgpack.encode(&"one").unwrap());
        for word in ["two", "three"] {
            writer.push(word.as_bytes()).unwrap();
        }
        writer.flush().await.unwrap();
        let mut four = Frame::default();
        four.fill(|out| out.extend_from_slice(b"four")).unwrap();
        assert!(writer.try_send(&four).unwrap());
        writer.close().await;
        for word in ["two", "three", "four"] {
            assert_eq!(client.receive().await.unwrap(), word);
        }
        assert!(matches!(client.receive().await, Err(WireError::Closed)));
    }

    #[tokio::test]
    async fn the_bare_socket_comes_with_what_was_read_ahead() {
        let (mut client, mut server) = raw().await;
        client.write_all(b"\0\0\0\x02hi\0\0\0\x03yo").await.unwrap();
        assert_eq!(server.receive().await.unwrap(), "hi");
        let (mut socket, ahead) = server.into_socket().await.unwrap();
        client.write_all(b"u").await.unwrap();
        let mut rest = ahead.to_vec();
        while rest.len() < 7 {
            let mut byte = [0];
            timeout(Duration::from_secs(10), socket.read_exact(&mut byte)).await.unwrap().unwrap();
            rest.push(byte[0]);
        }
        assert_eq!(rest, b"\0\0\0\x03you");
    }

    #[tokio::test]
    async fn a_frame_that_ends_early_is_truncated() {
        let (mut client, mut server) = raw().await;
        client.write_all(b"\0\0\0\x05hel").await.unwrap();
        drop(client);
        assert!(matches!(server.receive().await, Err(WireError::Truncated)));
    }

    #[tokio::test]
    async fn a_cancelled_receive_loses_nothing() {
        let (mut client, mut server) = raw().await;
        client.write_all(b"\0\0\0\x05hel").await.unwrap();
        timeout(Duration::from_millis(50), server.receive()).await.unwrap_err();
        client.write_all(b"lo").await.unwrap();
        assert_eq!(server.receive().await.unwrap(), "hello");
    }

    #[tokio::test]
    async fn the_frame_limit_moves_with_what_the_client_has_proved() {
        let (mut client, mut server) = raw().await;
        server.set_frame_max(32);
        client.write_all(&frame(&[7; 32])).await.unwrap();
        assert_eq!(server.receive().await.unwrap().len(), 32);
        server.set_frame_max(31);
        client.write_all(&frame(&[7; 32])).await.unwrap();
        let refused = server.receive().await;
        assert!(matches!(refused, Err(WireError::FrameTooLarge { max: 31 })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_stops_the_writer_at_its_deadline() {
        let (_client, mut server) = raw().await;
        let text = "x".repeat(FRAME_MAX / 2);
        let stalled = loop {
            if let Err(error) = server.send(&text).await {
                break error;
            }
        };
        assert!(matches!(stalled, WireError::Silent { .. }), "{stalled:?}");
    }

    #[tokio::test]
    async fn a_message_beyond_the_limit_is_not_sent_and_the_connection_goes_on() {
        let (mut client, mut server) = connections(Encoding::Json).await;
        let refused = client.send(&"x".repeat(FRAME_MAX)).await;
        assert!(matches!(refused, Err(WireError::FrameTooLarge { max: FRAME_MAX })));
        client.send(&"short").await.unwrap();
        assert_eq!(server.receive().await.unwrap(), "\"short\"");
    }

    #[tokio::test]
    async fn a_peer_that_is_still_talking_reads_the_last_words_and_is_not_cut_off() {
        let (mut client, mut server) = raw().await;
        client.write_all(&[0; 64 * 1024]).await.unwrap();
        server.send(&"farewell").await.unwrap();
        let peer = async move {
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.unwrap();
            // A reset would fail the first or, at the latest, the second of these.
            for _ in 0..2 {
                client.write_all(b"what?").await.unwrap();
            }
            heard
        };
        let ((), heard) = tokio::join!(server.close(), peer);
        assert_eq!(heard, frame(b"\"farewell\""));
    }
}

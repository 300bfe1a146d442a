//! What is said to the peer.

use std::{io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use protocol::frame::{Encoding, FRAME_MAX};
use serde::Serialize;
use tokio::{io::AsyncWriteExt, net::tcp::OwnedWriteHalf, time::timeout};

use crate::WireError;

/// The writing half of a [`Connection`](crate::Connection).
///
/// Sending is cancel-safe: what a cancelled call has not written yet goes out with the next one.
#[derive(Debug)]
pub struct Writer {
    half: OwnedWriteHalf,
    /// Frames not yet taken by the operating system; empty between calls unless one was cancelled.
    pending: BytesMut,
    pub(crate) encoding: Encoding,
    /// How long the peer may take to make room for what one call sends.
    deadline: Duration,
}

impl Writer {
    pub(crate) fn new(half: OwnedWriteHalf, encoding: Encoding, deadline: Duration) -> Self {
        Self { half, pending: BytesMut::new(), encoding, deadline }
    }

    /// How messages on this connection are written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends one message.
    ///
    /// # Errors
    /// [`WireError::Encoding`] or [`WireError::FrameTooLarge`] when the message is at fault, and
    /// nothing was sent; [`WireError::Silent`] when the peer does not read; [`WireError::Io`].
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), WireError> {
        let payload = self.encoding.encode(message)?;
        self.push(&payload)?;
        self.flush().await
    }

    /// Sends one message that is encoded already, such as one that goes to many.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn send_encoded(&mut self, payload: Bytes) -> Result<(), WireError> {
        self.push(&payload)?;
        self.flush().await
    }

    /// Sends encoded messages in one go, under one deadline. All of them are held in memory at
    /// once, so the caller bounds how many.
    ///
    /// # Errors
    /// As [`Writer::send`]; after [`WireError::FrameTooLarge`] the messages before that one go
    /// out with the next call.
    pub async fn send_all(
        &mut self,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<(), WireError> {
        for payload in payloads {
            self.push(&payload)?;
        }
        self.flush().await
    }

    /// The socket's half, with all written.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub(crate) async fn into_half(mut self) -> Result<OwnedWriteHalf, WireError> {
        self.flush().await?;
        Ok(self.half)
    }

    /// Writes what is left and ends this direction, so that the peer reads the last words and
    /// then a clean end. Dropping ends it too, but waits for nothing.
    pub async fn close(mut self) {
        // Whether it worked changes nothing: the connection is over either way.
        if self.flush().await.is_ok() {
            let _ = timeout(self.deadline, self.half.shutdown()).await;
        }
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let too_large = || WireError::FrameTooLarge { max: FRAME_MAX };
        let length = u32::try_from(payload.len()).map_err(|_| too_large())?;
        if payload.len() > FRAME_MAX {
            return Err(too_large());
        }
        self.pending.put_u32(length);
        self.pending.put_slice(payload);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), WireError> {
        let write = self.half.write_all_buf(&mut self.pending);
        match timeout(self.deadline, write).await {
            Ok(written) => written.map_err(|error: io::Error| WireError::Io(error)),
            Err(_) => Err(WireError::Silent {
                waiting_for: "the other side to read what was sent",
                after: self.deadline,
            }),
        }
    }
}

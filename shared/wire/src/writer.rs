//! What is said to the peer.

use std::{io, time::Duration};

use bytes::{Buf, BufMut, BytesMut};
use protocol::frame::{Encoding, FRAME_MAX};
use serde::Serialize;
use socket2::SockRef;
use tokio::{io::AsyncWriteExt, net::tcp::OwnedWriteHalf, time::timeout};

use crate::{WireError, codec::HEADER};

/// Room for what goes out together with a message, in bytes.
const COMPANY: usize = 256;

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

    /// Takes in one more encoded message; [`Writer::try_flush`] or the next call that sends writes
    /// it.
    ///
    /// # Errors
    /// [`WireError::FrameTooLarge`], and nothing was taken in.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let header = header(payload)?;
        // With some room for the snapshot that often comes with it.
        self.pending.reserve(HEADER + payload.len() + COMPANY);
        self.pending.put_slice(&header);
        self.pending.put_slice(payload);
        Ok(())
    }

    /// Writes what the operating system takes at once. True: nothing is left.
    ///
    /// # Errors
    /// [`WireError::Io`].
    pub fn try_flush(&mut self) -> Result<bool, WireError> {
        if self.pending.is_empty() {
            return Ok(true);
        }
        let taken = self.try_write(&self.pending)?;
        self.pending.advance(taken);
        self.give_back();
        Ok(self.pending.is_empty())
    }

    /// As [`Writer::try_flush`] with one more message, which comes as a whole frame, so that it is
    /// copied only where the operating system does not take all of it.
    ///
    /// # Errors
    /// [`WireError::Io`].
    pub fn try_send(&mut self, frame: &Frame) -> Result<bool, WireError> {
        if frame.is_empty() || !self.pending.is_empty() {
            self.pending.put_slice(&frame.0);
            return self.try_flush();
        }
        let taken = self.try_write(&frame.0)?;
        self.pending.put_slice(frame.0.get(taken..).unwrap_or_default());
        Ok(self.pending.is_empty())
    }

    /// Whether all that was taken in is written.
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    fn try_write(&self, bytes: &[u8]) -> Result<usize, WireError> {
        // Past the runtime's notes on who is ready, which are far from all else that is at hand here:
        // to look at them costs a server more than a call that is refused now and then. Whoever
        // waits for room is refused there in the same way, and that is noted.
        match SockRef::from(self.half.as_ref()).send(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            taken => taken.map_err(WireError::Io),
        }
    }

    /// Writes all that was taken in.
    ///
    /// # Errors
    /// [`WireError::Silent`] when the peer does not read; [`WireError::Io`].
    pub async fn flush(&mut self) -> Result<(), WireError> {
        let write = self.half.write_all_buf(&mut self.pending);
        let written = timeout(self.deadline, write).await.map_err(|_| WireError::Silent {
            waiting_for: "the other side to read what was sent",
            after: self.deadline,
        })?;
        self.give_back();
        written.map_err(WireError::Io)
    }

    /// A server has many connections, and few have something to write that had to wait.
    fn give_back(&mut self) {
        if self.pending.is_empty() {
            self.pending = BytesMut::new();
        }
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
}

/// One message as it goes over the wire. Its memory is used again.
#[derive(Debug, Default)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Makes it of what `write` adds.
    ///
    /// # Errors
    /// [`WireError::FrameTooLarge`]; then it is empty.
    pub fn fill(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), WireError> {
        self.0.clear();
        self.0.extend_from_slice(&[0; HEADER]);
        write(&mut self.0);
        let head = header(self.payload()).inspect_err(|_| self.0.clear())?;
        // The header's place was made first.
        if let Some(place) = self.0.first_chunk_mut() {
            *place = head;
        }
        Ok(())
    }

    /// Whether there is a message in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the message out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The message.
    pub fn payload(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

/// What a frame begins with.
fn header(payload: &[u8]) -> Result<[u8; HEADER], WireError> {
    let fits = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= FRAME_MAX);
    fits.map(u32::to_be_bytes).ok_or(WireError::FrameTooLarge { max: FRAME_MAX })
}

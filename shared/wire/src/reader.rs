//! What the peer says.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use protocol::frame::Encoding;
use tokio::{
    io::AsyncReadExt,
    net::tcp::OwnedReadHalf,
    time::{Instant, timeout_at},
};
use tokio_util::codec::FramedRead;

use crate::{WireError, codec::FrameCodec};

/// Room for input at first, in bytes, enough for a few walks: a server has thousands of these. It
/// grows with the frames that come, up to the frame limit.
const BUFFER: usize = 256;
/// Room for what is thrown away, in bytes.
const WASTE: usize = 4096;
/// How much of what a peer still sends is thrown away while closing, in bytes.
const DRAIN_MAX: usize = 256 * 1024;
/// How long a peer has to end its side while closing.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The reading half of a [`Connection`](crate::Connection).
#[derive(Debug)]
pub struct Reader {
    frames: FramedRead<OwnedReadHalf, FrameCodec>,
    pub(crate) encoding: Encoding,
}

impl Reader {
    pub(crate) fn new(half: OwnedReadHalf, encoding: Encoding, max: usize) -> Self {
        Self { frames: FramedRead::with_capacity(half, FrameCodec { max }, BUFFER), encoding }
    }

    /// How messages on this connection are written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sets the longest frame taken from here on, in bytes.
    pub fn set_frame_max(&mut self, bytes: usize) {
        self.frames.decoder_mut().max = bytes;
    }

    /// The next frame. Cancel-safe: a frame half read stays until the next call.
    ///
    /// # Errors
    /// [`WireError::Closed`] at a clean end, [`WireError::Truncated`] at an end inside a frame,
    /// [`WireError::FrameTooLarge`], or [`WireError::Io`]. All of them are final.
    pub async fn receive(&mut self) -> Result<Bytes, WireError> {
        self.frames.next().await.unwrap_or(Err(WireError::Closed))
    }

    /// The socket's half, and what was read ahead of the frames that were received.
    pub(crate) fn into_parts(self) -> (OwnedReadHalf, BytesMut) {
        let parts = self.frames.into_parts();
        (parts.io, parts.read_buf)
    }

    /// Throws away what the peer still sends until it ends its side, for a second and 256 KiB at
    /// most. Call it after [`Writer::close`](crate::Writer::close) and before dropping: a socket
    /// closed with unread input sends a reset, which can destroy the last words on their way.
    pub async fn drain(self) {
        let deadline = Instant::now() + DRAIN_TIME;
        let mut half = self.frames.into_inner();
        let mut waste = BytesMut::with_capacity(WASTE);
        let mut drained = 0;
        while drained < DRAIN_MAX {
            waste.clear();
            match timeout_at(deadline, half.read_buf(&mut waste)).await {
                Ok(Ok(read)) if read > 0 => drained += read,
                // The peer's end, a failed socket, or out of time: nothing is left to wait for.
                _ => break,
            }
        }
    }
}

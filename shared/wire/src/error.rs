//! What can go wrong on a connection, and what to tell the peer about it.

use std::{io, time::Duration};

use protocol::{Code, Failure, frame::EncodingError};

/// Why nothing more can be read from or written to a connection.
///
/// Whatever it is, the connection is of no more use: a stream that lost its place in the frames
/// cannot find it again. Close it, after telling the peer [`WireError::failure`].
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer ended the connection between two frames.
    #[error("the connection was closed by the other side")]
    Closed,
    /// The peer ended the connection inside a frame.
    #[error("the connection ended in the middle of a frame")]
    Truncated,
    /// A frame is longer than this state of the connection allows.
    #[error("a frame is longer than the {max} bytes allowed here")]
    FrameTooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// The peer did not do its part in time.
    #[error("waited {after:?} in vain for {waiting_for}")]
    Silent {
        /// What the peer should have done.
        waiting_for: &'static str,
        /// How long it had.
        after: Duration,
    },
    /// Client side: the server refused the handshake, with these words.
    #[error("the server refused the connection: {0}")]
    Refused(#[source] Failure),
    /// The first frame cannot be accepted. On the server's side the client was told so.
    #[error("the handshake failed: {0}")]
    Handshake(#[source] Failure),
    /// A message cannot be written in the connection's encoding.
    #[error("a message cannot be written: {0}")]
    Encoding(#[from] EncodingError),
    /// Client side: no connection could be made.
    #[error("cannot reach {address}: {source}; check the address and that the server is up")]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The operating system failed the connection, such as by a reset.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

impl WireError {
    /// What to tell the peer; `None` where it is gone, or at no fault.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Truncated => {
                Some(Failure::new(Code::Malformed, "the last frame ended before its length"))
            }
            Self::FrameTooLarge { max } => {
                let message = format!("a frame may have {max} bytes here; send a shorter one");
                Some(Failure::new(Code::FrameTooLarge, message))
            }
            Self::Silent { waiting_for, after } => {
                let message = format!("waited {after:?} in vain for {waiting_for}");
                Some(Failure::new(Code::Silent, message))
            }
            Self::Handshake(failure) => Some(failure.clone()),
            Self::Closed
            | Self::Refused(_)
            | Self::Encoding(_)
            | Self::Unreachable { .. }
            | Self::Io(_) => None,
        }
    }
}

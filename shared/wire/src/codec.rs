//! Where a frame ends.
//!
//! `tokio_util`'s `LengthDelimitedCodec` drops the header from its buffer as soon as it has read
//! it, so a stream that ends right there looks like a clean end. This one keeps the header until
//! the frame is whole; then any byte left at the end of the stream is a truncated frame.

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use crate::WireError;

/// Bytes of the length before each frame.
pub(crate) const HEADER: usize = 4;

/// Reads a 4-byte big-endian length and that many bytes.
#[derive(Debug)]
pub(crate) struct FrameCodec {
    /// Longest frame taken, in bytes.
    pub(crate) max: usize,
}

impl Decoder for FrameCodec {
    type Item = Bytes;
    type Error = WireError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, WireError> {
        let Some(header) = buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*header);
        // Before any room is made for it: the header is a stranger's word.
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| *length <= self.max)
            .ok_or(WireError::FrameTooLarge { max: self.max })?;
        let whole = HEADER + length;
        if buffer.len() < whole {
            buffer.reserve(whole - buffer.len());
            return Ok(None);
        }
        buffer.advance(HEADER);
        Ok(Some(buffer.split_to(length).freeze()))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, WireError> {
        match self.decode(buffer)? {
            None if !buffer.is_empty() => Err(WireError::Truncated),
            frame => Ok(frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(bytes: &[u8]) -> BytesMut {
        BytesMut::from(bytes)
    }

    #[test]
    fn two_frames_in_one_read_come_out_one_by_one() {
        let mut codec = FrameCodec { max: 8 };
        let mut bytes = buffer(b"\0\0\0\x02hi\0\0\0\0\0\0\0\x03you\0\0");
        assert_eq!(codec.decode(&mut bytes).unwrap().unwrap(), "hi");
        assert_eq!(codec.decode(&mut bytes).unwrap().unwrap(), "");
        assert_eq!(codec.decode(&mut bytes).unwrap().unwrap(), "you");
        assert!(codec.decode(&mut bytes).unwrap().is_none());
    }

    #[test]
    fn a_header_beyond_the_limit_is_refused_before_room_is_made() {
        let mut codec = FrameCodec { max: 8 };
        for header in [9_u32, u32::MAX] {
            let mut bytes = buffer(&header.to_be_bytes());
            let before = bytes.capacity();
            let refused = codec.decode(&mut bytes);
            assert!(matches!(refused, Err(WireError::FrameTooLarge { max: 8 })), "{refused:?}");
            assert_eq!(bytes.capacity(), before);
        }
    }

    #[test]
    fn an_end_inside_a_frame_is_no_clean_end() {
        for cut in [&b"\0\0"[..], b"\0\0\0\x02", b"\0\0\0\x02h"] {
            let ended = FrameCodec { max: 8 }.decode_eof(&mut buffer(cut));
            assert!(matches!(ended, Err(WireError::Truncated)), "{cut:?}: {ended:?}");
        }
        assert!(FrameCodec { max: 8 }.decode_eof(&mut buffer(b"")).unwrap().is_none());
    }
}

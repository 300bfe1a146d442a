//! A step as it goes over the wire, without an allocation: a bot says ten of them a second.

use protocol::Position;

/// A frame's length, then `PlayInput::Walk` in MessagePack with a gap for each number.
const FRAME: [u8; 42] =
    *b"\0\0\0\x26\x83\xa4type\xa4walk\xa2to\x82\xa1x\xca....\xa1y\xca....\xa3seq\xce....";

/// The frame of [`protocol::play::PlayInput::Walk`].
pub(super) fn walk(to: Position, seq: u32) -> [u8; FRAME.len()] {
    let mut frame = FRAME;
    let [.., x0, x1, x2, x3, _, _, _, y0, y1, y2, y3, _, _, _, _, _, s0, s1, s2, s3] = &mut frame;
    [*x0, *x1, *x2, *x3] = to.x.to_be_bytes();
    [*y0, *y1, *y2, *y3] = to.y.to_be_bytes();
    [*s0, *s1, *s2, *s3] = seq.to_be_bytes();
    frame
}

#[cfg(test)]
mod tests {
    use protocol::{frame::Encoding, play::PlayInput};

    use super::*;

    #[test]
    fn it_is_what_the_protocol_says() {
        let to = Position { x: 12.5, y: 0.1 };
        let frame = walk(to, 70_000);
        assert_eq!(frame[..4], u32::try_from(frame.len() - 4).unwrap().to_be_bytes());
        let read: PlayInput = Encoding::Msgpack.decode(&frame[4..]).unwrap();
        assert_eq!(read, PlayInput::Walk { to, seq: 70_000 });
    }
}

//! What a Map Server says, read as far as a bot needs it.

use protocol::{
    ConnectionInfo, Failure,
    frame::{Encoding, EncodingError, FRAME_MAX},
    play::PlayMessage,
    snapshot::Head,
};

/// A message.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Snapshot(Head),
    WarpTo(Box<ConnectionInfo>),
    /// An input was not taken.
    Refused,
    /// A warp did not happen.
    WarpRefused,
    Goodbye(Option<Failure>),
    /// Something that only those who look at everything care for.
    Other,
}

impl Heard {
    /// Reads a message in MessagePack. Most are told by their first bytes alone.
    ///
    /// # Errors
    /// When one that has to be read whole cannot be.
    pub(super) fn read(message: &[u8]) -> Result<Self, EncodingError> {
        if let Some(head) = Head::read(message) {
            return Ok(Self::Snapshot(head));
        }
        Ok(match kind(message) {
            Some(b"warp_to" | b"goodbye") | None => match Encoding::Msgpack.decode(message)? {
                PlayMessage::WarpTo { connection } => Self::WarpTo(Box::new(connection)),
                PlayMessage::Goodbye { failure } => Self::Goodbye(failure),
                _ => Self::Other,
            },
            Some(b"refused") => Self::Refused,
            Some(b"warp_refused") => Self::WarpRefused,
            Some(_) => Self::Other,
        })
    }
}

/// The word in `type`, where it comes first, as it does from this build's servers.
fn kind(message: &[u8]) -> Option<&[u8]> {
    // A map of at most 15 fields, then the text `type`, then a text of at most 31 bytes.
    let rest = message.strip_prefix(&[*message.first().filter(|first| **first >> 4 == 0x8)?])?;
    let (length, rest) = rest.strip_prefix(b"\xa4type")?.split_first()?;
    (length >> 5 == 0b101).then(|| rest.get(..usize::from(length & 0x1f)))?
}

/// A frame that is longer than any may be: the place in the stream is lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// A message and what comes after it; `None` where it is not whole yet.
type Split<'a> = Option<(&'a [u8], &'a [u8])>;

/// Takes the first message off what was read.
pub(super) fn split(bytes: &[u8]) -> Result<Split<'_>, TooLong> {
    let Some((header, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
    if length > FRAME_MAX {
        return Err(TooLong);
    }
    Ok(rest.split_at_checked(length))
}

#[cfg(test)]
mod tests {
    use protocol::{Code, snapshot::Snapshot};

    use super::*;

    fn read(message: &PlayMessage) -> Heard {
        Heard::read(&Encoding::Msgpack.encode(message).unwrap()).unwrap()
    }

    #[test]
    fn each_message_is_what_it_is() {
        let failure = Failure::new(Code::Draining, "bye");
        let view = Snapshot { tick: 4, ack: 500, moves: Vec::new() };
        assert_eq!(read(&PlayMessage::Snapshot { view }), {
            Heard::Snapshot(Head { tick: 4, ack: 500 })
        });
        let goodbye = PlayMessage::Goodbye { failure: Some(failure.clone()) };
        assert_eq!(read(&goodbye), Heard::Goodbye(Some(failure.clone())));
        assert_eq!(read(&PlayMessage::Refused { failure }), Heard::Refused);
        assert_eq!(read(&PlayMessage::Vanished { entities: Vec::new() }), Heard::Other);
        assert!(Heard::read(b"\x01").is_err());
    }

    #[test]
    fn frames_are_split_where_they_end() {
        let bytes = b"\0\0\0\x02hi\0\0\0\0\0\0\0\x03yo";
        let (first, rest) = split(bytes).unwrap().unwrap();
        assert_eq!(first, b"hi");
        let (second, rest) = split(rest).unwrap().unwrap();
        assert_eq!((second, rest.len()), (&b""[..], 6));
        assert_eq!(split(rest), Ok(None));
        assert_eq!(split(b"GET / HTTP"), Err(TooLong));
    }
}

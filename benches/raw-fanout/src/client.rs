//! One connection.

use std::io::{self, Read, Write};

use anyhow::{Context, bail};
use mio::net::TcpStream;
use protocol::{
    Channel, EntityId, Position, ResumeTicket,
    frame::{Encoding, FRAME_MAX, Greeting, Hello, Role, VERSION},
    play::{Arrival, PlayMessage},
};

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It has to say hello.
    Hello,
    /// It has to say who it is.
    Arrival,
    /// It plays.
    Play,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    step: Step,
    /// The beginning of a frame of which the rest has not come.
    partial: Vec<u8>,
    /// What the socket had no room for.
    unsent: Vec<u8>,
    /// The last input taken.
    ack: u32,
}

/// What is told to those who come in.
pub(crate) struct Welcome {
    pub(crate) you: EntityId,
    pub(crate) tick_ms: u32,
}

impl Client {
    pub(crate) fn new(socket: TcpStream) -> Self {
        let (partial, unsent) = (Vec::new(), Vec::new());
        Self { socket, step: Step::Hello, partial, unsent, ack: 0 }
    }

    pub(crate) fn plays(&self) -> bool {
        self.step == Step::Play
    }

    pub(crate) fn ack(&self) -> u32 {
        self.ack
    }

    /// Reads a socket until it is empty, and answers. `ended` is when the client may have ended
    /// its side.
    ///
    /// # Errors
    /// When the client is gone or cannot be understood.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        ended: bool,
        welcome: &Welcome,
    ) -> anyhow::Result<()> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => bail!("it left"),
                Ok(read) => {
                    self.take(buffer.get(..read).unwrap_or_default(), welcome)?;
                    // More of it, or its end, is another event (`man 7 epoll`).
                    if read < buffer.len() && !ended {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], welcome: &Welcome) -> anyhow::Result<()> {
        if self.partial.is_empty() {
            let rest = self.hear_all(bytes, welcome)?;
            self.partial.extend_from_slice(rest);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(bytes);
            self.partial = self.hear_all(&whole, welcome)?.to_vec();
        }
        Ok(())
    }

    fn hear_all<'a>(&mut self, mut bytes: &'a [u8], welcome: &Welcome) -> anyhow::Result<&'a [u8]> {
        while let Some((header, rest)) = bytes.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*header) as usize;
            if length > FRAME_MAX {
                bail!("it sent a frame of {length} bytes");
            }
            let Some((message, rest)) = rest.split_at_checked(length) else {
                break;
            };
            self.hear(message, welcome)?;
            bytes = rest;
        }
        Ok(bytes)
    }

    fn hear(&mut self, message: &[u8], welcome: &Welcome) -> anyhow::Result<()> {
        match self.step {
            Step::Hello => {
                let hello: Hello = Encoding::Json.decode(message).context("no hello")?;
                hello.check()?;
                let greeting = Greeting::Welcome { version: VERSION, role: Role::Map };
                self.say(&frame(&Encoding::Json.encode(&greeting)?))?;
                self.step = Step::Arrival;
            }
            Step::Arrival => {
                let _: Arrival = Encoding::Msgpack.decode(message).context("no arrival")?;
                let entered = Encoding::Msgpack.encode(&entered(welcome)?)?;
                self.say(&frame(&entered))?;
                self.step = Step::Play;
            }
            Step::Play => self.ack = seq(message).unwrap_or(self.ack),
        }
        Ok(())
    }

    /// Sends a frame; `false` where the client has not taken the one before: the newest one that
    /// it has room for wins.
    ///
    /// # Errors
    /// When the client is gone.
    pub(crate) fn say(&mut self, frame: &[u8]) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            let written = busy_is_none(self.socket.write(&self.unsent))?;
            self.unsent.drain(..written);
            if !self.unsent.is_empty() {
                return Ok(false);
            }
        }
        let written = busy_is_none(self.socket.write(frame))?;
        // A frame that was begun has to be ended.
        if written > 0 {
            self.unsent.extend_from_slice(frame.get(written..).unwrap_or_default());
        }
        Ok(written > 0)
    }
}

fn busy_is_none(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = (message.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(message);
    frame
}

fn entered(welcome: &Welcome) -> anyhow::Result<PlayMessage> {
    Ok(PlayMessage::Entered {
        map: "raw".parse()?,
        channel: Channel::FIRST,
        you: welcome.you,
        position: Position { x: 8.0, y: 8.0 },
        size: (16.0, 16.0),
        view: 16.0,
        tick_ms: welcome.tick_ms,
        portals: Vec::new(),
        others: Vec::new(),
        resume_ticket: ResumeTicket::from_bytes([0; 32]),
        link_grace_ms: 0,
    })
}

/// The `seq` of a step in MessagePack, which comes last; nothing else of it is looked at.
fn seq(message: &[u8]) -> Option<u32> {
    let tail = |bytes: usize, mark: &[u8]| {
        let (head, number) = message.split_at_checked(message.len().checked_sub(bytes)?)?;
        let number = number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        head.ends_with(mark).then_some(number)
    };
    // As long as the number needs, or as long as it can be.
    tail(4, b"\xa3seq\xce")
        .or_else(|| tail(2, b"\xa3seq\xcd"))
        .or_else(|| tail(1, b"\xa3seq\xcc"))
        .or_else(|| tail(1, b"\xa3seq"))
}

#[cfg(test)]
mod tests {
    use protocol::play::PlayInput;

    use super::*;

    #[test]
    fn the_number_of_a_step_is_found_whatever_its_length() {
        let to = Position { x: 1.0, y: 2.0 };
        for number in [0, 1, 127, 128, 255, 256, 65_535, 65_536, u32::MAX] {
            let message = Encoding::Msgpack.encode(&PlayInput::Walk { to, seq: number }).unwrap();
            assert_eq!(seq(&message), Some(number));
        }
        assert_eq!(seq(&Encoding::Msgpack.encode(&PlayInput::Leave).unwrap()), None);
        assert_eq!(seq(b""), None);
    }
}

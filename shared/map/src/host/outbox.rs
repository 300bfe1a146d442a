//! What a client is to be told: a bounded queue, in which the newest movements win.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{
    EntityId, Position,
    frame::Encoding,
    play::{Move, PlayMessage},
    snapshot::Snapshot,
};
use tokio::sync::mpsc;

/// Messages that wait for one client at most.
pub(crate) const QUEUE: usize = 256;
/// Room that movements leave to messages that must not be lost.
const RESERVED: usize = QUEUE / 2;

/// The host's end of a client's queue. Dropping it ends the connection once the queue is sent.
#[derive(Debug)]
pub(crate) struct Outbox {
    encoding: Encoding,
    queue: mpsc::Sender<Bytes>,
    /// Where entities have moved to that the client was not told yet.
    behind: BTreeMap<EntityId, Position>,
}

/// The queue is full: the client is too slow for this map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Outbox {
    pub(crate) fn new(encoding: Encoding) -> (Self, mpsc::Receiver<Bytes>) {
        let (queue, messages) = mpsc::channel(QUEUE);
        (Self { encoding, queue, behind: BTreeMap::new() }, messages)
    }

    /// Tells something that must not be lost.
    pub(crate) fn tell(&mut self, message: &mut Spread) -> Result<(), Overflow> {
        if let PlayMessage::Vanished { entities } = &message.message {
            self.behind.retain(|entity, _| !entities.contains(entity));
        }
        let Some(bytes) = message.encoded(self.encoding) else { return Ok(()) };
        match self.queue.try_send(bytes) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Overflow),
            // A closed one is a connection at its end, of which the host hears otherwise.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// Whether the connection has stopped listening.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Tells movements. Those that do not fit wait, and only the newest of each entity is told.
    pub(crate) fn tell_moves(&mut self, moves: &[Move], shared: &mut Spread) {
        let has_room = self.queue.capacity() > RESERVED;
        if has_room && self.behind.is_empty() {
            // There is room, so it cannot overflow.
            let _ = self.tell(shared);
            return;
        }
        self.behind.extend(moves.iter().map(|moved| (moved.entity, moved.position)));
        if has_room {
            self.catch_up();
        } else {
            metrics::counter!("mmo_map_moves_held_total").increment(1);
        }
    }

    /// Tells what was held back, if there is room now.
    pub(crate) fn catch_up(&mut self) {
        if !self.behind.is_empty() && self.queue.capacity() > RESERVED {
            let behind = std::mem::take(&mut self.behind);
            let step = |(entity, position)| Move { entity, position };
            let moves = behind.into_iter().map(step).collect();
            let _ = self.tell(&mut Spread::new(moved(moves)));
        }
    }
}

/// The message that entities have moved.
pub(crate) fn moved(moves: Vec<Move>) -> PlayMessage {
    PlayMessage::Snapshot { view: Snapshot { tick: 0, ack: 0, moves } }
}

/// A message for many, written once in each encoding that somebody reads.
#[derive(Debug)]
pub(crate) struct Spread {
    message: PlayMessage,
    msgpack: Option<Bytes>,
    json: Option<Bytes>,
}

impl Spread {
    pub(crate) fn new(message: PlayMessage) -> Self {
        Self { message, msgpack: None, json: None }
    }

    fn encoded(&mut self, encoding: Encoding) -> Option<Bytes> {
        let slot = match encoding {
            Encoding::Msgpack => &mut self.msgpack,
            Encoding::Json => &mut self.json,
        };
        if slot.is_none() {
            match encoding.encode(&self.message) {
                Ok(bytes) => *slot = Some(Bytes::from(bytes)),
                Err(error) => tracing::error!(%error, "a message cannot be written"),
            }
        }
        slot.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves(x: f32) -> Vec<Move> {
        vec![Move { entity: EntityId(1), position: Position { x, y: 0.0 } }]
    }

    fn tell_moves(outbox: &mut Outbox, x: f32) {
        let moves = moves(x);
        outbox.tell_moves(&moves, &mut Spread::new(moved(moves.clone())));
    }

    fn read(messages: &mut mpsc::Receiver<Bytes>) -> Vec<PlayMessage> {
        let mut read = Vec::new();
        while let Ok(bytes) = messages.try_recv() {
            read.push(Encoding::Json.decode(&bytes).unwrap());
        }
        read
    }

    #[test]
    fn a_slow_client_is_told_the_newest_movement_once_it_has_room() {
        let (mut outbox, mut messages) = Outbox::new(Encoding::Json);
        for step in 0..1000_u16 {
            tell_moves(&mut outbox, f32::from(step));
        }
        let first = read(&mut messages);
        assert_eq!(first.len(), QUEUE - RESERVED);
        outbox.catch_up();
        outbox.catch_up();
        assert_eq!(read(&mut messages), [moved(moves(999.0))]);
    }

    #[test]
    fn movements_leave_room_for_what_must_not_be_lost_and_that_overflows_in_the_end() {
        let (mut outbox, messages) = Outbox::new(Encoding::Msgpack);
        for step in 0..1000_u16 {
            tell_moves(&mut outbox, f32::from(step));
        }
        let mut pong = Spread::new(PlayMessage::Pong { nonce: 1 });
        for _ in 0..RESERVED {
            assert_eq!(outbox.tell(&mut pong), Ok(()));
        }
        assert_eq!(outbox.tell(&mut pong), Err(Overflow));
        drop(messages);
        assert_eq!(outbox.tell(&mut pong), Ok(()), "a connection at its end is no slow client");
    }

    #[test]
    fn who_has_vanished_does_not_move_afterwards() {
        let (mut outbox, mut messages) = Outbox::new(Encoding::Json);
        for step in 0..1000_u16 {
            tell_moves(&mut outbox, f32::from(step));
        }
        read(&mut messages);
        outbox
            .tell(&mut Spread::new(PlayMessage::Vanished { entities: vec![EntityId(1)] }))
            .unwrap();
        outbox.catch_up();
        assert_eq!(read(&mut messages), [PlayMessage::Vanished { entities: vec![EntityId(1)] }]);
    }
}

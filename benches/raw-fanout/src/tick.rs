//! The frame that goes to all.

use protocol::{
    EntityId, Position,
    snapshot::{begin, finish, put_cell, put_entry, put_head, side_of},
};

/// Bytes of the length before a frame.
const HEADER: usize = 4;
/// The largest number takes all five bytes that a number may have.
const GAP: u32 = u32::MAX;
/// Cells of 16 tiles a side.
const SHIFT: u8 = 4;
/// Bytes of an entry whose entity's number takes two bytes.
const ENTRY: usize = 4;

/// A whole snapshot, with gaps for the tick and for what the client hears of its inputs. Patching
/// them is all that a client costs before the kernel takes over.
#[derive(Debug)]
pub(crate) struct Tick {
    frame: Vec<u8>,
    tick_at: usize,
    ack_at: usize,
}

impl Tick {
    /// A frame of so many bytes, header and all, full of entities that have moved.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut frame = vec![0; HEADER];
        let begun = begin(&mut frame);
        put_head(&mut frame, GAP, GAP, SHIFT);
        let (tick_at, ack_at) = (begun, begun + 5);
        // The cell's place takes two bytes, and how many are in it one or two.
        let entries = |head: usize| bytes.saturating_sub(frame.len() + head) / ENTRY;
        let count = if entries(3) < 0x80 { entries(3) } else { entries(4) }.max(1);
        put_cell(&mut frame, 0, 0, count as u32);
        let mut spare = bytes.saturating_sub(frame.len() + count * ENTRY);
        for number in 0..count {
            let at = side_of(SHIFT) * number as f32 / count as f32;
            // What is left goes into longer numbers for the first ones.
            let more = spare.min(3);
            spare -= more;
            let entity = EntityId((0x80 << (7 * more)) + number as u32);
            put_entry(&mut frame, entity, Position { x: at, y: at }, 0, 0, SHIFT);
        }
        finish(&mut frame, begun);
        let length = (frame.len() - HEADER) as u32;
        if let Some(header) = frame.first_chunk_mut() {
            *header = length.to_be_bytes();
        }
        Self { frame, tick_at, ack_at }
    }

    /// The next tick.
    pub(crate) fn set_tick(&mut self, tick: u32) {
        self.patch(self.tick_at, tick);
    }

    /// The frame for a client whose inputs were taken up to this one.
    pub(crate) fn frame(&mut self, ack: u32) -> &[u8] {
        self.patch(self.ack_at, ack);
        &self.frame
    }

    /// Writes a number into a gap, in five bytes whatever it is.
    fn patch(&mut self, at: usize, number: u32) {
        let Some(gap) = self.frame.get_mut(at..at + 5) else {
            return;
        };
        for (place, byte) in gap.iter_mut().enumerate() {
            let more = if place < 4 { 0x80 } else { 0 };
            *byte = (number >> (7 * place)) as u8 & 0x7f | more;
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{frame::Encoding, play::PlayMessage, snapshot::Head};

    use super::*;

    #[test]
    fn it_is_a_snapshot_of_exactly_so_many_bytes() {
        for bytes in (64..700).chain([2000, 60_000]) {
            let mut tick = Tick::new(bytes);
            tick.set_tick(7);
            let frame = tick.frame(70_000).to_vec();
            assert_eq!(frame.len(), bytes);
            assert_eq!(frame[..4], u32::try_from(bytes - 4).unwrap().to_be_bytes());
            assert_eq!(Head::read(&frame[4..]), Some(Head { tick: 7, ack: 70_000 }));
            let read: PlayMessage = Encoding::Msgpack.decode(&frame[4..]).unwrap();
            let PlayMessage::Snapshot { view } = read else { panic!("{read:?}") };
            assert!(view.moves.len() > (bytes - 64) / 5, "{} moves", view.moves.len());
        }
    }
}

//! What snapshots are put together from: each cell's part, written once a tick and shared by all
//! who see it.

use std::ops::Range;

use protocol::snapshot;

use super::reach::LONGEST_WINDOW;
use crate::space::Space;

/// Which part of a cell is meant: who has moved within the last ticks, or everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Who has moved within so many of the last ticks, 1 to [`LONGEST_WINDOW`].
    Moved(u32),
    /// Everybody.
    All,
}

/// Where a part was written, and in which round.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    round: u64,
    start: u32,
    end: u32,
}

/// The parts that were written in this round.
#[derive(Debug)]
pub(super) struct Chunks {
    round: u64,
    bytes: Vec<u8>,
    /// By window; the last is of everybody.
    written: [Vec<Written>; LONGEST_WINDOW as usize + 1],
}

impl Chunks {
    pub(super) fn of(cells: usize) -> Self {
        let written = std::array::from_fn(|_| vec![Written::default(); cells]);
        Self { round: 0, bytes: Vec::new(), written }
    }

    /// Begins anew, with the memory that there is.
    pub(super) fn begin_round(&mut self) {
        self.round += 1;
        self.bytes.clear();
    }

    /// Bytes written in this round.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A cell's part, written now unless it was; empty where nobody is to be told of.
    pub(super) fn part<P>(&mut self, space: &Space<P>, cell: u32, part: Part) -> &[u8] {
        let (kind, window) = match part {
            Part::Moved(window) => (window - 1, Some(window)),
            Part::All => (LONGEST_WINDOW, None),
        };
        let kind = self.written.get_mut(kind as usize);
        let slot = kind.and_then(|kind| kind.get_mut(cell as usize));
        let Some(slot) = slot else { return &[] };
        if slot.round != self.round {
            let written = write(&mut self.bytes, space, cell, window);
            *slot = Written { round: self.round, start: written.start, end: written.end };
        }
        self.bytes.get(slot.start as usize..slot.end as usize).unwrap_or(&[])
    }
}

/// Writes who is in a cell, or only who has moved within so many ticks.
fn write<P>(out: &mut Vec<u8>, space: &Space<P>, cell: u32, window: Option<u32>) -> Range<u32> {
    let grid = &space.grid;
    let members = grid.members(cell).iter().filter_map(|member| space.seated(member.slot));
    let is_told = |moved: u32| window.is_none_or(|window| space.tick.wrapping_sub(moved) < window);
    let told = members.filter(|entity| is_told(entity.moved));
    let (start, (x, y)) = (out.len() as u32, grid.place_of(cell));
    let count = told.clone().count() as u32;
    if count > 0 {
        snapshot::put_cell(out, x, y, count);
        for entity in told {
            snapshot::put_entry(out, entity.id, entity.position, x, y, grid.shift);
        }
    }
    start..out.len() as u32
}

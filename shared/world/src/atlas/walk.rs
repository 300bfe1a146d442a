//! A straight walk over tiles: which edges it crosses, one after another.

use protocol::Position;

use super::ground::{Ground, Tile};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    X,
    Y,
}

/// An edge between two tiles that a walk crosses. A walk through a corner crosses two.
#[derive(Debug)]
pub(super) struct Crossing {
    axis: Axis,
    /// The tile it leaves.
    pub(super) tile: Tile,
    /// The tile it enters.
    pub(super) into: Tile,
}

impl Crossing {
    /// The point nearest to `wanted` that does not cross: the last one before the edge on the
    /// crossing's axis, and `wanted` on the other.
    pub(super) fn stop(&self, wanted: Position) -> Position {
        // A tile holds its left and top edge, so only the way right or down ends short of it.
        let last = |tile: u32, into: u32| {
            if into > tile { (into as f32).next_down() } else { tile as f32 }
        };
        match self.axis {
            Axis::X => Position { x: last(self.tile.0, self.into.0), ..wanted },
            Axis::Y => Position { y: last(self.tile.1, self.into.1), ..wanted },
        }
    }
}

/// The crossings of a straight line from one point on the map to another.
///
/// The tile is counted in whole numbers and so ends where it must: rounding can swap two crossings
/// that are as good as one corner, but never lead astray.
pub(super) struct Walk {
    from: Position,
    to: Position,
    tile: Tile,
    last: Tile,
}

impl Walk {
    pub(super) fn new(ground: &Ground, from: Position, to: Position) -> Self {
        Self { from, to, tile: ground.tile(from), last: ground.tile(to) }
    }

    /// Which part of the way lies before the next edge on an axis; `None` where none is left.
    fn share(tile: u32, last: u32, from: f32, to: f32) -> Option<f64> {
        let edge = if last > tile { tile + 1 } else { tile };
        let (from, to) = (f64::from(from), f64::from(to));
        (tile != last).then(|| (f64::from(edge) - from) / (to - from))
    }
}

impl Iterator for Walk {
    type Item = Crossing;

    fn next(&mut self) -> Option<Crossing> {
        let right = Self::share(self.tile.0, self.last.0, self.from.x, self.to.x);
        let down = Self::share(self.tile.1, self.last.1, self.from.y, self.to.y);
        let axis = match (right, down) {
            (None, None) => return None,
            (Some(right), Some(down)) if right > down => Axis::Y,
            (Some(_), _) => Axis::X,
            (None, Some(_)) => Axis::Y,
        };
        let toward = |tile: u32, last: u32| if last > tile { tile + 1 } else { tile - 1 };
        let (column, row) = self.tile;
        let into = match axis {
            Axis::X => (toward(column, self.last.0), row),
            Axis::Y => (column, toward(row, self.last.1)),
        };
        let tile = std::mem::replace(&mut self.tile, into);
        Some(Crossing { axis, tile, into })
    }
}

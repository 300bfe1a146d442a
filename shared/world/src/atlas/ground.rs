//! Where one can walk: one bit for each tile, and how to move between walls.

use protocol::Position;

use super::{
    route,
    walk::{Crossing, Walk},
};

/// Longest side of a map, in tiles: beyond it, `f32` positions lose the hundredths of a tile.
pub(super) const SIDE_MAX: u32 = 65_536;
/// Most tiles of a map that is read from a file: one layer of them takes 256 MiB to read.
pub(super) const AREA_MAX: u64 = 16 << 20;

/// The tiles of a map, each free or blocked.
///
/// A tile holds its left and its top edge, so a point lies in one tile; those at the map's right
/// and bottom edge hold that edge too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    pub(super) columns: u32,
    pub(super) rows: u32,
    /// A bit for each tile, row by row, set where it is blocked. A word that is not there is free:
    /// an open field takes no memory.
    blocked: Vec<u64>,
}

/// A tile by its column and row.
pub(super) type Tile = (u32, u32);

impl Ground {
    /// Open ground. Sides are held to 1 to 65,536 tiles.
    pub fn open(columns: u32, rows: u32) -> Self {
        let side = |tiles: u32| tiles.clamp(1, SIDE_MAX);
        Self { columns: side(columns), rows: side(rows), blocked: Vec::new() }
    }

    /// Puts a wall on a tile. One that is not on the map is left alone.
    pub fn block(&mut self, column: u32, row: u32) {
        let Some((word, bit)) = self.bit((column, row)) else { return };
        if self.blocked.len() <= word {
            self.blocked.resize(word + 1, 0);
        }
        if let Some(word) = self.blocked.get_mut(word) {
            *word |= bit;
        }
    }

    /// Tiles to the right and down.
    pub fn size(&self) -> (f32, f32) {
        (self.columns as f32, self.rows as f32)
    }

    /// Whether a point lies on the map.
    pub fn holds(&self, point: Position) -> bool {
        let (width, height) = self.size();
        (0.0..=width).contains(&point.x) && (0.0..=height).contains(&point.y)
    }

    /// The nearest point on the map, walls not considered. What is no number becomes 0.
    pub fn nearest(&self, point: Position) -> Position {
        let (width, height) = self.size();
        let within = |value: f32, end| if value.is_nan() { 0.0 } else { value.clamp(0.0, end) };
        Position { x: within(point.x, width), y: within(point.y, height) }
    }

    /// Whether a point lies on the map and on a tile that is not blocked.
    pub fn is_free(&self, point: Position) -> bool {
        self.holds(point) && self.tile_is_free(self.tile(point))
    }

    /// Whether the straight line between two points meets no wall and stays on the map.
    pub fn line_is_free(&self, from: Position, to: Position) -> bool {
        self.is_free(from) && self.holds(to) && self.wall(from, to).is_none()
    }

    /// Where one ends who goes straight from one point to another. Walls and the map's edge stop
    /// the movement along the axis that runs into them; the rest of it slides on. The end is free,
    /// however long the step.
    ///
    /// One who stands in a wall is put on the nearest free tile.
    pub fn step(&self, from: Position, to: Position) -> Position {
        if !self.is_free(from) {
            return self.free_near(from);
        }
        if !(to.x.is_finite() && to.y.is_finite()) {
            return from;
        }
        let to = self.nearest(to);
        let Some(wall) = self.wall(from, to) else { return to };
        let (start, end) = (wall.stop(route::centre(wall.tile)), wall.stop(to));
        match self.wall(start, end) {
            None => end,
            Some(second) => second.stop(end),
        }
    }

    /// The nearest free point: the point itself, or the centre of a tile. On a map without any
    /// free tile it is the point itself.
    pub fn free_near(&self, point: Position) -> Position {
        route::free_near(self, point)
    }

    /// The way from one point to another around walls: the points to walk to one after another,
    /// the last of which is `to`. `None` where there is no way, or none was found after looking at
    /// `limit` tiles.
    pub fn path(&self, from: Position, to: Position, limit: usize) -> Option<Vec<Position>> {
        route::path(self, from, to, limit)
    }

    /// The tile of a point on the map.
    pub(super) fn tile(&self, point: Position) -> Tile {
        // Casts saturate and make 0 of what is no number.
        ((point.x as u32).min(self.columns - 1), (point.y as u32).min(self.rows - 1))
    }

    pub(super) fn tile_is_free(&self, tile: Tile) -> bool {
        self.bit(tile)
            .is_some_and(|(word, bit)| self.blocked.get(word).is_none_or(|word| word & bit == 0))
    }

    /// The first edge of a wall that the straight line between two points runs into.
    fn wall(&self, from: Position, to: Position) -> Option<Crossing> {
        Walk::new(self, from, to).find(|crossing| !self.tile_is_free(crossing.into))
    }

    /// The word and the bit of a tile, if it is on the map.
    fn bit(&self, (column, row): Tile) -> Option<(usize, u64)> {
        let on_map = column < self.columns && row < self.rows;
        let index = u64::from(row) * u64::from(self.columns) + u64::from(column);
        on_map.then_some(((index / 64) as usize, 1 << (index % 64)))
    }
}

#[cfg(test)]
mod tests;

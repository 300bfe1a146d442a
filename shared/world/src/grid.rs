//! Which entities are where, in squares: so that what is near is found without looking at all.

use protocol::{EntityId, Position, snapshot};
use serde::{Deserialize, Serialize};

use crate::atlas::MapPlan;

/// An entity in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: EntityId,
    pub(crate) slot: u32,
}

/// A uniform grid over the map. Its cells are those of [`snapshot`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grid {
    /// A cell is `2^shift` tiles a side.
    pub(crate) shift: u8,
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    cells: Vec<Vec<Member>>,
}

impl Grid {
    /// Cells of at most half the distance that players see: small enough that what is in sight is
    /// much like a circle, large enough that few cells are looked at.
    pub(crate) fn over(plan: &MapPlan) -> Self {
        let half = (plan.view / 2.0).max(4.0);
        // At least 2, since half of the view is at least 4 tiles.
        let shift = (half.log2().floor() as u8).clamp(2, snapshot::SHIFT_MAX);
        let count = |tiles: f32| (tiles / snapshot::side_of(shift)).floor() as u32 + 1;
        let (columns, rows) = (count(plan.width), count(plan.height));
        let cells = vec![Vec::new(); columns as usize * rows as usize];
        Self { shift, columns, rows, cells }
    }

    /// The cell of a point; of the nearest one on the map where it lies outside.
    pub(crate) fn cell_of(&self, at: Position) -> u32 {
        let side = snapshot::side_of(self.shift);
        // `as` saturates at 0 and makes 0 of what is no number.
        let x = ((at.x / side) as u32).min(self.columns - 1);
        let y = ((at.y / side) as u32).min(self.rows - 1);
        y * self.columns + x
    }

    /// Column and row of a cell.
    pub(crate) fn place_of(&self, cell: u32) -> (u32, u32) {
        (cell % self.columns, cell / self.columns)
    }

    /// The cell so many columns and rows away, where the map has one.
    pub(crate) fn beside(&self, (x, y): (u32, u32), (dx, dy): (i32, i32)) -> Option<u32> {
        let (x, y) = (x.checked_add_signed(dx)?, y.checked_add_signed(dy)?);
        (x < self.columns && y < self.rows).then(|| y * self.columns + x)
    }

    /// Who is in a cell.
    pub(crate) fn members(&self, cell: u32) -> &[Member] {
        self.cells.get(cell as usize).map_or(&[], Vec::as_slice)
    }

    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Puts an entity into a cell and gives its place there.
    pub(crate) fn put(&mut self, cell: u32, member: Member) -> u32 {
        let Some(members) = self.cells.get_mut(cell as usize) else { return 0 };
        members.push(member);
        members.len() as u32 - 1
    }

    /// Takes the entity at a place out of a cell. Gives whoever stands at that place now.
    pub(crate) fn take(&mut self, cell: u32, place: u32) -> Option<Member> {
        let members = self.cells.get_mut(cell as usize)?;
        if (place as usize) < members.len() {
            members.swap_remove(place as usize);
        }
        members.get(place as usize).copied()
    }

    /// Every cell that a square around a point touches.
    pub(crate) fn around(&self, at: Position, radius: f32) -> impl Iterator<Item = u32> {
        let corner = |sign: f32| {
            let far = Position { x: at.x + sign * radius, y: at.y + sign * radius };
            self.place_of(self.cell_of(far))
        };
        let ((left, top), (right, bottom)) = (corner(-1.0), corner(1.0));
        let columns = self.columns;
        (top..=bottom).flat_map(move |y| (left..=right).map(move |x| y * columns + x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid::over(&MapPlan::field("field".parse().unwrap(), 40.0, 24.0))
    }

    #[test]
    fn cells_are_half_the_view_and_cover_the_map_with_its_edge() {
        let grid = grid();
        assert_eq!((grid.shift, grid.columns, grid.rows), (3, 6, 4));
        assert_eq!(grid.cell_of(Position { x: 40.0, y: 24.0 }), 3 * 6 + 5);
        assert_eq!(grid.cell_of(Position { x: -9.0, y: f32::NAN }), 0);
        assert_eq!(grid.place_of(grid.cell_of(Position { x: 17.0, y: 8.0 })), (2, 1));
    }

    #[test]
    fn the_map_ends_at_its_edges() {
        let grid = grid();
        assert_eq!(grid.beside((0, 0), (-1, 0)), None);
        assert_eq!(grid.beside((5, 3), (1, 0)), None);
        assert_eq!(grid.beside((5, 3), (-1, -1)), Some(2 * 6 + 4));
    }

    #[test]
    fn who_is_taken_out_leaves_its_place_to_the_last() {
        let mut grid = grid();
        let member = |n| Member { id: EntityId(n), slot: n };
        assert_eq!(
            (grid.put(7, member(1)), grid.put(7, member(2)), grid.put(7, member(3))),
            (0, 1, 2)
        );
        assert_eq!(grid.take(7, 0), Some(member(3)));
        assert_eq!(grid.members(7), [member(3), member(2)]);
        assert_eq!(grid.take(7, 1), None);
        assert_eq!(grid.take(7, 0), None);
        assert!(grid.members(7).is_empty());
    }

    #[test]
    fn a_square_touches_its_cells() {
        let touched: Vec<u32> = grid().around(Position { x: 8.0, y: 2.0 }, 1.0).collect();
        assert_eq!(touched, [0, 1]);
    }
}

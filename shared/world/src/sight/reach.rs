//! How far one sees, in cells, and how often one is shown what is there.

use protocol::snapshot;

use crate::grid::Grid;

/// The longest of [`PERIODS`], of which all others are divisors.
const LONGEST: u32 = 4;
/// How often a cell is shown: every so many ticks. What is near is shown more often.
pub(super) const PERIODS: [u32; 3] = [1, 2, LONGEST];

/// A cell in sight, as seen from one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) offset: (i32, i32),
    /// Cells between it and one's own: 0 is one's own, 1 those around it.
    pub(super) ring: u32,
}

impl Reach {
    /// Which of [`PERIODS`].
    pub(super) fn level(self) -> usize {
        (self.ring as usize).min(PERIODS.len() - 1)
    }
}

/// Every cell of which some point lies within `view` tiles of some point of one's own, nearest
/// first: so whatever stands within `view` is in sight.
pub(super) fn reach(grid: &Grid, view: f32) -> Vec<Reach> {
    let side = snapshot::side_of(grid.shift);
    let most = (view / side).ceil() as i32 + 1;
    let gap = |d: i32| (d.abs() - 1).max(0) as f32 * side;
    let offsets = (-most..=most).flat_map(|dy| (-most..=most).map(move |dx| (dx, dy)));
    let within = offsets.filter(|(dx, dy)| gap(*dx).hypot(gap(*dy)) <= view);
    let ring = |(dx, dy): (i32, i32)| dx.unsigned_abs().max(dy.unsigned_abs());
    let mut cells: Vec<Reach> = within.map(|offset| Reach { offset, ring: ring(offset) }).collect();
    cells.sort_by_key(|cell| cell.ring);
    cells
}

/// Whether a cell is shown in this tick to those who are shown it every `period` ticks. Cells take
/// turns, so that each tick has its share.
pub(super) fn is_due(cell: u32, tick: u32, period: u32) -> bool {
    tick.wrapping_add(cell).is_multiple_of(period)
}

/// Which cells in sight are due, found out once for all: by the number of one's own cell and the
/// tick, together modulo the longest period.
#[derive(Debug)]
pub(super) struct Turns([Vec<Reach>; LONGEST as usize]);

impl Turns {
    pub(super) fn of(reach: &[Reach], grid: &Grid) -> Self {
        Self(std::array::from_fn(|phase| {
            let is_due = |reach: &&Reach| {
                let (dx, dy) = reach.offset;
                // Cells are numbered row by row.
                let ahead = i64::from(dy) * i64::from(grid.columns) + i64::from(dx);
                let cell = (ahead + phase as i64).rem_euclid(i64::from(LONGEST)) as u32;
                PERIODS.get(reach.level()).is_some_and(|period| is_due(cell, 0, *period))
            };
            reach.iter().filter(is_due).copied().collect()
        }))
    }

    /// The cells that are due in a tick, as seen from this one.
    pub(super) fn due(&self, cell: u32, tick: u32) -> &[Reach] {
        // There is one for each remainder.
        self.0.get((cell.wrapping_add(tick) % LONGEST) as usize).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::MapPlan;

    #[test]
    fn one_sees_at_least_as_far_as_the_map_says_and_not_thrice_as_far() {
        let plan = MapPlan::field("field".parse().unwrap(), 200.0, 200.0);
        let grid = Grid::over(&plan);
        let cells = reach(&grid, plan.view);
        assert_eq!(cells.first(), Some(&Reach { offset: (0, 0), ring: 0 }));
        assert_eq!(cells.len(), 37);
        assert!(cells.iter().all(|cell| cell.ring <= 3));
        assert!(!cells.iter().any(|cell| cell.offset == (3, 2)), "the corners are cut");
    }

    #[test]
    fn every_cell_has_its_turn_and_only_that() {
        for period in PERIODS {
            for cell in 0..9 {
                let turns = (0..100).filter(|tick| is_due(cell, *tick, period)).count();
                assert_eq!(turns, 100 / period as usize);
            }
        }
    }

    #[test]
    fn the_cells_that_are_due_are_those_whose_turn_it_is() {
        let plan = MapPlan::field("field".parse().unwrap(), 203.0, 200.0);
        let grid = Grid::over(&plan);
        let cells = reach(&grid, plan.view);
        let turns = Turns::of(&cells, &grid);
        for (tick, own) in [(0, 300), (1, 301), (2, 77), (7, 333), (u32::MAX, 302)] {
            let middle = grid.place_of(own);
            let due = cells.iter().filter(|reach| {
                let cell = grid.beside(middle, reach.offset);
                cell.is_some_and(|cell| is_due(cell, tick, PERIODS[reach.level()]))
            });
            let on_the_map = turns.due(own, tick).iter();
            let on_the_map = on_the_map.filter(|reach| grid.beside(middle, reach.offset).is_some());
            assert!(due.eq(on_the_map), "cell {own}, tick {tick}");
        }
    }
}

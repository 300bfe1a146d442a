//! How far one sees, in cells, and how often one is shown what is there.

use protocol::snapshot;

use crate::grid::Grid;

/// How often a cell is shown: every so many ticks. What is near is shown more often.
pub(super) const PERIODS: [u32; 3] = [1, 2, 4];

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
}

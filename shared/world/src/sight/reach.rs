//! How far one sees, in cells, and how often one is shown what is there.

use protocol::snapshot;

use super::pace::MOST_GAP;
use crate::grid::Grid;

/// The longest of [`PERIODS`], of which all others are divisors.
const LONGEST: u32 = 4;
/// How often a cell is shown: every so many ticks. What is near is shown more often.
const PERIODS: [u32; 3] = [1, 2, LONGEST];
/// The most ticks of which one snapshot tells.
pub(super) const LONGEST_WINDOW: u32 = LONGEST + MOST_GAP - 1;

/// A cell in sight, as seen from one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) offset: (i32, i32),
    /// Cells between it and one's own: 0 is one's own, 1 those around it.
    pub(super) ring: u32,
}

impl Reach {
    fn period(self) -> u32 {
        PERIODS.get(self.ring as usize).copied().unwrap_or(LONGEST)
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

/// A cell that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) offset: (i32, i32),
    /// Of so many of the last ticks nothing was told that happened there.
    pub(super) window: u32,
}

/// Which cells in sight have been due since the last snapshot, found out once for all: by the ticks
/// since then, and by the number of one's own cell and the tick, together modulo the longest period.
#[derive(Debug)]
pub(super) struct Turns([[Vec<Due>; LONGEST as usize]; MOST_GAP as usize]);

impl Turns {
    pub(super) fn of(reach: &[Reach], grid: &Grid) -> Self {
        let due = |reach: &Reach, gap: u32, phase: u32| {
            let (dx, dy) = reach.offset;
            // Cells are numbered row by row.
            let ahead = i64::from(dy) * i64::from(grid.columns) + i64::from(dx);
            let cell = (ahead + i64::from(phase)).rem_euclid(i64::from(LONGEST)) as u32;
            // Its first turn that was left out would have told of a whole period.
            let late =
                (0..gap).rev().find(|late| is_due(cell, late.wrapping_neg(), reach.period()))?;
            Some(Due { offset: reach.offset, window: reach.period() + late })
        };
        Self(std::array::from_fn(|before| {
            std::array::from_fn(|phase| {
                let due = |reach| due(reach, before as u32 + 1, phase as u32);
                reach.iter().filter_map(due).collect()
            })
        }))
    }

    /// The cells that are due in a tick, as seen from this one, `gap` ticks after the last snapshot:
    /// 1 to [`MOST_GAP`].
    pub(super) fn due(&self, cell: u32, tick: u32, gap: u32) -> &[Due] {
        let gap = self.0.get(gap as usize - 1);
        // There is one for each remainder.
        let due = gap.and_then(|gap| gap.get((cell.wrapping_add(tick) % LONGEST) as usize));
        due.map_or(&[], Vec::as_slice)
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

    /// Whenever snapshots are left out, what happens in any cell is told once it was due.
    #[test]
    fn what_a_snapshot_left_out_is_in_the_next() {
        let plan = MapPlan::field("field".parse().unwrap(), 203.0, 200.0);
        let grid = Grid::over(&plan);
        let cells = reach(&grid, plan.view);
        let turns = Turns::of(&cells, &grid);
        for (start, own) in [(0, 300), (1, 301), (2, 77), (7, 333), (u32::MAX - 20, 302)] {
            let middle = grid.place_of(own);
            let of_cells = cells.iter().map(|reach| (reach, grid.beside(middle, reach.offset)));
            for (reach, cell) in of_cells.filter_map(|(reach, cell)| Some((reach, cell?))) {
                // Up to where it is told already, and where each tick is due.
                let mut told = start;
                let mut tick = start;
                for gap in [1, 1, 1, 1, 2, 2, 1, 3, 4, 1, 4, 4, 2, 1, 1, 3, 2, 2, 2, 1, 1, 1, 1] {
                    let last = tick;
                    tick = tick.wrapping_add(gap);
                    let was_due =
                        (0..gap).any(|late| is_due(cell, tick.wrapping_sub(late), reach.period()));
                    let due =
                        turns.due(own, tick, gap).iter().find(|due| due.offset == reach.offset);
                    assert_eq!(due.is_some(), was_due, "cell {cell}, tick {tick}, after {gap}");
                    let Some(due) = due else { continue };
                    if last.wrapping_sub(start) >= LONGEST {
                        let untold = tick.wrapping_sub(told);
                        assert!(due.window >= untold, "of {untold} ticks {} are told", due.window);
                        assert!(due.window < reach.period() + gap, "some are told twice");
                    }
                    told = tick;
                }
            }
        }
    }
}

//! Ways around walls: the nearest free tile, and a path from one point to another.

use pathfinding::prelude::astar;
use protocol::Position;

use super::ground::{Ground, Tile};

/// What a step to one of the four sides costs, and one to a corner: 99 / 70 is √2 to four digits,
/// and whole numbers give the same path on every machine.
const SIDE: u32 = 70;
const CORNER: u32 = 99;

const SIDES: [(i32, i32); 4] = [(0, -1), (-1, 0), (1, 0), (0, 1)];
const CORNERS: [(i32, i32); 4] = [(-1, -1), (1, -1), (-1, 1), (1, 1)];

/// The middle of a tile.
pub(super) fn centre((column, row): Tile) -> Position {
    Position { x: column as f32 + 0.5, y: row as f32 + 0.5 }
}

/// The points to walk to, as [`Ground::path`] says.
pub(super) fn path(
    ground: &Ground,
    from: Position,
    to: Position,
    limit: usize,
) -> Option<Vec<Position>> {
    if !(ground.is_free(from) && ground.is_free(to)) {
        return None;
    }
    let goal = ground.tile(to);
    let mut looked_at = 0;
    let successors = |tile: &Tile| {
        looked_at += 1;
        // Past the limit nothing leads on, so the search runs dry.
        if looked_at <= limit { exits(ground, *tile) } else { Vec::new() }
    };
    let (tiles, _) =
        astar(&ground.tile(from), successors, |tile| cost(*tile, goal), |tile| *tile == goal)?;
    // The tiles at both ends are replaced by the points in them.
    let between = tiles.get(1..tiles.len() - 1).unwrap_or_default();
    Some(between.iter().copied().map(centre).chain([to]).collect())
}

/// The free neighbours of a tile with what it costs to go there. A corner is not cut: both tiles
/// beside it must be free.
fn exits(ground: &Ground, tile: Tile) -> Vec<(Tile, u32)> {
    let beside = |(right, down)| {
        let (column, row) = (tile.0.checked_add_signed(right)?, tile.1.checked_add_signed(down)?);
        Some((column, row)).filter(|tile| ground.tile_is_free(*tile))
    };
    let sides = SIDES.into_iter().filter_map(|side| Some((beside(side)?, SIDE)));
    let corners = CORNERS.into_iter().filter_map(|corner| {
        beside((corner.0, 0))?;
        beside((0, corner.1))?;
        Some((beside(corner)?, CORNER))
    });
    sides.chain(corners).collect()
}

/// What the way between two tiles costs if there is no wall.
fn cost(from: Tile, to: Tile) -> u32 {
    let (right, down) = (from.0.abs_diff(to.0), from.1.abs_diff(to.1));
    CORNER * right.min(down) + SIDE * right.abs_diff(down)
}

/// The nearest free point, as [`Ground::free_near`] says.
pub(super) fn free_near(ground: &Ground, point: Position) -> Position {
    let near = ground.nearest(point);
    if ground.is_free(near) {
        return near;
    }
    let middle = ground.tile(near);
    let mut best: Option<(f32, Position)> = None;
    for reach in 1..ground.columns.max(ground.rows) {
        // Every tile of this ring and of those after it is farther away than this.
        if best.is_some_and(|(distance, _)| distance <= reach as f32 - 0.5) {
            break;
        }
        for tile in ring(ground, middle, reach).filter(|tile| ground.tile_is_free(*tile)) {
            let distance = centre(tile).distance(near);
            if best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, centre(tile)));
            }
        }
    }
    best.map_or(near, |(_, point)| point)
}

/// The tiles of a square frame around a tile, as far as they are on the map.
fn ring(ground: &Ground, (column, row): Tile, reach: u32) -> impl Iterator<Item = Tile> {
    let (left, top) = (column.saturating_sub(reach), row.saturating_sub(reach));
    let right = (column + reach).min(ground.columns - 1);
    let bottom = (row + reach).min(ground.rows - 1);
    let ends = [row.checked_sub(reach), Some(row + reach).filter(|row| *row < ground.rows)];
    let sides =
        [column.checked_sub(reach), Some(column + reach).filter(|column| *column < ground.columns)];
    let flat = ends.into_iter().flatten().flat_map(move |y| (left..=right).map(move |x| (x, y)));
    let upright = sides.into_iter().flatten().flat_map(move |x| {
        // The corners belong to the flat ends.
        (top..=bottom).filter(move |y| row.abs_diff(*y) < reach).map(move |y| (x, y))
    });
    flat.chain(upright)
}

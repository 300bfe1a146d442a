use proptest::prelude::*;

use super::*;

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

/// Ground drawn with `#` for walls.
fn drawn(rows: &[&str]) -> Ground {
    let mut ground = Ground::open(rows[0].len() as u32, rows.len() as u32);
    for (row, line) in rows.iter().enumerate() {
        for (column, _) in line.chars().enumerate().filter(|(_, tile)| *tile == '#') {
            ground.block(column as u32, row as u32);
        }
    }
    ground
}

#[test]
fn a_tile_holds_its_left_and_top_edge_and_the_map_all_of_its_edges() {
    let ground = drawn(&["..", ".#"]);
    assert!(ground.is_free(at(0.99, 1.5)) && !ground.is_free(at(1.0, 1.0)));
    assert!(ground.is_free(at(2.0, 0.0)) && !ground.is_free(at(2.0, 2.0)));
    assert!(!ground.is_free(at(-0.01, 0.0)) && !ground.is_free(at(f32::NAN, 0.0)));
}

#[test]
fn a_wall_stops_what_runs_into_it_and_lets_the_rest_slide() {
    let ground = drawn(&["...", "..#", "..#", "..."]);
    let straight = ground.step(at(0.5, 1.5), at(2.5, 1.5));
    assert_eq!(straight, at(2.0_f32.next_down(), 1.5));
    let along = ground.step(at(1.5, 1.2), at(2.5, 2.8));
    assert_eq!(along, at(2.0_f32.next_down(), 2.8));
    // From the right: the wall holds its left edge, so the way to the left ends on an edge.
    let up = ground.step(at(2.5, 3.5), at(2.5, 2.5));
    assert_eq!(up, at(2.5, 3.0));
    assert_eq!(ground.step(at(1.0, 0.5), at(-5.0, 0.2)), at(0.0, 0.2), "the map's edge is a wall");
}

#[test]
fn what_slides_into_a_second_wall_stops_there() {
    let ground = drawn(&["...", "..#", "..#", ".#."]);
    let corner = ground.step(at(1.5, 1.5), at(2.5, 3.5));
    assert_eq!(corner, at(2.0_f32.next_down(), 3.0_f32.next_down()));
}

#[test]
fn a_long_step_does_not_tunnel() {
    let ground = drawn(&[".........#.........", "..................."]);
    assert_eq!(ground.step(at(0.5, 0.5), at(18.5, 0.5)), at(9.0_f32.next_down(), 0.5));
    assert_eq!(ground.step(at(18.5, 0.5), at(0.5, 0.5)), at(10.0, 0.5));
}

#[test]
fn a_corner_between_two_walls_lets_nothing_through() {
    let ground = drawn(&[".#", "#."]);
    assert!(!ground.line_is_free(at(0.5, 0.5), at(1.5, 1.5)));
    assert_eq!(ground.path(at(0.5, 0.5), at(1.5, 1.5), 100), None);
}

#[test]
fn who_stands_in_a_wall_is_put_out_of_it() {
    let ground = drawn(&["####", "##.#", "####"]);
    assert_eq!(ground.step(at(0.5, 0.5), at(0.6, 0.5)), at(2.5, 1.5));
    assert_eq!(ground.free_near(at(-7.0, 9.0)), at(2.5, 1.5));
    assert_eq!(ground.free_near(at(2.1, 1.9)), at(2.1, 1.9), "a free point stays");
    assert_eq!(drawn(&["#"]).free_near(at(0.2, 0.2)), at(0.2, 0.2), "nowhere to go");
}

#[test]
fn the_nearest_free_tile_is_nearest_as_the_crow_flies() {
    // Two to the right lie nearer than a corner of the ring before them.
    let ground = drawn(&["#####", "#####", "####.", ".####", "#####"]);
    assert_eq!(ground.free_near(at(2.9, 2.5)), at(4.5, 2.5));
}

#[test]
fn a_step_to_no_point_at_all_is_no_step() {
    let ground = drawn(&["..."]);
    for nowhere in [at(f32::NAN, 0.5), at(0.5, f32::INFINITY)] {
        assert_eq!(ground.step(at(1.5, 0.5), nowhere), at(1.5, 0.5));
    }
    assert!(ground.holds(ground.step(at(f32::NAN, 0.5), at(1.0, 0.5))));
}

#[test]
fn a_path_goes_around_a_wall_and_ends_where_it_shall() {
    let ground = drawn(&[".....", ".###.", "....."]);
    let path = ground.path(at(2.2, 0.5), at(2.9, 2.4), 100).unwrap();
    assert_eq!(path.last(), Some(&at(2.9, 2.4)));
    assert_eq!(path.len(), 6, "{path:?}");
    assert_eq!(ground.path(at(0.1, 0.1), at(0.9, 0.9), 1), Some(vec![at(0.9, 0.9)]));
}

#[test]
fn a_search_ends_at_its_limit_and_where_there_is_no_way() {
    let ground = drawn(&["...#.", "...#.", "...#."]);
    assert_eq!(ground.path(at(0.5, 0.5), at(4.5, 0.5), 1_000), None);
    assert_eq!(ground.path(at(0.5, 0.5), at(3.5, 0.5), 1_000), None, "a wall is no goal");
    assert_eq!(ground.path(at(0.5, 0.5), at(9.5, 0.5), 1_000), None, "nor what is off the map");
    let wide = Ground::open(5_000, 5_000);
    assert_eq!(wide.path(at(1.5, 1.5), at(4_000.5, 2.5), 50), None);
    assert!(wide.path(at(1.5, 1.5), at(400.5, 2.5), 500).is_some());
}

fn grounds() -> impl Strategy<Value = Ground> {
    (1_u32..12, 1_u32..12, 0.0..0.6_f64).prop_flat_map(|(columns, rows, walls)| {
        let tiles = (columns * rows) as usize;
        prop::collection::vec(prop::bool::weighted(walls), tiles).prop_map(move |blocked| {
            let mut ground = Ground::open(columns, rows);
            for (index, _) in blocked.iter().enumerate().filter(|(_, blocked)| **blocked) {
                ground.block(index as u32 % columns, index as u32 / columns);
            }
            ground
        })
    })
}

/// Points on and off the map, many of them on the edges of tiles.
fn points() -> impl Strategy<Value = Position> {
    let axis = || prop_oneof![-3.0..15.0_f32, (-3..15_i32).prop_map(|edge| edge as f32)];
    (axis(), axis()).prop_map(|(x, y)| at(x, y))
}

proptest! {
    #[test]
    fn a_step_from_free_ground_ends_on_free_ground(
        ground in grounds(), from in points(), to in points(),
    ) {
        let from = ground.free_near(from);
        prop_assume!(ground.is_free(from));
        let end = ground.step(from, to);
        prop_assert!(ground.is_free(end), "{end:?}");
        prop_assert_eq!(end == to, ground.line_is_free(from, to));
        // It goes no farther than it was told, along each axis.
        let between = |end: f32, from: f32, to: f32| from.min(to) <= end && end <= from.max(to);
        prop_assert!(between(end.x, from.x, to.x) && between(end.y, from.y, to.y), "{end:?}");
    }

    #[test]
    fn a_free_line_has_no_wall_on_it(
        ground in grounds(), from in points(), right in -4.0..4.0_f32, down in -4.0..4.0_f32,
    ) {
        let from = ground.free_near(from);
        let to = at(from.x + right, from.y + down);
        if !ground.line_is_free(from, to) {
            return Ok(());
        }
        for part in 0..=200_u8 {
            let part = f32::from(part) / 200.0;
            let point = at(from.x + (to.x - from.x) * part, from.y + (to.y - from.y) * part);
            // Rounding may put a point on the wrong side of an edge that the line runs along.
            let off_edge = |value: f32| (value - value.round()).abs() > 1e-4;
            if off_edge(point.x) && off_edge(point.y) {
                prop_assert!(ground.is_free(point), "{point:?}");
            }
        }
    }

    #[test]
    fn every_leg_of_a_path_is_free(ground in grounds(), from in points(), to in points()) {
        let path = ground.path(from, to, 10_000);
        prop_assert_eq!(&path, &ground.path(from, to, 10_000));
        if ground.line_is_free(from, to) {
            prop_assert!(path.is_some());
        }
        let mut at = from;
        for next in path.into_iter().flatten() {
            prop_assert!(ground.line_is_free(at, next), "{at:?} to {next:?}");
            prop_assert_eq!(ground.step(at, next), next);
            at = next;
        }
    }

    #[test]
    fn the_nearest_free_point_is_free_and_none_is_nearer(ground in grounds(), point in points()) {
        let near = ground.free_near(point);
        let on_map = ground.nearest(point);
        let free: Vec<Position> = (0..ground.rows)
            .flat_map(|row| (0..ground.columns).map(move |column| (column, row)))
            .filter(|tile| ground.tile_is_free(*tile))
            .map(route::centre)
            .collect();
        prop_assert_eq!(ground.is_free(near), !free.is_empty());
        for other in free.iter().filter(|_| near != on_map) {
            prop_assert!(near.distance(on_map) <= other.distance(on_map), "{near:?} {other:?}");
        }
    }
}

//! A map's tile layers: which tiles are used, and which of them are walls.

use std::collections::HashSet;

use tiled::{ChunkData, Layer, LayerTileData, LayerType, Map, TileId, TileLayer};

use super::properties;
use crate::atlas::{
    error::{PlanError, Spot},
    ground::{AREA_MAX, Ground, SIDE_MAX},
};

/// A layer out of whatever groups it stands in.
pub(super) struct Flat<'map> {
    pub(super) layer: Layer<'map>,
    /// Where Tiled draws it, in pixels off its place; its groups add theirs.
    pub(super) offset: (f32, f32),
    /// Whether its tiles are walls, by its own word or by that of a group.
    collides: bool,
}

/// All layers but the groups, from bottom to top.
pub(super) fn flatten<'map>(file: &Spot, map: &'map Map) -> Result<Vec<Flat<'map>>, PlanError> {
    let mut flat = Vec::new();
    add(file, map.layers(), (0.0, 0.0), false, &mut flat)?;
    Ok(flat)
}

fn add<'map>(
    file: &Spot,
    layers: impl Iterator<Item = Layer<'map>>,
    offset: (f32, f32),
    collides: bool,
    flat: &mut Vec<Flat<'map>>,
) -> Result<(), PlanError> {
    for layer in layers {
        let offset = (offset.0 + layer.offset_x, offset.1 + layer.offset_y);
        let own = properties::flag(&file.layer(&layer.name), &layer.properties, "collides")?;
        let collides = own.unwrap_or(collides || layer.name == "collision");
        match layer.layer_type() {
            LayerType::Group(group) => add(file, group.layers(), offset, collides, flat)?,
            _ => flat.push(Flat { layer, offset, collides }),
        }
    }
    Ok(())
}

/// The part of Tiled's plane that is the map, in tiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    /// What becomes (0, 0). Only an infinite map has it elsewhere.
    pub(super) left: i32,
    pub(super) top: i32,
    columns: u32,
    rows: u32,
}

impl Area {
    /// Of a finite map all of it, of an infinite one the smallest part that holds all tiles.
    pub(super) fn of(file: &Spot, map: &Map, layers: &[Flat<'_>]) -> Result<Self, PlanError> {
        let area = if map.infinite() {
            let used = Self::used(layers);
            used.ok_or_else(|| file.bad("has no tiles; draw some"))?
        } else {
            Self { left: 0, top: 0, columns: map.width, rows: map.height }
        };
        for (side, tiles) in [("width", area.columns), ("height", area.rows)] {
            if !(1..=SIDE_MAX).contains(&tiles) {
                return Err(file.bad(format!("its {side} is {tiles}; use 1 to {SIDE_MAX} tiles")));
            }
        }
        let tiles = u64::from(area.columns) * u64::from(area.rows);
        if tiles > AREA_MAX {
            return Err(file.bad(format!("has {tiles} tiles; use at most {AREA_MAX}")));
        }
        Ok(area)
    }

    fn used(layers: &[Flat<'_>]) -> Option<Self> {
        let mut used: Option<(i32, i32, i32, i32)> = None;
        for flat in layers {
            each_tile(flat.layer, |x, y, _| {
                let (left, top, right, bottom) = used.unwrap_or((x, y, x, y));
                used = Some((left.min(x), top.min(y), right.max(x), bottom.max(y)));
            });
        }
        used.map(|(left, top, right, bottom)| Self {
            left,
            top,
            columns: right.abs_diff(left) + 1,
            rows: bottom.abs_diff(top) + 1,
        })
    }

    /// The ground of this area.
    pub(super) fn ground(&self, map: &Map, layers: &[Flat<'_>]) -> Result<Ground, PlanError> {
        let walls = walls(map)?;
        let mut ground = Ground::open(self.columns, self.rows);
        for flat in layers {
            each_tile(flat.layer, |x, y, tile| {
                if flat.collides || walls.contains(&(tile.tileset_index(), tile.id())) {
                    let place = (u32::try_from(x - self.left), u32::try_from(y - self.top));
                    if let (Ok(column), Ok(row)) = place {
                        ground.block(column, row);
                    }
                }
            });
        }
        Ok(ground)
    }
}

/// The tiles that are walls wherever they stand.
fn walls(map: &Map) -> Result<HashSet<(usize, TileId)>, PlanError> {
    let mut walls = HashSet::new();
    for (index, tileset) in map.tilesets().iter().enumerate() {
        let spot = Spot::file(&tileset.source);
        for (id, tile) in tileset.tiles() {
            let spot = spot.tile(&tileset.name, id);
            if properties::flag(&spot, &tile.properties, "blocks")? == Some(true) {
                walls.insert((index, id));
            }
        }
    }
    Ok(walls)
}

/// Calls for each tile of a tile layer with its column and row, in no order.
fn each_tile(layer: Layer<'_>, mut found: impl FnMut(i32, i32, &LayerTileData)) {
    match layer.as_tile_layer() {
        None => {}
        Some(TileLayer::Finite(layer)) => {
            for (x, y) in grid(layer.width(), layer.height()) {
                if let Some(tile) = layer.get_tile_data(x, y) {
                    found(x, y, tile);
                }
            }
        }
        Some(TileLayer::Infinite(layer)) => {
            for ((column, row), chunk) in layer.chunk_data() {
                for (x, y) in grid(ChunkData::WIDTH, ChunkData::HEIGHT) {
                    if let Some(tile) = chunk.get_tile_data(x, y) {
                        let left = column * ChunkData::WIDTH as i32;
                        let top = row * ChunkData::HEIGHT as i32;
                        found(left + x, top + y, tile);
                    }
                }
            }
        }
    }
}

fn grid(columns: u32, rows: u32) -> impl Iterator<Item = (i32, i32)> {
    (0..rows as i32).flat_map(move |y| (0..columns as i32).map(move |x| (x, y)))
}

//! Tiled's files: TMX maps with their tilesets and templates.
//!
//! # Layout
//! - `source`: where files come from. `screen` and `data` look through them before `tiled` reads.
//! - `layers`: from tile layers to the ground.
//! - `objects`: from objects to spawn points, portals and places.
//! - `properties`: what authors put on all of them.
//! - `contents`: all objects of a map, and whether they stand where they can.

mod contents;
mod data;
mod layers;
mod objects;
mod properties;
mod screen;
mod source;

use std::{path::Path, sync::Arc};

use protocol::MapName;
use tiled::{Loader, Map, Orientation};

pub(super) use self::source::Source;
use self::{
    contents::Contents,
    layers::{Area, Flat},
    objects::{Outline, Scale},
    source::Screened,
};
use super::{
    error::{PlanError, Spot},
    ground::Ground,
    plan::{MapPlan, NEIGHBOURS, VIEW},
};

/// A map, and where its author finds what may be wrong with it.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub(super) plan: MapPlan,
    pub(super) file: Spot,
    /// Of each portal, in the plan's order.
    pub(super) portals: Vec<Spot>,
}

/// Reads one map.
pub(super) fn read(path: &Path, source: Source<'_>) -> Result<Sheet, PlanError> {
    let file = Spot::file(path);
    let mut loader = Loader::with_reader(Screened::new(source));
    let map = loader.load_tmx_map(path).map_err(|error| refused(&file, error))?;
    if map.orientation != Orientation::Orthogonal {
        return Err(file.bad("is not orthogonal; make it anew as an orthogonal map"));
    }
    if map.tile_width == 0 || map.tile_height == 0 {
        return Err(file.bad("its tiles have no size; set it in the map's properties"));
    }
    let layers = layers::flatten(&file, &map)?;
    let area = Area::of(&file, &map, &layers)?;
    let ground = area.ground(&map, &layers)?;
    let contents = contents(&file, &map, &layers, area, &ground)?;
    contents.check(&ground)?;
    let portals = contents.portals.iter().map(|(spot, _)| spot.clone()).collect();
    let plan = plan(&file, name(&file, path, &map)?, &map, contents, ground)?;
    Ok(Sheet { plan, file, portals })
}

/// What the parser did not take. An error of our own comes back out of it as it went in.
fn refused(file: &Spot, error: tiled::Error) -> PlanError {
    match error {
        tiled::Error::ResourceLoadingError { path, err } => match err.downcast() {
            Ok(own) => *own,
            Err(other) => Spot::file(&path).bad(other.to_string()),
        },
        other => file.bad(format!("is no map that Tiled made: {other}")),
    }
}

fn contents(
    file: &Spot,
    map: &Map,
    layers: &[Flat<'_>],
    area: Area,
    ground: &Ground,
) -> Result<Contents, PlanError> {
    let mut contents = Contents::default();
    let tile = (map.tile_width as f32, map.tile_height as f32);
    let origin = (area.left as f32 * tile.0, area.top as f32 * tile.1);
    for Flat { layer, offset, .. } in layers {
        let scale = Scale { tile, origin: (origin.0 - offset.0, origin.1 - offset.1) };
        let spot = file.layer(&layer.name);
        for object in layer.as_object_layer().into_iter().flat_map(|layer| layer.objects()) {
            let outline = Outline::of(&object, scale);
            contents.add(spot.object(&object.name, object.id()), &object, outline, ground)?;
        }
    }
    Ok(contents)
}

/// The map property `name`, or else the file's name.
fn name(file: &Spot, path: &Path, map: &Map) -> Result<MapName, PlanError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let given = properties::text(file, &map.properties, "name")?;
    given.unwrap_or(&stem).parse().map_err(|error| {
        file.bad(format!("{error}; rename the file, or give the map the property `name`"))
    })
}

fn plan(
    file: &Spot,
    name: MapName,
    map: &Map,
    contents: Contents,
    ground: Ground,
) -> Result<MapPlan, PlanError> {
    let (width, height) = ground.size();
    let given = &map.properties;
    let view = properties::number(file, given, "view")?.unwrap_or(VIEW);
    if !(4.0..=128.0).contains(&view) {
        return Err(file.bad(format!("property `view` is {view}; use 4 to 128 tiles")));
    }
    let neighbours = properties::whole(file, given, "neighbours")?.unwrap_or(NEIGHBOURS.into());
    if !(1..=400).contains(&neighbours) {
        return Err(file.bad(format!("property `neighbours` is {neighbours}; use 1 to 400")));
    }
    Ok(MapPlan {
        name,
        width,
        height,
        spawn: contents.default_spawn(file)?,
        spawns: contents.spawns.into_iter().map(|(_, spawn)| spawn).collect(),
        portals: contents.portals.into_iter().map(|(_, portal)| portal).collect(),
        places: contents.places,
        ground: Arc::new(ground),
        view,
        neighbours: neighbours.try_into().unwrap_or(NEIGHBOURS),
        instance: properties::flag(file, given, "instance")?.unwrap_or(false),
        properties: properties::all(file, given)?,
    })
}

#[cfg(test)]
mod tests;

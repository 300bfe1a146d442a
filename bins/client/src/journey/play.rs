//! The steps on a map.

use client::{Client, ClientEvent, Surroundings};
use protocol::{ConnectionInfo, EntityId, MapName, Position};
use serde_json::json;

use super::{Broken, Step, Witness, course};

/// Enters the map the seat is on. Gives the map.
pub(crate) async fn enter(
    client: &Client,
    witness: &mut Witness,
    seat: &ConnectionInfo,
) -> Step<MapName> {
    let entered = client.enter(seat).await?;
    let told = witness.until(entering).await?;
    if told != entered {
        return Err(Broken::unexpected("the event and the answer tell of different places"));
    }
    arrived(entered, &seat.map)
}

/// Waits until somebody is in sight.
pub(crate) async fn meet(client: &Client, witness: &mut Witness, name: &str) -> Step<()> {
    let in_sight = surroundings(client)?.other(name).cloned();
    let sight = match in_sight {
        Some(sight) => sight,
        None => {
            witness
                .until(|event| match event {
                    ClientEvent::Appeared { sight } if sight.name == name => Some(sight.clone()),
                    _ => None,
                })
                .await?
        }
    };
    Ok(((), json!({ "other": name, "x": sight.position.x, "y": sight.position.y })))
}

/// Says something, and hears it.
pub(crate) async fn say(client: &Client, witness: &mut Witness, text: &str) -> Step<()> {
    let you = surroundings(client)?.you;
    client.say(text).await?;
    witness
        .until(|event| match event {
            ClientEvent::Said { entity, text: heard, .. } if *entity == you && heard == text => {
                Some(())
            }
            _ => None,
        })
        .await?;
    Ok(((), json!({ "text": text })))
}

/// Hears somebody, now or earlier.
pub(crate) async fn hear(witness: &mut Witness, name: &str) -> Step<()> {
    let text = witness.words_of(name).await?;
    Ok(((), json!({ "other": name, "text": text })))
}

/// Walks a little, and sees oneself come there.
pub(crate) async fn walk(client: &Client, witness: &mut Witness) -> Step<()> {
    let around = surroundings(client)?;
    let portal = course::portal(&around, None).ok_or_else(|| no_portal(&around, None))?;
    let target = course::stroll(&around, portal);
    let moves = go(client, witness, around.you, target).await?;
    Ok(((), json!({ "x": target.x, "y": target.y, "moves": moves })))
}

/// Walks into a portal, to a map or the first one there is, and arrives. Gives the map.
pub(crate) async fn warp(
    client: &Client,
    witness: &mut Witness,
    to: Option<&MapName>,
) -> Step<MapName> {
    let around = surroundings(client)?;
    let portal = course::portal(&around, to).ok_or_else(|| no_portal(&around, to))?;
    if portal.to == around.map {
        return Err(Broken::unexpected(format!("a portal of {} leads back to it", around.map)));
    }
    if let Some(outside) = course::outside(&around, portal) {
        go(client, witness, around.you, outside).await?;
    }
    client.walk(portal.at).await?;
    let entered = witness.until(entering).await?;
    arrived(entered, &portal.to)
}

/// Leaves the map; then there is none around.
pub(crate) async fn leave(client: &Client) -> Step<()> {
    client.leave().await?;
    match client.surroundings() {
        None => Ok(((), json!({}))),
        Some(around) => Err(Broken::unexpected(format!("still on {}", around.map))),
    }
}

/// Walks, and sees oneself come there. Gives the number of movements seen.
async fn go(
    client: &Client,
    witness: &mut Witness,
    you: EntityId,
    to: Position,
) -> Result<u32, Broken> {
    client.walk(to).await?;
    let mut seen = 0;
    witness
        .until(|event| {
            let ClientEvent::Moved { moves } = event else { return None };
            let own = moves.iter().find(|step| step.entity == you)?;
            seen += 1;
            (own.position.distance(to) <= course::NEAR).then_some(())
        })
        .await?;
    Ok(seen)
}

fn entering(event: &ClientEvent) -> Option<Surroundings> {
    match event {
        ClientEvent::EnteredMap(around) => Some(Surroundings::clone(around)),
        _ => None,
    }
}

fn arrived(entered: Surroundings, meant: &MapName) -> Step<MapName> {
    let Surroundings { map, channel, position, others, .. } = &entered;
    if map != meant {
        return Err(Broken::unexpected(format!("{meant} was meant, but this is {map}")));
    }
    if !course::is_on(&entered, *position) {
        return Err(Broken::unexpected(format!("{position:?} lies outside of {map}")));
    }
    let (x, y) = (position.x, position.y);
    let others = others.len();
    let details = json!({ "map": map, "channel": channel, "x": x, "y": y, "others": others });
    Ok((entered.map, details))
}

fn surroundings(client: &Client) -> Result<Surroundings, Broken> {
    client.surroundings().ok_or_else(|| Broken::disconnected("not on a map any more"))
}

fn no_portal(around: &Surroundings, to: Option<&MapName>) -> Broken {
    let map = &around.map;
    Broken::unexpected(match to {
        Some(to) => format!("{map} has no portal to {to}"),
        None => format!("{map} has no portal"),
    })
}

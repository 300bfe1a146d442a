//! Parties: those who have agreed on a word enter a dungeon together.

use protocol::{EntityId, names};
use world::Entity;

use super::{Ctx, Output};

/// Within how many tiles of each other those of a party are together.
const NEAR: f32 = 8.0;

/// The word is stored, so a party lasts from map to map.
pub(super) fn agree(player: EntityId, word: Option<String>, ctx: &mut Ctx<'_>) {
    if let Some(Err(failure)) = word.as_deref().map(names::text) {
        return ctx.refuse(player, failure.code, &failure.message);
    }
    if let Some(player) = ctx.player_mut(player) {
        player.party = word;
    }
    let party = together(player, ctx);
    let entities = party.iter().filter_map(|member| ctx.entity(*member));
    let members: Vec<String> = entities.map(|member| member.name().to_owned()).collect();
    for member in party {
        ctx.send(member, &Output::Party { members: members.clone() });
    }
}

/// A player, and those of its party who stand near.
pub(super) fn together(player: EntityId, ctx: &Ctx<'_>) -> Vec<EntityId> {
    let word = |player| ctx.player(player).and_then(|player| player.party.as_deref());
    let mut together = vec![player];
    if let (Some(entity), Some(agreed)) = (ctx.entity(player), word(player)) {
        let near = ctx.near(entity.position(), NEAR).map(Entity::id);
        together.extend(near.filter(|near| *near != player && word(*near) == Some(agreed)));
    }
    together
}

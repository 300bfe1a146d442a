//! What a game writes.

use protocol::{EntityId, Failure};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CommitId, Context,
    atlas::{PlaceError, PortalPlan},
};

/// A game's rules for one map.
///
/// The engine owns connections, positions, who sees what, saving, warps and chat; a game decides
/// what happens. Every call is synchronous and must be quick: a tick is 50 ms for all of them.
/// Whatever goes out is queued in the [`Context`] and done after the call.
///
/// A world is its own state and must be a function of what it is told: no clock, no randomness
/// but [`Context::rng`], no `HashMap` that is iterated. Then a recording of its inputs runs again
/// to the same end. Its state can be written and read, so that a recording may begin anywhere.
pub trait World: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// Read from the map's custom properties.
    type Config: DeserializeOwned;
    /// What clients ask for, in [`protocol::play::PlayInput::Act`].
    type Input: DeserializeOwned;
    /// What clients are told, in [`protocol::play::PlayMessage::Game`].
    type Output: Serialize;
    /// What is stored of a player. A new character has the default.
    type Player: Serialize + DeserializeOwned + Clone + Default + Send + 'static;

    /// The map comes to life.
    ///
    /// # Errors
    /// What [`Place::read`](crate::atlas::Place::read) gives: the map cannot be played.
    fn open(config: Self::Config, ctx: &mut Context<'_, Self>) -> Result<Self, PlaceError>;

    /// Time passes: [`Context::dt`] seconds. Everybody has walked already.
    fn tick(&mut self, ctx: &mut Context<'_, Self>);

    /// A player wants something.
    fn input(&mut self, player: EntityId, input: Self::Input, ctx: &mut Context<'_, Self>);

    /// Whether a character may come in. It is not on the map yet.
    ///
    /// # Errors
    /// Why not, and what to do; its client is told.
    fn admit(&self, name: &str, data: &Self::Player) -> Result<(), Failure> {
        let _ = (name, data);
        Ok(())
    }

    /// A player stands on the map from now on.
    fn enter(&mut self, player: EntityId, ctx: &mut Context<'_, Self>) {
        let _ = (player, ctx);
    }

    /// A player's connection was lost. It stays for a while, for its client to come back.
    fn link_lost(&mut self, player: EntityId, ctx: &mut Context<'_, Self>) {
        let _ = (player, ctx);
    }

    /// A player's client is there again.
    fn resumed(&mut self, player: EntityId, ctx: &mut Context<'_, Self>) {
        let _ = (player, ctx);
    }

    /// A player goes. It is on the map for the last time; unless it was handed over to another map,
    /// what is stored of it is saved next.
    fn leave(&mut self, player: EntityId, ctx: &mut Context<'_, Self>) {
        let _ = (player, ctx);
    }

    /// The server is shutting down. Everybody leaves next.
    fn drain(&mut self, ctx: &mut Context<'_, Self>) {
        let _ = ctx;
    }

    /// A player has walked into a portal. Unless the game does otherwise, it is taken along.
    fn warp_out(&mut self, player: EntityId, portal: &PortalPlan, ctx: &mut Context<'_, Self>) {
        if portal.instance {
            ctx.spawn_instance(&portal.to, &[player]);
        } else {
            ctx.warp(player, &portal.to, portal.arrive);
        }
    }

    /// What came of [`Context::commit`]: the players have what it changed, on the disk too, or they
    /// have what they had. They may be gone meanwhile; where all are on other maps, and no answer
    /// ever came, the failure is `deadline_passed`: it may have been done.
    fn committed(
        &mut self,
        commit: CommitId,
        result: Result<(), Failure>,
        ctx: &mut Context<'_, Self>,
    ) {
        let _ = (commit, result, ctx);
    }
}

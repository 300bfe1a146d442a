//! Being emptied while others take over: players are told, and then moved.

use std::time::{Duration, Instant};

use protocol::{
    Code, EntityId, Failure,
    backbone::{Done, operations::DrainMap},
    play::PlayMessage,
};
use world::{Input, World};

use super::{Host, command::draining};

/// Before a player that could not be moved is moved again.
const AGAIN: Duration = Duration::from_secs(2);

/// The Cluster has this server emptied.
#[derive(Debug, Clone)]
pub(super) struct Emptying {
    ends: Instant,
    /// When players are moved next.
    next: Instant,
    reason: String,
}

impl<W: World> Host<W> {
    /// Tells all players that they are to be moved, or that they are not after all.
    ///
    /// # Errors
    /// [`Code::ServerUnknown`] when another life of this server is meant.
    pub(super) fn empty(&mut self, drain: &DrainMap, now: Instant) -> Result<Done, Failure> {
        if drain.incarnation != self.own.incarnation {
            let message = format!("that life of {} is over", self.own.server);
            return Err(Failure::new(Code::ServerUnknown, message));
        }
        let reason = drain.reason.clone();
        self.emptying = drain.countdown_ms.map(|ms| {
            let ends = now + Duration::from_millis(ms);
            Emptying { ends, next: ends, reason: reason.clone() }
        });
        let countdown_ms = drain.countdown_ms;
        tracing::info!(countdown_ms, reason, "this server is being emptied, or is not any more");
        let players: Vec<EntityId> = self.players.keys().copied().collect();
        self.spread(&players, PlayMessage::Emptying { countdown_ms, reason }, now);
        Ok(Done {})
    }

    /// Somebody who was on the way has come, and hears of it too.
    pub(super) fn tell_of_emptying(&mut self, player: EntityId, now: Instant) {
        let Some(Emptying { ends, reason, .. }) = self.emptying.clone() else { return };
        let left = ends.saturating_duration_since(now).as_millis();
        let countdown_ms = Some(u64::try_from(left).unwrap_or(u64::MAX));
        self.tell(player, PlayMessage::Emptying { countdown_ms, reason }, now);
    }

    /// Moves everybody, once the countdown is over: to another channel, or home from an instance.
    /// Who cannot be moved is tried again, until this server is stopped.
    pub(super) fn move_players(&mut self, now: Instant) {
        let Some(emptying) = self.emptying.as_mut().filter(|emptying| now >= emptying.next) else {
            return;
        };
        emptying.next = now + AGAIN;
        let still = self.players.iter().filter(|(_, player)| player.warp.is_none());
        let players: Vec<EntityId> = still.map(|(entity, _)| *entity).collect();
        for player in players {
            if self.is_lost(player) {
                // Whose connection is lost cannot be told where to go.
                let reason = "the map is being emptied".to_owned();
                self.depart(player, reason, Some(draining()), now);
                continue;
            }
            let back = self.players.get(&player).and_then(|player| player.back.clone());
            let (to, arrive) = back.unwrap_or_else(|| {
                let here = self.stage.entity(player).map(world::Entity::position);
                (self.own.map.clone(), here)
            });
            self.happen(Input::Move { player, to, arrive }, now);
        }
    }
}

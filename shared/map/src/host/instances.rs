//! Instances: the ones that the game asks for, and being one.

use std::time::Instant;

use protocol::{EntityId, Failure, MapName, backbone::maps::MapServer, play::PlayMessage};
use world::{Input, World};

use super::Host;
use crate::jobs::{InstanceId, Job};

/// An instance that was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    template: MapName,
    party: Vec<EntityId>,
}

impl<W: World> Host<W> {
    /// Has an instance started, and these frozen players handed over to it.
    pub(super) fn begin_instance(&mut self, template: MapName, party: Vec<EntityId>) {
        let instance = InstanceId(self.next_warp);
        self.next_warp += 1;
        self.jobs.push(Job::Spawn(instance, template.clone()));
        self.wanted.insert(instance, Wanted { template, party });
    }

    pub(super) fn instance_spawned(
        &mut self,
        instance: InstanceId,
        spawned: Result<Box<MapServer>, Failure>,
        now: Instant,
    ) {
        let Some(Wanted { template, mut party }) = self.wanted.remove(&instance) else { return };
        party.retain(|player| self.players.contains_key(player));
        match spawned {
            Ok(target) if party.is_empty() => self.jobs.push(Job::Retire(target.server)),
            Ok(target) => {
                for player in party {
                    self.warp_to_instance(player, target.clone(), now);
                }
            }
            Err(failure) => {
                for player in party {
                    self.happen(Input::Stay(player), now);
                    let (map, failure) = (template.clone(), failure.clone());
                    self.tell(player, PlayMessage::WarpRefused { map, failure }, now);
                }
            }
        }
    }

    /// Ends this server once its party has gone, if it is an instance.
    pub(super) fn retire(&mut self, now: Instant) {
        if !self.is_instance || self.is_draining {
            return;
        }
        if !(self.is_empty() && self.seats.is_empty()) {
            self.empty_since = None;
        } else if now >= *self.empty_since.get_or_insert(now) + self.instance_idle {
            // Asked for again, should it not be heard.
            self.empty_since = None;
            self.jobs.push(Job::Retire(self.own.server.clone()));
        }
    }
}

//! What is to be written, and what came of it.

use std::time::Instant;

use protocol::CharacterId;

use super::Host;
use crate::{
    jobs::Job,
    keeper::{Verdict, Written},
};

impl Host {
    /// Starts every write that is due.
    pub(super) fn save_due(&mut self, now: Instant) {
        for character in self.keeper.due(now) {
            self.save(character, now);
        }
    }

    /// Starts a write of one character, unless one is in flight.
    pub(super) fn save(&mut self, character: CharacterId, now: Instant) {
        let state = self.present.get(&character).and_then(|entity| self.state_of(*entity));
        if let Some(write) = self.keeper.write(character, state, now) {
            self.jobs.push(Job::Write(character, Box::new(write)));
        }
    }

    pub(super) fn written(&mut self, character: CharacterId, written: Written, now: Instant) {
        match self.keeper.written(character, written, now) {
            Verdict::Kept => {
                self.warp_settle(character, now);
                // A release that waited for this write goes out at once.
                if self.departing.contains_key(&character)
                    && self.keeper.due(now).contains(&character)
                {
                    self.save(character, now);
                }
            }
            Verdict::Released => self.conclude(character, None),
            Verdict::Fenced(failure) => match self.warp_of(character) {
                Some(warp) => self.warp_fenced(warp, failure, now),
                None => self.drop_copy(character, failure, now),
            },
        }
    }
}

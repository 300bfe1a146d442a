//! What is to be written, and what came of it.

use std::time::Instant;

use protocol::{CharacterId, Code, EntityId, Failure};
use world::{CommitId, Input, World};

use super::Host;
use crate::{
    jobs::Job,
    keeper::{Verdict, Write, Written},
};

/// A save that the game waits for.
#[derive(Debug)]
pub(super) struct Commit {
    id: CommitId,
    player: EntityId,
    /// The write in flight carries what was there when it was asked for.
    is_carried: bool,
}

impl<W: World> Host<W> {
    /// Starts every write that is due.
    pub(super) fn save_due(&mut self, now: Instant) {
        for character in self.keeper.due(now) {
            self.save(character, now);
        }
    }

    /// Starts a write of one character, unless one is in flight.
    pub(super) fn save(&mut self, character: CharacterId, now: Instant) {
        let state = self.present.get(&character).and_then(|entity| self.state_of(*entity));
        let Some(write) = self.keeper.write(character, state, now) else {
            if self.keeper.is_stored(character) {
                self.commit_all(character, &Ok(()), now);
            }
            return;
        };
        if !matches!(write, Write::Check) {
            let waiting = self.commits.get_mut(&character).into_iter().flatten();
            waiting.for_each(|commit| commit.is_carried = true);
        }
        self.jobs.push(Job::Write(character, Box::new(write)));
    }

    /// Saves a player now, for the game.
    pub(super) fn commit(&mut self, id: CommitId, player: EntityId, now: Instant) {
        let Some(character) = self.players.get(&player).map(|player| player.character) else {
            let failure = Failure::new(Code::CharacterUnknown, "that player is not here");
            return self.happen(Input::Committed(id, player, Err(failure)), now);
        };
        let commit = Commit { id, player, is_carried: false };
        self.commits.entry(character).or_default().push(commit);
        self.keeper.hasten(character, now);
        self.save(character, now);
    }

    /// Tells the game that all it waits for of a character is durable, or why it is not.
    pub(super) fn commit_all(
        &mut self,
        character: CharacterId,
        result: &Result<(), Failure>,
        now: Instant,
    ) {
        for commit in self.commits.remove(&character).into_iter().flatten() {
            self.happen(Input::Committed(commit.id, commit.player, result.clone()), now);
        }
    }

    fn commit_carried(
        &mut self,
        character: CharacterId,
        result: &Result<(), Failure>,
        now: Instant,
    ) {
        let Some(waiting) = self.commits.remove(&character) else { return };
        let (carried, rest): (Vec<Commit>, _) =
            waiting.into_iter().partition(|commit| commit.is_carried);
        if !rest.is_empty() {
            self.commits.insert(character, rest);
            self.keeper.hasten(character, now);
        }
        for commit in carried {
            self.happen(Input::Committed(commit.id, commit.player, result.clone()), now);
        }
    }

    pub(super) fn written(&mut self, character: CharacterId, written: Written, now: Instant) {
        let result = match &written {
            Written::Saved(Ok(_)) | Written::Released(Ok(())) => Some(Ok(())),
            Written::Saved(Err(failure)) | Written::Released(Err(failure)) => {
                Some(Err(failure.clone()))
            }
            Written::Checked(_) => None,
        };
        let verdict = self.keeper.written(character, written, now);
        if let Some(result) = result {
            self.commit_carried(character, &result, now);
        }
        match verdict {
            Verdict::Kept => {
                self.warp_settle(character, now);
                // What waited for this write goes out at once: a release, or the game's next save.
                let is_waited_for = self.departing.contains_key(&character)
                    || self.commits.contains_key(&character);
                if is_waited_for && self.keeper.due(now).contains(&character) {
                    self.save(character, now);
                }
            }
            Verdict::Released => self.conclude(character, None, now),
            Verdict::Fenced(failure) => match self.warp_of(character) {
                Some(warp) => self.warp_fenced(warp, failure, now),
                None => self.drop_copy(character, failure, now),
            },
        }
    }
}

//! What is to be written, and what came of it.

use std::time::{Duration, Instant};

use protocol::{
    CharacterId, Code, EntityId, Failure,
    backbone::characters::{Claim, SaveCharacter},
};
use serde_json::Value;
use world::{Change, CommitId, Input, World};

use super::Host;
use crate::{
    jobs::{Job, is_refusal},
    keeper::{Verdict, Written},
};

/// Before a commit of which nothing was heard is asked for again.
const AGAIN: Duration = Duration::from_millis(500);

/// What changes hands between characters: all of it at once, or nothing.
#[derive(Debug)]
pub(super) struct Commit {
    members: Vec<Member>,
    /// What was asked for, as it is asked for again until it is known what came of it.
    asked: Option<Vec<SaveCharacter>>,
    /// When to ask again.
    again: Option<Instant>,
    /// Of a try nothing was heard: it may have been done.
    unheard: bool,
    /// Why it was refused. An earlier try may have been done all the same, unheard: the claims tell.
    refused: Option<Failure>,
}

#[derive(Debug)]
struct Member {
    character: CharacterId,
    change: Change,
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
        if let Some(write) = self.keeper.write(character, state, now) {
            self.jobs.push(Job::Write(character, Box::new(write)));
        }
    }

    /// Saves players together, for the game.
    pub(super) fn commit(&mut self, id: CommitId, changes: Vec<Change>, now: Instant) {
        let members = changes.into_iter().map(|change| {
            let character = self.players.get(&change.player)?.character;
            Some(Member { character, change })
        });
        match members.collect() {
            Some(members) => {
                let (asked, again, unheard, refused) = (None, None, false, None);
                self.commits.insert(id, Commit { members, asked, again, unheard, refused });
                self.ask_commit(id, now);
            }
            None => self.happen(Input::Committed(id, Err(gone())), now),
        }
    }

    /// Asks for a commit, once no other write of any of its characters is under way.
    fn ask_commit(&mut self, id: CommitId, now: Instant) {
        let waiting = self.commits.get(&id).filter(|commit| commit.asked.is_none());
        let members = waiting.into_iter().flat_map(|commit| &commit.members);
        let members: Vec<CharacterId> = members.map(|member| member.character).collect();
        let busy = members.iter().filter(|character| !self.keeper.is_free(**character));
        let busy: Vec<CharacterId> = busy.copied().collect();
        for character in &busy {
            // A claim in doubt is looked at now rather than by and by.
            self.keeper.hasten(*character, now);
        }
        if members.is_empty() || !busy.is_empty() {
            return;
        }
        let Some(mut commit) = self.commits.remove(&id) else { return };
        let saves = commit.members.iter().filter_map(|Member { character, change }| {
            let mut state = self.state_of(change.player)?;
            state.data = change.data.clone();
            let (claim, mut ledger) = self.keeper.join(*character, &state)?;
            ledger.extend(change.ledger.iter().cloned());
            Some(SaveCharacter { character: *character, claim, state, ledger })
        });
        let saves: Vec<SaveCharacter> = saves.collect();
        commit.asked = Some(saves.clone());
        self.commits.insert(id, commit);
        self.jobs.push(Job::Commit(id, saves));
    }

    /// Asks for commits that wait for their turn, and again for those of which nothing was heard.
    pub(super) fn tick_commits(&mut self, now: Instant) {
        let waiting: Vec<CommitId> = self.commits.keys().copied().collect();
        for id in waiting {
            self.ask_commit(id, now);
            let Some(commit) = self.commits.get_mut(&id) else { continue };
            if commit.again.take_if(|again| *again <= now).is_some()
                && let Some(asked) = &commit.asked
            {
                self.jobs.push(Job::Commit(id, asked.clone()));
            }
        }
    }

    /// All commits of which nothing was heard.
    pub(super) fn commits_asked(&self) -> Vec<Vec<SaveCharacter>> {
        self.commits.values().filter_map(|commit| commit.asked.clone()).collect()
    }

    /// What came of a commit. While that is not known, its characters are neither saved nor let
    /// go: it may have been done, and then what is stored of them is what it made of them.
    pub(super) fn committed(
        &mut self,
        id: CommitId,
        answer: Result<Vec<Claim>, Failure>,
        now: Instant,
    ) {
        let failure = match answer {
            Ok(claims) => return self.commit_done(id, claims, now),
            Err(failure) => failure,
        };
        let Some(commit) = self.commits.get_mut(&id) else { return };
        if !is_refusal(&failure) {
            (commit.again, commit.unheard) = (Some(now + AGAIN), true);
            return;
        }
        commit.refused = Some(failure);
        let members: Vec<_> = commit.members.iter().map(|member| member.character).collect();
        for character in members {
            self.keeper.refused(character, now);
            self.save(character, now);
        }
    }

    /// The claim of a character was read anew, or it is somebody else's by now: that decides what
    /// came of a commit that was refused.
    fn decide_commit(&mut self, character: CharacterId, found: Option<&Claim>, now: Instant) {
        let mut refused = self.commits.iter().filter(|(_, commit)| commit.refused.is_some());
        let Some((&id, commit)) = refused.find(|(_, commit)| commit.has(character)) else { return };
        let is_done = match found {
            Some(found) => {
                let Some(asked) = commit.asked_of(character) else { return };
                // It was away and is to come here again: that tells as little as one that is gone,
                // as which it is taken next.
                if found.epoch != asked.claim.epoch {
                    return;
                }
                // Nobody else saves in this epoch: one version more is that of this commit.
                found.version > asked.claim.version
            }
            None if commit.members.iter().any(|it| self.keeper.keeps(it.character)) => return,
            None => false,
        };
        let Some(commit) = self.commits.remove(&id) else { return };
        let failure = match found {
            // All of them are elsewhere, and nobody here can tell.
            None if commit.unheard => Some(not_known()),
            _ => commit.refused.filter(|_| !is_done),
        };
        self.happen(Input::Committed(id, failure.map_or(Ok(()), Err)), now);
        if is_done {
            for Member { character, change } in commit.members {
                self.change_leaving(character, &change.data);
            }
        }
    }

    fn commit_done(&mut self, id: CommitId, claims: Vec<Claim>, now: Instant) {
        let Some(commit) = self.commits.remove(&id) else { return };
        self.happen(Input::Committed(id, Ok(())), now);
        for (Member { character, change }, claim) in commit.members.into_iter().zip(claims) {
            self.change_leaving(character, &change.data);
            self.written(character, Written::Saved(Ok(claim)), now);
        }
    }

    /// Somebody who is leaving, or being handed over, has what a commit made of it.
    fn change_leaving(&mut self, character: CharacterId, data: &Value) {
        self.keeper.change_last(character, data);
        if let Some(departing) = self.departing.get_mut(&character) {
            departing.last.data = data.clone();
        }
        for warp in self.warps.values_mut() {
            warp.change(character, data);
        }
    }

    /// Gives up a commit that was not asked for yet, since one of its players goes.
    pub(super) fn give_up_commit(&mut self, entity: EntityId, now: Instant) {
        let is_of = |commit: &Commit| commit.members.iter().any(|it| it.change.player == entity);
        let mut waiting = self.commits.iter().filter(|(_, commit)| commit.asked.is_none());
        if let Some(id) = waiting.find(|(_, commit)| is_of(commit)).map(|(id, _)| *id) {
            self.commits.remove(&id);
            self.happen(Input::Committed(id, Err(gone())), now);
        }
    }

    pub(super) fn written(&mut self, character: CharacterId, written: Written, now: Instant) {
        if let Written::Checked(Ok(claim)) = &written {
            self.decide_commit(character, Some(claim), now);
        }
        let verdict = self.keeper.written(character, written, now);
        if matches!(verdict, Verdict::Fenced(_)) {
            self.decide_commit(character, None, now);
        }
        match verdict {
            Verdict::Kept => {
                self.warp_settle(character, now);
                // What waited for this write goes out at once: a release, or a commit.
                if self.departing.contains_key(&character) {
                    self.save(character, now);
                }
                self.tick_commits(now);
            }
            Verdict::Released => self.conclude(character, None),
            Verdict::Fenced(failure) => match self.warp_of(character) {
                Some(warp) => self.warp_fenced(warp, failure, now),
                None => self.drop_copy(character, failure, now),
            },
        }
    }
}

impl Commit {
    fn has(&self, character: CharacterId) -> bool {
        self.members.iter().any(|member| member.character == character)
    }

    fn asked_of(&self, character: CharacterId) -> Option<&SaveCharacter> {
        self.asked.iter().flatten().find(|save| save.character == character)
    }
}

fn not_known() -> Failure {
    let message = "its players are all elsewhere, and it is not known whether it was done";
    Failure::new(Code::DeadlinePassed, message)
}

fn gone() -> Failure {
    Failure::new(Code::CharacterUnknown, "that player has gone")
}

//! Saving. Pure: says what to write and when, and is told how it went.
//!
//! Each save names the claim that the one before it was answered with, so there is at most one in
//! flight for each character. A save whose answer is lost leaves the claim in doubt; it is read
//! anew before anything else is written, or the next save would be fenced by our own.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{CharacterId, CharacterState, Code, Failure, backbone::characters::Claim};

/// The first wait after a failure; doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// After so many saves in a row that nothing was to be written for, the claim is read anew: who
/// stands still is never fenced by a save, and would stay here for good after it was passed over.
const IDLE_SAVES: u32 = 3;

/// Something to be sent to the `characters` service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Write {
    /// Read the claim anew.
    Check,
    /// Save and keep.
    Save { claim: Claim, state: CharacterState },
    /// Save and give up.
    Release { claim: Claim, state: CharacterState },
}

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Written {
    Checked(Result<Claim, Failure>),
    Saved(Result<Claim, Failure>),
    Released(Result<(), Failure>),
}

/// What that means for the character.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It goes on; another write may be due.
    Kept,
    /// It is saved and given up; nothing is kept of it any more.
    Released,
    /// Somebody else owns it: this copy must go, unsaved. Nothing is kept of it any more.
    Fenced(Failure),
}

/// Whether a claim can be handed over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Settled {
    Yes(Claim),
    /// A save is in flight.
    NotYet,
    /// A save failed, and what is stored is not known.
    InDoubt,
}

/// The claims of all characters here, and what is still to be saved of them.
#[derive(Debug)]
pub(crate) struct Keeper {
    every: Duration,
    kept: BTreeMap<CharacterId, Kept>,
}

#[derive(Debug)]
struct Kept {
    claim: Claim,
    /// What the store holds, as far as known.
    stored: CharacterState,
    /// A save failed, so the store may hold another state.
    may_differ: bool,
    /// Saves in a row that nothing was to be written for.
    idle_saves: u32,
    /// What the write in flight carries.
    flight: Option<CharacterState>,
    in_doubt: bool,
    /// A release was sent, and its answer lost.
    release_unheard: bool,
    /// The last state, of a character that is leaving.
    last: Option<CharacterState>,
    /// A warp is going on: no saves of its own.
    held: bool,
    due: Instant,
    failures: u32,
}

impl Keeper {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, kept: BTreeMap::new() }
    }

    /// A character came.
    pub(crate) fn adopt(
        &mut self,
        character: CharacterId,
        claim: Claim,
        stored: CharacterState,
        now: Instant,
    ) {
        let kept = Kept {
            claim,
            stored,
            may_differ: false,
            idle_saves: 0,
            flight: None,
            in_doubt: false,
            release_unheard: false,
            last: None,
            held: false,
            due: now + self.every,
            failures: 0,
        };
        self.kept.insert(character, kept);
    }

    /// Who may have something to write now.
    pub(crate) fn due(&self, now: Instant) -> Vec<CharacterId> {
        let is_due = |kept: &Kept| kept.due <= now && kept.flight.is_none() && !kept.held;
        self.kept.iter().filter(|(_, kept)| is_due(kept)).map(|(id, _)| *id).collect()
    }

    /// What to write for a character that is [`Keeper::due`], given its state now.
    pub(crate) fn write(
        &mut self,
        character: CharacterId,
        state: Option<CharacterState>,
        now: Instant,
    ) -> Option<Write> {
        let kept = self.kept.get_mut(&character)?;
        if kept.flight.is_some() || kept.held {
            return None;
        }
        let state = kept.last.clone().or(state)?;
        let leaving = kept.last.is_some();
        let is_idle = !leaving && !kept.in_doubt && !kept.may_differ && state == kept.stored;
        kept.idle_saves = if is_idle { kept.idle_saves + 1 } else { 0 };
        if is_idle && kept.idle_saves < IDLE_SAVES {
            kept.due = now + self.every;
            return None;
        }
        kept.flight = Some(state.clone());
        if is_idle {
            kept.idle_saves = 0;
            return Some(Write::Check);
        }
        let claim = kept.claim.clone();
        Some(match (kept.in_doubt, leaving) {
            (true, _) => Write::Check,
            (false, true) => Write::Release { claim, state },
            (false, false) => Write::Save { claim, state },
        })
    }

    /// The next write of a character is due now.
    pub(crate) fn hasten(&mut self, character: CharacterId, now: Instant) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.due = kept.due.min(now);
        }
    }

    /// Whether what the store holds of a character was all there is when it was last looked at.
    pub(crate) fn is_stored(&self, character: CharacterId) -> bool {
        let kept = self.kept.get(&character);
        kept.is_some_and(|kept| kept.flight.is_none() && !kept.in_doubt && !kept.held)
    }

    /// The character leaves: this is the last state to be saved.
    pub(crate) fn release(&mut self, character: CharacterId, last: CharacterState, now: Instant) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.last = Some(last);
            kept.held = false;
            kept.due = now;
        }
    }

    /// A write has ended.
    pub(crate) fn written(
        &mut self,
        character: CharacterId,
        written: Written,
        now: Instant,
    ) -> Verdict {
        let Some(kept) = self.kept.get_mut(&character) else { return Verdict::Kept };
        let state = kept.flight.take();
        let is_release = matches!(written, Written::Released(_));
        let is_save = matches!(written, Written::Saved(_));
        let failure = match written {
            Written::Released(Ok(())) => {
                self.kept.remove(&character);
                return Verdict::Released;
            }
            Written::Saved(Ok(claim)) => {
                kept.settle(claim, now, self.every);
                kept.stored = state.unwrap_or_else(|| kept.stored.clone());
                kept.may_differ = false;
                return Verdict::Kept;
            }
            Written::Checked(Ok(claim)) => {
                if claim.owner == kept.claim.owner && claim.epoch == kept.claim.epoch {
                    // What was in doubt is written again at once: cheaper than to compare.
                    kept.settle(claim, now, Duration::ZERO);
                    return Verdict::Kept;
                }
                Failure::new(Code::Fenced, "this character was handed over meanwhile")
            }
            Written::Released(Err(failure))
            | Written::Saved(Err(failure))
            | Written::Checked(Err(failure)) => failure,
        };
        if matches!(failure.code, Code::Fenced | Code::CharacterUnknown) {
            let was_done = kept.release_unheard;
            self.kept.remove(&character);
            return if was_done { Verdict::Released } else { Verdict::Fenced(failure) };
        }
        // A release that was done although its answer was lost is fenced the next time: that is
        // answer enough. One that was never sent is not that. After a save the claim must be read anew.
        kept.release_unheard |= is_release && failure.code == Code::DeadlinePassed;
        kept.in_doubt |= !is_release;
        kept.may_differ |= is_save;
        let wait = BACKOFF.saturating_mul(1 << kept.failures.min(8)).min(BACKOFF_MAX);
        kept.failures += 1;
        kept.due = now + wait;
        Verdict::Kept
    }

    /// A warp begins: no saves until it has ended.
    pub(crate) fn hold(&mut self, character: CharacterId) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.held = true;
        }
    }

    /// The warp did not happen.
    pub(crate) fn unhold(&mut self, character: CharacterId) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.held = false;
        }
    }

    /// What to write before a character is handed over: if that fails, nothing is begun that may
    /// have half happened. `None` where a write is in flight, whose end tells as much, or where one
    /// has failed.
    pub(crate) fn confirm(
        &mut self,
        character: CharacterId,
        state: CharacterState,
    ) -> Option<Write> {
        let kept = self.kept.get_mut(&character)?;
        if kept.flight.is_some() || kept.in_doubt {
            return None;
        }
        kept.flight = Some(state.clone());
        Some(Write::Save { claim: kept.claim.clone(), state })
    }

    /// The claim to hand over, once no save is in flight.
    pub(crate) fn settled(&self, character: CharacterId) -> Settled {
        match self.kept.get(&character) {
            Some(kept) if kept.flight.is_some() => Settled::NotYet,
            Some(kept) if !kept.in_doubt => Settled::Yes(kept.claim.clone()),
            _ => Settled::InDoubt,
        }
    }

    /// The character is somebody else's now: it is never saved here again.
    pub(crate) fn forget(&mut self, character: CharacterId) {
        self.kept.remove(&character);
    }

    /// Whether anything is kept of a character.
    pub(crate) fn keeps(&self, character: CharacterId) -> bool {
        self.kept.contains_key(&character)
    }

    /// Characters of which something is kept.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }
}

impl Kept {
    fn settle(&mut self, claim: Claim, now: Instant, next: Duration) {
        self.claim = claim;
        self.in_doubt = false;
        self.failures = 0;
        self.due = if self.last.is_some() { now } else { now + next };
    }
}

#[cfg(test)]
mod tests;

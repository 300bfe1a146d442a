//! Saving. Pure: says what to write and when, and is told how it went.
//!
//! Each save names the claim that the one before it was answered with, so there is at most one in
//! flight for each character. A save whose answer is lost leaves the claim in doubt; it is read
//! anew before anything else is written, or the next save would be fenced by our own. Whether the
//! version has grown tells then whether the lines of the ledger that went with it are written. It is
//! not read before that save can no longer be done: one that is done later would be taken for the
//! next one, and its lines or its commit with it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{
    CharacterId, CharacterState, Code, Failure, LedgerEntry, backbone::characters::Claim,
};
use serde_json::Value;

use crate::{jobs::LATE, recovery::Leftover};

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
    Save { claim: Claim, state: CharacterState, ledger: Vec<LedgerEntry> },
    /// Save and give up.
    Release { claim: Claim, state: CharacterState, ledger: Vec<LedgerEntry> },
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
    /// What the store holds; `None` where a save has failed since, so that it is not known.
    stored: Option<CharacterState>,
    /// Saves in a row that nothing was to be written for.
    idle_saves: u32,
    /// The write in flight.
    flight: Option<Flight>,
    /// A save has failed whose outcome is not known. It carried so many lines.
    in_doubt: Option<usize>,
    /// Until then the save in doubt may still be done.
    late_until: Instant,
    /// What the ledger lacks.
    ledger: Vec<LedgerEntry>,
    /// A release was sent, and its answer lost.
    release_unheard: bool,
    /// The last state, of a character that is leaving.
    last: Option<CharacterState>,
    /// A warp is going on: no saves of its own.
    held: bool,
    due: Instant,
    /// When what is stored was last known to be all there is.
    fresh: Instant,
    failures: u32,
}

/// What a write carries.
#[derive(Debug)]
struct Flight {
    state: CharacterState,
    /// How many of the lines that the ledger lacks.
    lines: usize,
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
            stored: Some(stored),
            idle_saves: 0,
            flight: None,
            in_doubt: None,
            late_until: now,
            ledger: Vec::new(),
            release_unheard: false,
            last: None,
            held: false,
            due: now + self.every,
            fresh: now,
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
        let is_known = kept.in_doubt.is_none();
        if !is_known && now < kept.late_until {
            kept.due = kept.late_until;
            return None;
        }
        let state = kept.last.clone().or(state)?;
        let leaving = kept.last.is_some();
        let is_stored = kept.stored.as_ref() == Some(&state) && kept.ledger.is_empty();
        let is_idle = !leaving && is_known && is_stored;
        kept.idle_saves = if is_idle { kept.idle_saves + 1 } else { 0 };
        if is_idle && kept.idle_saves < IDLE_SAVES {
            (kept.due, kept.fresh) = (now + self.every, now);
            return None;
        }
        let (claim, ledger) = kept.begin(&state);
        if is_idle {
            (kept.idle_saves, kept.fresh) = (0, now);
            return Some(Write::Check);
        }
        Some(match (is_known, leaving) {
            (false, _) => Write::Check,
            (true, true) => Write::Release { claim, state, ledger },
            (true, false) => Write::Save { claim, state, ledger },
        })
    }

    /// Something is to be written into the ledger with the next save.
    pub(crate) fn book(&mut self, character: CharacterId, entry: LedgerEntry) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.ledger.push(entry);
        }
    }

    /// Whether a character can be written together with others.
    pub(crate) fn is_free(&self, character: CharacterId) -> bool {
        let is_free = |kept: &Kept| kept.is_settled() && !kept.held && kept.last.is_none();
        self.kept.get(&character).is_some_and(is_free)
    }

    /// Begins to write a character that [`Keeper::is_free`] together with others: on what grounds,
    /// and what the ledger lacks.
    pub(crate) fn join(
        &mut self,
        character: CharacterId,
        state: &CharacterState,
    ) -> Option<(Claim, Vec<LedgerEntry>)> {
        self.kept.get_mut(&character).map(|kept| kept.begin(state))
    }

    /// A write together with others was refused. Whether it was for this character's sake is not
    /// told, so its claim is read anew.
    pub(crate) fn refused(&mut self, character: CharacterId, now: Instant) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.in_doubt = kept.flight.take().map(|flight| flight.lines);
            kept.stored = None;
            kept.due = now;
        }
    }

    /// What the ledger lacks of a character.
    pub(crate) fn ledger(&self, character: CharacterId) -> Vec<LedgerEntry> {
        self.kept.get(&character).map(|kept| kept.ledger.clone()).unwrap_or_default()
    }

    /// The next write of a character is due now.
    pub(crate) fn hasten(&mut self, character: CharacterId, now: Instant) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.due = kept.due.min(now);
        }
    }

    /// The character leaves: this is the last state to be saved.
    pub(crate) fn release(&mut self, character: CharacterId, last: CharacterState, now: Instant) {
        if let Some(kept) = self.kept.get_mut(&character) {
            kept.last = Some(last);
            kept.held = false;
            kept.due = now;
        }
    }

    /// What a commit made of a character that is leaving.
    pub(crate) fn change_last(&mut self, character: CharacterId, data: &Value) {
        let kept = self.kept.get_mut(&character);
        if let Some(last) = kept.and_then(|kept| kept.last.as_mut()) {
            last.data = data.clone();
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
        let flight = kept.flight.take();
        let is_release = matches!(written, Written::Released(_));
        let is_save = matches!(written, Written::Saved(_));
        let failure = match written {
            Written::Released(Ok(())) => {
                self.kept.remove(&character);
                return Verdict::Released;
            }
            Written::Saved(Ok(claim)) => {
                kept.settle(claim, now, self.every);
                kept.fresh = now;
                if let Some(Flight { state, lines }) = flight {
                    kept.stored = Some(state);
                    kept.written_lines(lines);
                }
                return Verdict::Kept;
            }
            Written::Checked(Ok(claim)) => {
                if claim.owner == kept.claim.owner && claim.epoch == kept.claim.epoch {
                    // Nobody else saves in this epoch: one version more is that of the save in doubt.
                    if claim.version > kept.claim.version {
                        kept.written_lines(kept.in_doubt.unwrap_or_default());
                    }
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
        if is_save {
            kept.stored = None;
        }
        if !is_release && kept.in_doubt.is_none() {
            kept.in_doubt = Some(flight.map_or(0, |flight| flight.lines));
            if failure.code == Code::DeadlinePassed {
                kept.late_until = now + LATE;
            }
        }
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
        if !kept.is_settled() {
            return None;
        }
        let (claim, ledger) = kept.begin(&state);
        Some(Write::Save { claim, state, ledger })
    }

    /// The claim to hand over, once no save is in flight.
    pub(crate) fn settled(&self, character: CharacterId) -> Settled {
        match self.kept.get(&character) {
            Some(kept) if kept.flight.is_some() => Settled::NotYet,
            Some(kept) if kept.in_doubt.is_none() => Settled::Yes(kept.claim.clone()),
            _ => Settled::InDoubt,
        }
    }

    /// The character is somebody else's now: it is never saved here again.
    pub(crate) fn forget(&mut self, character: CharacterId) {
        self.kept.remove(&character);
    }

    /// What is in hand of everybody, with the state that is to be saved in the end. `state` gives
    /// that of those who still play.
    pub(crate) fn left(
        &self,
        state: impl Fn(CharacterId) -> Option<CharacterState>,
    ) -> Vec<Leftover> {
        let left = self.kept.iter().filter_map(|(character, kept)| {
            let flight = kept.flight.as_ref();
            Some(Leftover {
                character: *character,
                claim: kept.claim.clone(),
                state: kept.last.clone().or_else(|| state(*character))?,
                ledger: kept.ledger.clone(),
                unheard: kept.in_doubt.or(flight.map(|flight| flight.lines)).unwrap_or(0),
            })
        });
        left.collect()
    }

    /// How long ago all that is stored of somebody was last known to be all there is, at most; and
    /// of how many a save has failed.
    pub(crate) fn backlog(&self, now: Instant) -> (Duration, usize) {
        let age = |kept: &Kept| now.saturating_duration_since(kept.fresh);
        let oldest = self.kept.values().map(age).max().unwrap_or_default();
        (oldest, self.kept.values().filter(|kept| kept.failures > 0).count())
    }

    /// Whether anything is kept of a character.
    pub(crate) fn keeps(&self, character: CharacterId) -> bool {
        self.kept.contains_key(&character)
    }

    /// Characters of which something is kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }
}

impl Kept {
    /// No write is in flight, and what the store holds is known.
    fn is_settled(&self) -> bool {
        self.flight.is_none() && self.in_doubt.is_none()
    }

    /// A write begins, on these grounds and with these lines.
    fn begin(&mut self, state: &CharacterState) -> (Claim, Vec<LedgerEntry>) {
        self.flight = Some(Flight { state: state.clone(), lines: self.ledger.len() });
        (self.claim.clone(), self.ledger.clone())
    }

    fn written_lines(&mut self, lines: usize) {
        self.ledger.drain(..lines.min(self.ledger.len()));
    }

    fn settle(&mut self, claim: Claim, now: Instant, next: Duration) {
        self.claim = claim;
        self.in_doubt = None;
        self.failures = 0;
        self.due = if self.last.is_some() { now } else { now + next };
    }
}

#[cfg(test)]
mod tests;

//! The store's rules, in memory, as `shared/store/src/ownership.rs` has them: every change names
//! owner, epoch and version; one that is repeated with the same words is answered as the first time.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    AccountId, CharacterId, CharacterState, Code, Failure, LedgerEntry,
    backbone::{
        Life,
        characters::{Claim, LoadedCharacter, ReleaseCharacter, SaveCharacter, TransferCharacter},
    },
};

use super::{Planted, game::Verdict};

/// What everybody begins with.
const COINS: i64 = 100;

/// All characters.
#[derive(Debug)]
pub(super) struct Store {
    rows: BTreeMap<CharacterId, Row>,
    planted: Planted,
    commits: u64,
    /// Changes that the game was told to be refused: none of them may ever be found.
    refused: BTreeSet<u64>,
    /// The first rule that was broken.
    pub(super) broken: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) account: AccountId,
    pub(super) owner: Option<Life>,
    pub(super) epoch: u64,
    pub(super) version: u64,
    pub(super) state: CharacterState,
    ledger: Vec<LedgerEntry>,
}

/// A row and what is to become of it.
struct Change {
    character: CharacterId,
    claim: Claim,
    owner: Option<Life>,
    epoch: u64,
    state: CharacterState,
    ledger: Vec<LedgerEntry>,
}

impl Change {
    fn save(save: SaveCharacter) -> Self {
        let SaveCharacter { character, claim, state, ledger } = save;
        let (owner, epoch) = (Some(claim.owner.clone()), claim.epoch);
        Self { character, claim, owner, epoch, state, ledger }
    }

    fn after(&self) -> Option<Claim> {
        let (epoch, version) = (self.epoch, self.claim.version + 1);
        self.owner.clone().map(|owner| Claim { owner, epoch, version })
    }
}

impl Row {
    fn holds(&self, claim: &Claim) -> bool {
        self.owner.as_ref() == Some(&claim.owner)
            && (self.epoch, self.version) == (claim.epoch, claim.version)
    }

    /// Whether a change has been made of this row already.
    fn is_made(&self, change: &Change) -> bool {
        self.owner == change.owner
            && (self.epoch, self.version) == (change.epoch, change.claim.version + 1)
            && self.state == change.state
    }

    fn make(&mut self, change: Change) {
        (self.owner, self.epoch) = (change.owner, change.epoch);
        (self.version, self.state) = (change.claim.version + 1, change.state);
        self.ledger.extend(change.ledger);
    }

    fn lines(&self, change: u64) -> impl Iterator<Item = i64> {
        let of_it = self.ledger.iter().filter(move |entry| entry.reason == change.to_string());
        of_it.map(|entry| entry.amount)
    }

    fn coins(&self) -> i64 {
        self.state.data.as_i64().unwrap()
    }
}

fn fenced() -> Failure {
    Failure::new(Code::Fenced, "that claim does not hold")
}

impl Store {
    pub(super) fn new(planted: Planted) -> Self {
        let (rows, refused) = (BTreeMap::new(), BTreeSet::new());
        Self { rows, planted, commits: 0, refused, broken: None }
    }

    pub(super) fn create(&mut self, character: CharacterId, account: AccountId) {
        let state =
            CharacterState { map: "town".parse().unwrap(), position: None, data: COINS.into() };
        let row = Row { account, owner: None, epoch: 0, version: 0, state, ledger: Vec::new() };
        self.rows.insert(character, row);
    }

    pub(super) fn row(&self, character: CharacterId) -> &Row {
        &self.rows[&character]
    }

    pub(super) fn claim(
        &mut self,
        character: CharacterId,
        to: &Life,
        expected: Option<&Life>,
    ) -> Result<(), Failure> {
        let row = self.rows.get_mut(&character).unwrap();
        if row.owner.as_ref() != expected {
            return Err(fenced());
        }
        (row.owner, row.epoch) = (Some(to.clone()), row.epoch + 1);
        Ok(())
    }

    pub(super) fn load(
        &self,
        character: CharacterId,
        owner: &Life,
    ) -> Result<LoadedCharacter, Failure> {
        let row = self.row(character);
        if row.owner.as_ref() != Some(owner) {
            return Err(fenced());
        }
        let claim = Claim { owner: owner.clone(), epoch: row.epoch, version: row.version };
        let (account, name, state) = (row.account, "Ada".to_owned(), row.state.clone());
        Ok(LoadedCharacter { character, account, name, claim, state })
    }

    pub(super) fn save(&mut self, save: SaveCharacter) -> Result<Vec<Claim>, Failure> {
        let mut change = Change::save(save);
        if self.planted == Planted::SaveAtAnyEpoch {
            let row = self.row(change.character);
            let (owner, epoch, version) = (row.owner.clone(), row.epoch, row.version);
            (change.epoch, change.claim.epoch, change.claim.version) = (epoch, epoch, version);
            change.claim.owner = owner.clone().unwrap_or(change.claim.owner);
            change.owner = owner;
        }
        self.write_back(vec![change])
    }

    pub(super) fn commit(&mut self, saves: Vec<SaveCharacter>) -> Result<Vec<Claim>, Failure> {
        self.commits += 1;
        let mut changes: Vec<Change> = saves.into_iter().map(Change::save).collect();
        let claims = changes.iter().filter_map(Change::after).collect();
        if self.planted == Planted::CommitForgotten && self.commits.is_multiple_of(3) {
            return Ok(claims);
        }
        if self.planted == Planted::HalfCommit {
            changes.truncate(1);
        }
        self.write_back(changes).map(|_| claims)
    }

    pub(super) fn transfer(&mut self, transfer: TransferCharacter) -> Result<Vec<Claim>, Failure> {
        let TransferCharacter { character, claim, state, ledger, to } = transfer;
        let epoch = claim.epoch + 1;
        let change = Change { character, claim, owner: Some(to), epoch, state, ledger };
        self.write_back(vec![change])
    }

    pub(super) fn release(&mut self, release: ReleaseCharacter) -> Result<Vec<Claim>, Failure> {
        let ReleaseCharacter { character, claim, mut state, mut ledger } = release;
        if self.planted == Planted::ReleaseBeforeSave && self.row(character).holds(&claim) {
            // Given up first; the save that comes then has no owner any more.
            state = self.row(character).state.clone();
            ledger.clear();
        }
        let epoch = claim.epoch + 1;
        let change = Change { character, claim, owner: None, epoch, state, ledger };
        self.write_back(vec![change])
    }

    pub(super) fn abandon(&mut self, character: CharacterId, owner: &Life, epoch: Option<u64>) {
        let row = self.rows.get_mut(&character).unwrap();
        let is_owner =
            row.owner.as_ref() == Some(owner) || self.planted == Planted::AbandonOfAnybody;
        if is_owner && epoch.is_none_or(|epoch| epoch == row.epoch) {
            (row.owner, row.epoch) = (None, row.epoch + 1);
        }
    }

    fn write_back(&mut self, changes: Vec<Change>) -> Result<Vec<Claim>, Failure> {
        let claims = changes.iter().filter_map(Change::after).collect();
        let row = |change: &Change| self.row(change.character);
        if !changes.iter().all(|change| row(change).holds(&change.claim)) {
            let repeated = changes.iter().all(|change| row(change).is_made(change));
            let heard = repeated && self.planted != Planted::RepetitionRefused;
            return if heard { Ok(claims) } else { Err(fenced()) };
        }
        let mut touched = BTreeSet::new();
        for change in changes {
            let numbers = change.ledger.iter().map(|entry| entry.reason.parse::<u64>().unwrap());
            touched.extend(numbers);
            let character = change.character;
            let row = self.rows.get_mut(&character).unwrap();
            row.make(change);
            let sum: i64 = row.ledger.iter().map(|entry| entry.amount).sum();
            if row.coins() != COINS + sum {
                let coins = row.coins();
                self.broken(format!("{character} has {coins} coins, by its ledger {sum}+{COINS}"));
            }
        }
        for change in touched {
            self.audit(change);
        }
        Ok(claims)
    }

    /// A change is there once, of all whom it is of, and was not refused.
    fn audit(&mut self, change: u64) {
        let lines: Vec<i64> = self.rows.values().flat_map(|row| row.lines(change)).collect();
        if !matches!(lines[..], [3] | [5] | [1, -1] | [-1, 1]) {
            self.broken(format!("of the change {change} is stored {lines:?}"));
        }
        if self.refused.contains(&change) {
            self.broken(format!("the change {change} is stored, and was told to be refused"));
        }
    }

    pub(super) fn broken(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// The game was told of a change that must last.
    pub(super) fn told(&mut self, change: u64, verdict: Verdict) {
        let (is_done, is_refused) = (verdict == Verdict::Done, verdict == Verdict::Refused);
        let is_stored = self.is_stored(change);
        if is_done && !is_stored {
            self.broken(format!("the change {change} was told to be durable and is not stored"));
        }
        if is_refused && is_stored {
            self.broken(format!("the change {change} was told to be refused and is stored"));
        }
        if is_refused {
            self.refused.insert(change);
        }
    }

    pub(super) fn is_stored(&self, change: u64) -> bool {
        self.rows.values().any(|row| row.lines(change).next().is_some())
    }
}

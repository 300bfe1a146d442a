//! Who owns a character: claim, load, save, commit, transfer, release, abandon.
//!
//! A change that the answer was lost of may be repeated with the same words: if the row already
//! is what the change would have made of it, the first answer is given again.

use protocol::{
    AccountId, CharacterId, CharacterState, LedgerEntry,
    backbone::{
        Life,
        characters::{Claim, LoadedCharacter, ReleaseCharacter, SaveCharacter, TransferCharacter},
    },
};

use crate::{
    Store, StoreError,
    characters::find,
    engine::Transaction,
    fault::Fault,
    ledger,
    row::{CharacterRow, OwnerColumns, StateColumns, column, select_characters},
};

/// Characters in one commit at most.
const COMMIT_MAX: usize = 64;

impl Store {
    /// Makes `to` the owner of a character whose owner is still `expected_owner` (`None`: nobody).
    ///
    /// This cannot be repeated blindly: after [`StoreError::Unavailable`] look at the character's
    /// owner again, which may be `to` by now, and expect that one.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if the owner changed meanwhile; [`StoreError::CharacterUnknown`].
    pub async fn claim(
        &self,
        account: AccountId,
        character: CharacterId,
        to: &Life,
        expected_owner: Option<&Life>,
    ) -> Result<Claim, StoreError> {
        let (to, expected) = (to.clone(), OwnerColumns::of(expected_owner));
        self.change(move |transaction| {
            Box::pin(async move {
                let claimed: Option<(i64, i64)> = transaction
                    .query(
                        "UPDATE characters
                         SET owner_server = $1, owner_incarnation = $2,
                             owner_epoch = owner_epoch + 1
                         WHERE id = $3 AND account = $4
                           AND owner_server IS NOT DISTINCT FROM $5
                           AND owner_incarnation IS NOT DISTINCT FROM $6
                         RETURNING owner_epoch, version",
                    )
                    .bind(to.server.to_string())
                    .bind(to.incarnation.to_string())
                    .bind(character.to_string())
                    .bind(account.to_string())
                    .bind(expected.owner_server)
                    .bind(expected.owner_incarnation)
                    .fetch_optional()
                    .await?;
                if let Some((epoch, version)) = claimed {
                    let (epoch, version) = (epoch.unsigned_abs(), version.unsigned_abs());
                    return Ok(Claim { owner: to, epoch, version });
                }
                let found = find(transaction, character).await?;
                let is_there = found.is_some_and(|it| it.account == account);
                Err(if is_there { StoreError::Fenced } else { StoreError::CharacterUnknown }.into())
            })
        })
        .await
    }

    /// Loads a character for its owner.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if `owner` does not own it; [`StoreError::CharacterUnknown`].
    pub async fn load(
        &self,
        character: CharacterId,
        owner: &Life,
    ) -> Result<LoadedCharacter, StoreError> {
        self.within_deadline(Box::pin(async {
            let mut connection = self.read().await?;
            let found = find(&mut connection, character).await?;
            let found = found.ok_or(StoreError::CharacterUnknown)?;
            if found.owner.as_ref() != Some(owner) {
                return Err(StoreError::Fenced.into());
            }
            Ok(LoadedCharacter {
                character,
                account: found.account,
                name: found.summary.name,
                claim: Claim { owner: owner.clone(), epoch: found.epoch, version: found.version },
                state: found.state,
            })
        }))
        .await
    }

    /// Saves a character for its owner, who keeps it. The next save must show the claim returned.
    ///
    /// After [`StoreError::Unavailable`] the save may have been made: repeat it with the same
    /// claim and the same state until it is answered, before anything newer is saved. An owner
    /// that gave up on that learns its claim from [`Store::load`].
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if the claim no longer holds: the copy must be dropped, never saved;
    /// [`StoreError::CharacterUnknown`]; [`StoreError::PositionInvalid`].
    pub async fn save(&self, save: SaveCharacter) -> Result<Claim, StoreError> {
        let (change, kept) = Change::save(save)?;
        self.write_back(vec![change]).await?;
        Ok(kept)
    }

    /// Saves several characters, all or none, for their owner, who keeps them; returns their claims
    /// in the same order. May be repeated like [`Store::save`].
    ///
    /// # Errors
    /// As [`Store::save`], if it is so for any of them; nothing was saved then.
    /// [`StoreError::CommitInvalid`] for one that is named twice, or too many.
    pub async fn commit(&self, saves: Vec<SaveCharacter>) -> Result<Vec<Claim>, StoreError> {
        let mut names: Vec<CharacterId> = saves.iter().map(|save| save.character).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < saves.len() || saves.len() > COMMIT_MAX {
            return Err(StoreError::CommitInvalid);
        }
        let saves = saves.into_iter().map(Change::save).collect::<Result<Vec<_>, _>>()?;
        let (changes, kept) = saves.into_iter().unzip();
        self.write_back(changes).await?;
        Ok(kept)
    }

    /// Saves a character and makes `to` its owner, in one transaction; returns the claim of `to`.
    /// May be repeated like [`Store::save`], as long as `to` has not saved it.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn transfer(&self, transfer: TransferCharacter) -> Result<Claim, StoreError> {
        let TransferCharacter { character, claim, state, ledger, to } = transfer;
        let given = Claim { owner: to, epoch: next(claim.epoch), version: next(claim.version) };
        let outcome = Outcome::of(Some(&given.owner), &given, &state)?;
        let change = Change { character, claim, outcome, ledger };
        self.write_back(vec![change]).await?;
        Ok(given)
    }

    /// Saves a character and gives it up, in one transaction.
    /// May be repeated like [`Store::save`], as long as nobody has claimed it.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn release(&self, release: ReleaseCharacter) -> Result<(), StoreError> {
        let ReleaseCharacter { character, claim, state, ledger } = release;
        let after =
            Claim { epoch: next(claim.epoch), version: next(claim.version), ..claim.clone() };
        let outcome = Outcome::of(None, &after, &state)?;
        self.write_back(vec![Change { character, claim, outcome, ledger }]).await
    }

    /// Gives up a character without a save: it was handed over but never came. `false` if `owner`
    /// does not own it, which is as good. Given an `epoch`, only that claim of the owner is given
    /// up, not a newer one. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn abandon(
        &self,
        character: CharacterId,
        owner: &Life,
        epoch: Option<u64>,
    ) -> Result<bool, StoreError> {
        let (from, to) = epoch.map_or((0, i64::MAX), |epoch| {
            let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
            (epoch, epoch)
        });
        let owner = owner.clone();
        self.change(move |transaction| {
            Box::pin(async move {
                let freed = transaction
                    .query(
                        "UPDATE characters
                         SET owner_server = NULL, owner_incarnation = NULL,
                             owner_epoch = owner_epoch + 1
                         WHERE id = $1 AND owner_server = $2 AND owner_incarnation = $3
                           AND owner_epoch BETWEEN $4 AND $5",
                    )
                    .bind(character.to_string())
                    .bind(owner.server.to_string())
                    .bind(owner.incarnation.to_string())
                    .bind(from)
                    .bind(to)
                    .execute()
                    .await?;
                Ok(freed > 0)
            })
        })
        .await
    }

    /// Makes the rows what the changes say if all their claims hold, or finds that all were made so
    /// before.
    async fn write_back(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.change(move |transaction| {
            Box::pin(async move {
                if write_all(transaction, &changes).await? {
                    return Ok(());
                }
                for change in &changes {
                    let row: Option<CharacterRow> = transaction
                        .query(select_characters!("WHERE id = $1"))
                        .bind(change.character.to_string())
                        .fetch_optional()
                        .await?;
                    let row = row.ok_or(StoreError::CharacterUnknown)?;
                    if !change.outcome.is(&row) {
                        return Err(StoreError::Fenced.into());
                    }
                }
                Ok(())
            })
        })
        .await
    }
}

/// Writes all of them if all claims hold, and nothing else.
async fn write_all(transaction: &mut Transaction, changes: &[Change]) -> Result<bool, Fault> {
    if let [change] = changes {
        return change.write(transaction).await;
    }
    // In one order for all, so that no two wait for each other.
    let mut ordered: Vec<&Change> = changes.iter().collect();
    ordered.sort_by_key(|change| change.character);
    // All are looked at before anything is written: a refused change must leave no trace, since it
    // may share its transaction with others.
    for change in &ordered {
        if !change.hold(transaction).await? {
            return Ok(false);
        }
    }
    for change in ordered {
        if !change.write(transaction).await? {
            let what = format!("the character {} changed while it was held", change.character);
            return Err(Fault::Corrupt { row: what, reason: "it is locked".to_owned() });
        }
    }
    Ok(true)
}

/// A character's row and what is to become of it.
struct Change {
    character: CharacterId,
    claim: Claim,
    outcome: Outcome,
    ledger: Vec<LedgerEntry>,
}

impl Change {
    /// A save, and the claim that it leaves its owner with.
    fn save(save: SaveCharacter) -> Result<(Self, Claim), StoreError> {
        let SaveCharacter { character, claim, state, ledger } = save;
        let after = Claim { version: next(claim.version), ..claim.clone() };
        let outcome = Outcome::of(Some(&after.owner), &after, &state)?;
        Ok((Self { character, claim, outcome, ledger }, after))
    }

    /// Whether the claim holds, as it will until the transaction ends: the row is locked.
    async fn hold(&self, transaction: &mut Transaction) -> Result<bool, Fault> {
        let held = transaction
            .query(
                "UPDATE characters SET version = version
                 WHERE id = $1 AND owner_server = $2 AND owner_incarnation = $3
                   AND owner_epoch = $4 AND version = $5",
            )
            .bind(self.character.to_string())
            .bind(self.claim.owner.server.as_str())
            .bind(self.claim.owner.incarnation.to_string())
            .bind(column(self.claim.epoch)?)
            .bind(column(self.claim.version)?)
            .execute()
            .await?;
        Ok(held == 1)
    }

    /// Writes the row and its ledger if the claim holds.
    async fn write(&self, transaction: &mut Transaction) -> Result<bool, Fault> {
        let written = self.outcome.write(transaction, self.character, &self.claim).await? == 1;
        if written {
            ledger::add(transaction, self.character, self.outcome.version, &self.ledger).await?;
        }
        Ok(written)
    }
}

/// What a write makes of a character's row.
struct Outcome {
    owner: OwnerColumns,
    epoch: i64,
    version: i64,
    state: StateColumns,
}

impl Outcome {
    fn of(owner: Option<&Life>, after: &Claim, state: &CharacterState) -> Result<Self, StoreError> {
        Ok(Self {
            owner: OwnerColumns::of(owner),
            epoch: column(after.epoch)?,
            version: column(after.version)?,
            state: StateColumns::of(state)?,
        })
    }

    /// Writes the row if the claim holds; tells how many rows that were.
    async fn write(
        &self,
        transaction: &mut Transaction,
        character: CharacterId,
        claim: &Claim,
    ) -> Result<u64, Fault> {
        let changed = transaction
            .query(
                "UPDATE characters
                 SET owner_server = $1, owner_incarnation = $2, owner_epoch = $3, version = $4,
                     map = $5, x = $6, y = $7, data = $8
                 WHERE id = $9 AND owner_server = $10 AND owner_incarnation = $11
                   AND owner_epoch = $12 AND version = $13",
            )
            .bind(self.owner.owner_server.as_deref())
            .bind(self.owner.owner_incarnation.as_deref())
            .bind(self.epoch)
            .bind(self.version)
            .bind(self.state.map.as_str())
            .bind(self.state.x)
            .bind(self.state.y)
            .bind(self.state.data.as_str())
            .bind(character.to_string())
            .bind(claim.owner.server.as_str())
            .bind(claim.owner.incarnation.to_string())
            .bind(column(claim.epoch)?)
            .bind(column(claim.version)?)
            .execute()
            .await?;
        Ok(changed)
    }

    fn is(&self, row: &CharacterRow) -> bool {
        let Self { owner, epoch, version, state } = self;
        *owner == row.owner
            && *epoch == row.owner_epoch
            && *version == row.version
            && *state == row.state
    }
}

/// Grows an epoch or version. A claim at the very end of the range is none of ours and does not
/// fit a column either.
fn next(number: u64) -> u64 {
    number.saturating_add(1)
}

//! Who owns a character: claim, load, save, transfer, release, abandon.
//!
//! A change that the answer was lost of may be repeated with the same words: if the row already
//! is what the change would have made of it, the first answer is given again.

use protocol::{
    AccountId, CharacterId, CharacterState,
    backbone::{
        Life,
        characters::{Claim, LoadedCharacter},
    },
};

use crate::{
    Store, StoreError,
    characters::find,
    engine::Transaction,
    fault::Fault,
    row::{CharacterRow, OwnerColumns, StateColumns, select_characters},
};

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
    pub async fn save(
        &self,
        character: CharacterId,
        claim: &Claim,
        state: &CharacterState,
    ) -> Result<Claim, StoreError> {
        let kept = Claim { version: next(claim.version), ..claim.clone() };
        let outcome = Outcome::of(Some(&kept.owner), &kept, state)?;
        self.write_back(character, claim, outcome).await?;
        Ok(kept)
    }

    /// Saves a character and makes `to` its owner, in one transaction; returns the claim of `to`.
    /// May be repeated like [`Store::save`], as long as `to` has not saved it.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn transfer(
        &self,
        character: CharacterId,
        claim: &Claim,
        state: &CharacterState,
        to: &Life,
    ) -> Result<Claim, StoreError> {
        let given =
            Claim { owner: to.clone(), epoch: next(claim.epoch), version: next(claim.version) };
        let outcome = Outcome::of(Some(to), &given, state)?;
        self.write_back(character, claim, outcome).await?;
        Ok(given)
    }

    /// Saves a character and gives it up, in one transaction.
    /// May be repeated like [`Store::save`], as long as nobody has claimed it.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn release(
        &self,
        character: CharacterId,
        claim: &Claim,
        state: &CharacterState,
    ) -> Result<(), StoreError> {
        let last =
            Claim { epoch: next(claim.epoch), version: next(claim.version), ..claim.clone() };
        let outcome = Outcome::of(None, &last, state)?;
        self.write_back(character, claim, outcome).await
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

    /// Makes the row what `outcome` says if `claim` holds, or finds that it was made so before.
    async fn write_back(
        &self,
        character: CharacterId,
        claim: &Claim,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let claim = claim.clone();
        self.change(move |transaction| {
            Box::pin(async move {
                if outcome.write(transaction, character, &claim).await? == 1 {
                    return Ok(());
                }
                let row: Option<CharacterRow> = transaction
                    .query(select_characters!("WHERE id = $1"))
                    .bind(character.to_string())
                    .fetch_optional()
                    .await?;
                match row {
                    None => Err(StoreError::CharacterUnknown.into()),
                    Some(row) if outcome.is(&row) => Ok(()),
                    Some(_) => Err(StoreError::Fenced.into()),
                }
            })
        })
        .await
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

/// An epoch or version as SQL has it. One that does not fit was never given out.
fn column(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Fenced)
}

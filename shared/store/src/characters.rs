//! Characters as their players see them: create, list, look at, delete.

use std::ops::DerefMut;

use protocol::{
    AccountId, CharacterId, CharacterState, MapName, backbone::Life, world::CharacterSummary,
};
use sqlx::{PgConnection, SqliteConnection};

use crate::{
    Store, StoreError,
    engine::{Engine, Transaction},
    fault::Fault,
    row::{CharacterRow, now_ms, select_characters},
};

/// A character as it is saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    /// Whose.
    pub account: AccountId,
    /// As its player sees it in the list.
    pub summary: CharacterSummary,
    /// What was saved.
    pub state: CharacterState,
    /// The life of the Map Server that owns it; `None` on no map.
    pub owner: Option<Life>,
    /// Grows by one with each change of owner.
    pub epoch: u64,
    /// Grows by one with each save.
    pub version: u64,
}

impl Store {
    /// Makes a character, at the spawn point of `start_map`. `name_key` must come from
    /// [`protocol::names::character_key`] of `name`. `limit` is how many the account may have.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`], also when the answer to an earlier try was lost;
    /// [`StoreError::LimitReached`]; [`StoreError::AccountUnknown`].
    pub async fn create_character(
        &self,
        account: AccountId,
        name: &str,
        name_key: &str,
        start_map: &MapName,
        limit: u32,
    ) -> Result<CharacterSummary, StoreError> {
        let (character, map) = (CharacterId::new(), start_map.clone());
        let (name, name_key) = (name.to_owned(), name_key.to_owned());
        self.change(move |transaction| {
            Box::pin(async move {
                hold_account(transaction, account).await?;
                let (count,): (i64,) = transaction
                    .query("SELECT COUNT(*) FROM characters WHERE account = $1")
                    .bind(account.to_string())
                    .fetch_optional()
                    .await?
                    .unwrap_or_default();
                if count >= i64::from(limit) {
                    return Err(StoreError::LimitReached { limit }.into());
                }
                let made = transaction
                    .query(
                        "INSERT INTO characters
                         (id, account, name, name_key, map, data, owner_epoch, version, created_ms)
                         VALUES ($1, $2, $3, $4, $5, 'null', 0, 0, $6)
                         ON CONFLICT (name_key) DO NOTHING",
                    )
                    .bind(character.to_string())
                    .bind(account.to_string())
                    .bind(name.clone())
                    .bind(name_key)
                    .bind(map.to_string())
                    .bind(now_ms())
                    .execute()
                    .await?;
                if made == 0 {
                    return Err(StoreError::NameTaken.into());
                }
                Ok(CharacterSummary { character, name, map })
            })
        })
        .await
    }

    /// The account's characters, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn list_characters(
        &self,
        account: AccountId,
    ) -> Result<Vec<CharacterSummary>, StoreError> {
        self.within_deadline(Box::pin(async {
            let mut connection = self.read().await?;
            let rows: Vec<CharacterRow> = connection
                .query(select_characters!("WHERE account = $1 ORDER BY created_ms, id"))
                .bind(account.to_string())
                .fetch_all()
                .await?;
            rows.into_iter().map(|row| Character::try_from(row).map(|it| it.summary)).collect()
        }))
        .await
    }

    /// A character of that account.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn character(
        &self,
        account: AccountId,
        character: CharacterId,
    ) -> Result<Option<Character>, StoreError> {
        self.within_deadline(Box::pin(async {
            let mut connection = self.read().await?;
            let row: Option<CharacterRow> = connection
                .query(select_characters!("WHERE id = $1 AND account = $2"))
                .bind(character.to_string())
                .bind(account.to_string())
                .fetch_optional()
                .await?;
            row.map(Character::try_from).transpose()
        }))
        .await
    }

    /// The character of a name. `name_key` must come from [`protocol::names::character_key`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn find_character(&self, name_key: &str) -> Result<Option<Character>, StoreError> {
        self.within_deadline(Box::pin(async {
            let mut connection = self.read().await?;
            let row: Option<CharacterRow> = connection
                .query(select_characters!("WHERE name_key = $1"))
                .bind(name_key.to_owned())
                .fetch_optional()
                .await?;
            row.map(Character::try_from).transpose()
        }))
        .await
    }

    /// Deletes a character for good; its name is free again.
    ///
    /// # Errors
    /// [`StoreError::CharacterUnknown`], also when the answer to an earlier try was lost;
    /// [`StoreError::InUse`] while a Map Server owns it.
    pub async fn delete_character(
        &self,
        account: AccountId,
        character: CharacterId,
    ) -> Result<(), StoreError> {
        self.change(move |transaction| {
            Box::pin(async move {
                let deleted = transaction
                    .query(
                        "DELETE FROM characters
                         WHERE id = $1 AND account = $2 AND owner_server IS NULL",
                    )
                    .bind(character.to_string())
                    .bind(account.to_string())
                    .execute()
                    .await?;
                if deleted > 0 {
                    return Ok(());
                }
                let found = find(transaction, character).await?;
                let found = found.filter(|it| it.account == account);
                Err(match found.and_then(|it| it.owner) {
                    Some(owner) => StoreError::InUse { owner }.into(),
                    None => StoreError::CharacterUnknown.into(),
                })
            })
        })
        .await
    }
}

/// The character as this connection or transaction sees it.
pub(crate) async fn find<S, P>(
    on: &mut Engine<S, P>,
    character: CharacterId,
) -> Result<Option<Character>, Fault>
where
    S: DerefMut<Target = SqliteConnection>,
    P: DerefMut<Target = PgConnection>,
{
    let row: Option<CharacterRow> = on
        .query(select_characters!("WHERE id = $1"))
        .bind(character.to_string())
        .fetch_optional()
        .await?;
    row.map(Character::try_from).transpose()
}

/// Locks the account's row until the end of the transaction, in words that both databases take:
/// two creations at once must not both count the characters before either has added its own.
async fn hold_account(transaction: &mut Transaction, account: AccountId) -> Result<(), Fault> {
    let held = transaction
        .query("UPDATE accounts SET name = name WHERE id = $1")
        .bind(account.to_string())
        .execute()
        .await?;
    if held == 0 { Err(StoreError::AccountUnknown.into()) } else { Ok(()) }
}

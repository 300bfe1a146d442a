//! Accounts: a name and the hash of a password.

use protocol::AccountId;
use sqlx::FromRow;

use crate::{Store, StoreError, fault::Fault, row::now_ms};

/// A player's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, folded to lower case.
    pub name: String,
    /// The hash of its password, in PHC string format.
    pub password_hash: String,
}

#[derive(FromRow)]
struct AccountRow {
    id: String,
    name: String,
    password_hash: String,
}

impl Store {
    /// Makes an account. `name` must have passed [`protocol::names::account`].
    ///
    /// # Errors
    /// [`StoreError::NameTaken`], also when the answer to an earlier try was lost.
    pub async fn create_account(
        &self,
        name: &str,
        password_hash: &str,
    ) -> Result<AccountId, StoreError> {
        let id = AccountId::new();
        let (name, password_hash) = (name.to_owned(), password_hash.to_owned());
        self.change(move |transaction| {
            Box::pin(async move {
                let made = transaction
                    .query(
                        "INSERT INTO accounts (id, name, password_hash, created_ms)
                         VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING",
                    )
                    .bind(id.to_string())
                    .bind(name)
                    .bind(password_hash)
                    .bind(now_ms())
                    .execute()
                    .await?;
                if made == 0 { Err(StoreError::NameTaken.into()) } else { Ok(id) }
            })
        })
        .await
    }

    /// The account of that name, folded as [`protocol::names::account`] does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn find_account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.within_deadline(Box::pin(async {
            let mut connection = self.read().await?;
            let row: Option<AccountRow> = connection
                .query("SELECT id, name, password_hash FROM accounts WHERE name = $1")
                .bind(name)
                .fetch_optional()
                .await?;
            row.map(Account::try_from).transpose()
        }))
        .await
    }
}

impl TryFrom<AccountRow> for Account {
    type Error = Fault;

    fn try_from(row: AccountRow) -> Result<Self, Fault> {
        let id = row.id.parse().map_err(|error: protocol::ids::InvalidId| Fault::Corrupt {
            row: format!("the account {}", row.name),
            reason: error.to_string(),
        })?;
        Ok(Self { id, name: row.name, password_hash: row.password_hash })
    }
}

//! What is meant to run, as the leading Central keeps it for the next one.

use protocol::backbone::desired::{Desired, DesiredState};
use sqlx::FromRow;

use crate::{
    Store, StoreError,
    engine::{Engine, Transaction},
    fault::Fault,
    row,
};

/// What is meant to run, and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredDesired {
    /// The content, with its revision; 0 before anybody said anything.
    pub state: DesiredState,
    /// SHA-256 of the file that was last taken, in hex. Changes over NATS leave it as it is.
    pub source: Option<String>,
}

#[derive(FromRow)]
struct DesiredRow {
    revision: i64,
    source: Option<String>,
    content: String,
}

const SELECT: &str = "SELECT revision, source, content FROM desired";

impl Store {
    /// What is meant to run.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for what a newer version has written; [`StoreError::Unavailable`].
    pub async fn desired(&self) -> Result<StoredDesired, StoreError> {
        self.within_deadline(Box::pin(async {
            let row: Option<DesiredRow> = self.read().await?.query(SELECT).fetch_optional().await?;
            let Some(row) = row else { return Ok(StoredDesired::default()) };
            let desired = serde_json::from_str(&row.content).map_err(|error| Fault::Corrupt {
                row: "the desired state".to_owned(),
                reason: error.to_string(),
            })?;
            let state = DesiredState { revision: row.revision.unsigned_abs(), desired };
            Ok(StoredDesired { state, source: row.source })
        }))
        .await
    }

    /// Replaces what is meant to run, if it is of the `expected` revision still (`None`: whatever
    /// it is); returns the new revision. With a `source` it comes from that file.
    ///
    /// # Errors
    /// [`StoreError::Outdated`] with the present revision; [`StoreError::Unavailable`], and then
    /// it may have been done.
    pub async fn set_desired(
        &self,
        expected: Option<u64>,
        desired: &Desired,
        source: Option<&str>,
    ) -> Result<u64, StoreError> {
        let unwritable = |error: serde_json::Error| StoreError::Corrupt {
            place: self.place().to_owned(),
            row: "the desired state".to_owned(),
            reason: error.to_string(),
        };
        let content = serde_json::to_string(desired).map_err(unwritable)?;
        let (expected, source) =
            (expected.map(row::column).transpose()?, source.map(str::to_owned));
        self.change(move |transaction| {
            Box::pin(async move {
                let present = revision(transaction).await?;
                if expected.is_some_and(|expected| expected != present) {
                    return Err(StoreError::Outdated { revision: present.unsigned_abs() }.into());
                }
                transaction
                    .query(
                        "INSERT INTO desired (one, revision, source, content)
                         VALUES (1, $1, $2, $3)
                         ON CONFLICT (one) DO UPDATE
                         SET revision = excluded.revision, content = excluded.content,
                             source = COALESCE(excluded.source, desired.source)",
                    )
                    .bind(present + 1)
                    .bind(source)
                    .bind(content)
                    .execute()
                    .await?;
                Ok(present.unsigned_abs() + 1)
            })
        })
        .await
    }
}

/// The present revision, which nobody else changes until the transaction ends.
async fn revision(transaction: &mut Transaction) -> Result<i64, Fault> {
    // SQLite has one writer anyway. Two who make the first revision would not see each other's row
    // on PostgreSQL: so the lease's is locked, which is always there.
    if let Engine::Postgres(_) = transaction {
        transaction.query("SELECT epoch FROM lease FOR UPDATE").execute().await?;
    }
    let found: Option<(i64,)> =
        transaction.query("SELECT revision FROM desired").fetch_optional().await?;
    Ok(found.map_or(0, |(revision,)| revision))
}

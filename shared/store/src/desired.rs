//! What is meant to run, as the leading Central keeps it for the next one.

use protocol::backbone::desired::{Desired, DesiredState};
use sqlx::FromRow;

use crate::{Store, StoreError, fault::Fault, row};

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
            let row = row.ok_or_else(gone)?;
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
        let (from, to) = match expected.map(row::column).transpose()? {
            Some(expected) => (expected, expected),
            None => (0, i64::MAX),
        };
        let source = source.map(str::to_owned);
        self.change(move |transaction| {
            Box::pin(async move {
                let changed: Option<(i64,)> = transaction
                    .query(
                        "UPDATE desired
                         SET revision = revision + 1, content = $1, source = COALESCE($2, source)
                         WHERE revision BETWEEN $3 AND $4
                         RETURNING revision",
                    )
                    .bind(content)
                    .bind(source)
                    .bind(from)
                    .bind(to)
                    .fetch_optional()
                    .await?;
                if let Some((revision,)) = changed {
                    return Ok(revision.unsigned_abs());
                }
                let present = transaction.query(SELECT).fetch_optional::<DesiredRow>().await?;
                let revision = present.ok_or_else(gone)?.revision.unsigned_abs();
                Err(StoreError::Outdated { revision }.into())
            })
        })
        .await
    }
}

fn gone() -> Fault {
    Fault::Corrupt { row: "the desired state".to_owned(), reason: "its row is gone".to_owned() }
}

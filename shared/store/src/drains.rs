//! What the leading Central was told to empty, as it keeps it for the next one.

use protocol::backbone::operations::Target;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::{Store, StoreError, fault::Fault, row};

/// A part of the cluster that is to be emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDrain {
    /// What.
    pub target: Target,
    /// When its players are moved, in milliseconds since 1970.
    pub ends_ms: u64,
    /// Why, for the players.
    pub reason: String,
}

#[derive(FromRow)]
struct DrainsRow {
    content: String,
}

impl Store {
    /// What is to be emptied, the oldest order first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for what a newer version has written; [`StoreError::Unavailable`].
    pub async fn drains(&self) -> Result<Vec<KeptDrain>, StoreError> {
        self.within_deadline(Box::pin(async {
            let row: Option<DrainsRow> =
                self.read().await?.query("SELECT content FROM drains").fetch_optional().await?;
            let corrupt = |reason| Fault::Corrupt { row: "the drains".to_owned(), reason };
            let row = row.ok_or_else(|| corrupt("its row is gone".to_owned()))?;
            serde_json::from_str(&row.content).map_err(|error| corrupt(error.to_string()))
        }))
        .await
    }

    /// Replaces what is to be emptied, for the leader of a term.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when a leader of a later term has written; [`StoreError::Unavailable`],
    /// and then it may have been done.
    pub async fn keep_drains(&self, epoch: u64, drains: &[KeptDrain]) -> Result<(), StoreError> {
        let content = serde_json::to_string(drains).map_err(|error| StoreError::Corrupt {
            place: self.place().to_owned(),
            row: "the drains".to_owned(),
            reason: error.to_string(),
        })?;
        let epoch = row::column(epoch)?;
        self.change(move |transaction| {
            Box::pin(async move {
                let changed = transaction
                    .query("UPDATE drains SET epoch = $1, content = $2 WHERE epoch <= $1")
                    .bind(epoch)
                    .bind(content)
                    .execute()
                    .await?;
                if changed == 1 { Ok(()) } else { Err(StoreError::Fenced.into()) }
            })
        })
        .await
    }
}

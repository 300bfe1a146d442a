//! What characters have been given and have given away. Lines are only ever added, in the
//! transaction of the save that they explain.

use protocol::{CharacterId, LedgerEntry};

use crate::{Store, StoreError, engine::Transaction, fault::Fault, row::now_ms};

/// Adds the lines of a save.
pub(crate) async fn add(
    transaction: &mut Transaction,
    character: CharacterId,
    version: i64,
    entries: &[LedgerEntry],
) -> Result<(), Fault> {
    for (entry, line) in entries.iter().zip(0_i64..) {
        transaction
            .query(
                "INSERT INTO ledger (character, version, line, asset, amount, reason, made_ms)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(character.to_string())
            .bind(version)
            .bind(line)
            .bind(entry.asset.as_str())
            .bind(entry.amount)
            .bind(entry.reason.as_str())
            .bind(now_ms())
            .execute()
            .await?;
    }
    Ok(())
}

impl Store {
    /// What a character has by the ledger: each asset with the sum of its lines, by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and its like.
    pub async fn balances(&self, character: CharacterId) -> Result<Vec<(String, i64)>, StoreError> {
        self.within_deadline(Box::pin(async {
            let mut connection = self.read().await?;
            let sums = connection
                .query(
                    "SELECT asset, CAST(SUM(amount) AS BIGINT) FROM ledger
                     WHERE character = $1 GROUP BY asset ORDER BY asset",
                )
                .bind(character.to_string())
                .fetch_all()
                .await?;
            Ok(sums)
        }))
        .await
    }
}

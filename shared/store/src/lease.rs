//! Which Central leads: one row, changed only by who shows what it has seen there.
//!
//! No time is stored or compared. A leader raises the beat; a standby that has seen the row
//! unchanged for long enough by its own clock takes it, if it is unchanged still.

use protocol::backbone::Life;
use sqlx::FromRow;

use crate::{Store, StoreError, fault::Fault, row};

/// The lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Whose it is; `None`: it was given up, or never taken.
    pub holder: Option<Life>,
    /// Grows with each holder.
    pub epoch: u64,
    /// Grows while its holder lives.
    pub beat: u64,
}

/// What came of a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The lease is the holder's still.
    Ours,
    /// So it is, but another one cannot reach the holder and would lead in its place.
    Wanted,
    /// It is the holder's no more.
    Lost,
}

#[derive(FromRow)]
struct LeaseRow {
    holder_server: Option<String>,
    holder_incarnation: Option<String>,
    epoch: i64,
    beat: i64,
}

impl TryFrom<LeaseRow> for Lease {
    type Error = Fault;

    fn try_from(row: LeaseRow) -> Result<Self, Fault> {
        let LeaseRow { holder_server, holder_incarnation, epoch, beat } = row;
        let holder = row::life(holder_server.as_deref(), holder_incarnation.as_deref())
            .map_err(|reason| Fault::Corrupt { row: "the lease".to_owned(), reason })?;
        Ok(Self { holder, epoch: epoch.unsigned_abs(), beat: beat.unsigned_abs() })
    }
}

impl Store {
    /// Looks who has the lease.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and its like.
    pub async fn lease(&self) -> Result<Lease, StoreError> {
        self.within_deadline(Box::pin(async {
            let row: Option<LeaseRow> = self
                .read()
                .await?
                .query("SELECT holder_server, holder_incarnation, epoch, beat FROM lease")
                .fetch_optional()
                .await?;
            let gone = || Fault::Corrupt {
                row: "the lease".to_owned(),
                reason: "its row is gone".to_owned(),
            };
            Lease::try_from(row.ok_or_else(gone)?)
        }))
        .await
    }

    /// Takes the lease for `me` if it still is as it was `seen`; returns the new epoch. `None`:
    /// its holder lives, or somebody else was first.
    ///
    /// After [`StoreError::Unavailable`] it may be `me` who has it: look again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and its like.
    pub async fn take_lease(&self, seen: &Lease, me: &Life) -> Result<Option<u64>, StoreError> {
        let (epoch, beat) = (row::column(seen.epoch)?, row::column(seen.beat)?);
        let me = me.clone();
        self.change(move |transaction| {
            Box::pin(async move {
                let taken: Option<(i64,)> = transaction
                    .query(
                        "UPDATE lease
                         SET holder_server = $1, holder_incarnation = $2,
                             epoch = epoch + 1, beat = 0
                         WHERE epoch = $3 AND beat = $4
                         RETURNING epoch",
                    )
                    .bind(me.server.to_string())
                    .bind(me.incarnation.to_string())
                    .bind(epoch)
                    .bind(beat)
                    .fetch_optional()
                    .await?;
                Ok(taken.map(|(epoch,)| epoch.unsigned_abs()))
            })
        })
        .await
    }

    /// A sign of life of the holder.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and its like.
    pub async fn keep_lease(&self, me: &Life, epoch: u64) -> Result<Kept, StoreError> {
        let (me, epoch) = (me.clone(), row::column(epoch)?);
        self.change(move |transaction| {
            Box::pin(async move {
                let kept: Option<(i64,)> = transaction
                    .query(
                        "UPDATE lease SET beat = beat + 1
                         WHERE holder_server = $1 AND holder_incarnation = $2 AND epoch = $3
                         RETURNING wanted",
                    )
                    .bind(me.server.to_string())
                    .bind(me.incarnation.to_string())
                    .bind(epoch)
                    .fetch_optional()
                    .await?;
                Ok(match kept {
                    Some((wanted,)) if wanted == epoch => Kept::Wanted,
                    Some(_) => Kept::Ours,
                    None => Kept::Lost,
                })
            })
        })
        .await
    }

    /// Tells the holder of an epoch, if it is the present one, that somebody cannot reach it and
    /// would lead in its place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and its like.
    pub async fn want_lease(&self, epoch: u64) -> Result<(), StoreError> {
        let epoch = row::column(epoch)?;
        self.change(move |transaction| {
            Box::pin(async move {
                transaction
                    .query("UPDATE lease SET wanted = $1 WHERE epoch = $1")
                    .bind(epoch)
                    .execute()
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Gives the lease up, so that nobody has to wait for it. `false`: it was not `me`'s in this
    /// epoch, which is as good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and its like.
    pub async fn give_lease_up(&self, me: &Life, epoch: u64) -> Result<bool, StoreError> {
        let (me, epoch) = (me.clone(), row::column(epoch)?);
        self.change(move |transaction| {
            Box::pin(async move {
                let freed = transaction
                    .query(
                        "UPDATE lease
                         SET holder_server = NULL, holder_incarnation = NULL, beat = beat + 1
                         WHERE holder_server = $1 AND holder_incarnation = $2 AND epoch = $3",
                    )
                    .bind(me.server.to_string())
                    .bind(me.incarnation.to_string())
                    .bind(epoch)
                    .execute()
                    .await?;
                Ok(freed == 1)
            })
        })
        .await
    }
}

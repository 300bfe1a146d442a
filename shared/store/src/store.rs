//! The database: open, ping, close, and what every call on it has in common.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::time::timeout;

use crate::{
    StoreError,
    engine::{Connection, Engine, Transaction},
    fault::{self, Fault},
    limits::CALL_DEADLINE,
    postgres,
    sqlite::SqlitePools,
    writer::Working,
};

/// The accounts and characters. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Engine<SqlitePools, PgPool>,
    place: Arc<str>,
}

impl Store {
    /// Opens `sqlite://path` or `postgres://user:password@host:port/database` and brings its
    /// tables up to date, which may take up to a minute after an update. An SQLite file and its folder are
    /// made if they are missing; a PostgreSQL database must be there.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`]; [`StoreError::Unavailable`] within [`CONNECT_DEADLINE`], and then
    /// the caller tries again; [`StoreError::Unusable`] for a database that needs a hand.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => {
                let options = SqlitePools::options(url)?;
                let place = format!("SQLite file {}", options.get_filename().display());
                let pools = SqlitePools::open(options, &place).await?;
                Ok(Self { pools: Engine::Sqlite(pools), place: place.into() })
            }
            Some("postgres" | "postgresql") => {
                let options = postgres::options(url)?;
                let place = postgres::place(&options);
                let pool = postgres::open(options, &place).await?;
                Ok(Self { pools: Engine::Postgres(pool), place: place.into() })
            }
            _ => Err(StoreError::BadUrl {
                reason: "it begins with neither sqlite: nor postgres:".to_owned(),
            }),
        }
    }

    /// Where the data are, for logs: without the password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the database answers; for readiness.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.within_deadline(Box::pin(async {
            self.read().await?.query("SELECT 1").execute().await?;
            Ok(())
        }))
        .await
    }

    /// Ends the connections after the calls under way. Calls on clones fail from then on.
    pub async fn close(self) {
        match &self.pools {
            Engine::Sqlite(pools) => pools.close().await,
            Engine::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) async fn read(&self) -> Result<Connection, Fault> {
        Ok(match &self.pools {
            Engine::Sqlite(pools) => Engine::Sqlite(pools.read().await?),
            Engine::Postgres(pool) => Engine::Postgres(pool.acquire().await?),
        })
    }

    /// Makes a change in a transaction, and returns once it is on the disk. A change that returns
    /// an error of ours has changed nothing by then.
    pub(crate) async fn change<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Transaction) -> Working<'t, T> + Send + 'static,
    {
        self.within_deadline(Box::pin(async {
            match &self.pools {
                Engine::Sqlite(pools) => pools.writer.change(Box::new(work)).await,
                // PostgreSQL brings the commits of several connections to the disk together.
                Engine::Postgres(pool) => {
                    let mut transaction = Engine::Postgres(pool.begin().await?);
                    let done = work(&mut transaction).await?;
                    transaction.commit().await?;
                    Ok(done)
                }
            }
        }))
        .await
    }

    /// Runs the work of one call. Work that is cut off leaves no open transaction behind.
    ///
    /// In a box, because what a driver does with a connection takes kilobytes, which would be
    /// copied at each call from one future into the next.
    pub(crate) async fn within_deadline<T>(&self, work: Working<'_, T>) -> Result<T, StoreError> {
        let error = match timeout(CALL_DEADLINE, work).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Fault::Answer(error))) => return Err(error),
            Ok(Err(fault)) => fault.at(&self.place),
            Err(_) => fault::silent(&self.place, CALL_DEADLINE),
        };
        // Here, because what a client may hear of it names no places and no reasons.
        tracing::warn!(%error, "a call on the database failed");
        Err(error)
    }
}

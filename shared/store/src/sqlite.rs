//! Opening an SQLite file: one connection that writes beside some that read.

use std::{path::Path, time::Duration};

use sqlx::{
    Sqlite, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::timeout;

use crate::{
    StoreError,
    fault::{self, Fault},
    limits::{CALL_DEADLINE, MIGRATION_DEADLINE, MIGRATOR},
    writer::Writer,
};

/// How long to wait for a lock of another process; shorter than a call, so that the call can name
/// the lock as the reason.
const LOCK_WAIT: Duration = Duration::from_millis(1_000);
/// Connections that read at the same time.
const READERS: u32 = 4;

/// Marks the file as ours ("WSTN"), for `file` and the like. What counts is that it is written at
/// each start: SQLite says nothing of a file that may only be read until the first change.
const MARK: &str = "PRAGMA application_id = 0x5753544e";

/// SQLite takes one writer at a time: waiting for it in a queue of ours is fair, and no reader
/// waits for it at all.
#[derive(Debug, Clone)]
pub(crate) struct SqlitePools {
    pub(crate) writer: Writer,
    /// The writer's one connection.
    writing: SqlitePool,
    readers: SqlitePool,
}

impl SqlitePools {
    /// The file that a URL names.
    pub(crate) fn options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
        let bad_url = |reason: String| StoreError::BadUrl { reason };
        let options: SqliteConnectOptions =
            url.parse().map_err(|error: sqlx::Error| bad_url(error.to_string()))?;
        // Each connection would have a memory of its own.
        let in_memory = url.contains(":memory:") || url.contains("mode=memory");
        if in_memory || options.get_filename().as_os_str().is_empty() {
            return Err(bad_url("it names no file".to_owned()));
        }
        Ok(options)
    }

    /// Opens the file, makes it and its folder if need be, and brings its tables up to date.
    pub(crate) async fn open(
        options: SqliteConnectOptions,
        place: &str,
    ) -> Result<Self, StoreError> {
        make_folder_of(options.get_filename(), place)?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk when it returns, as players believe it is.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(LOCK_WAIT);
        let failed = |error: sqlx::Error| Fault::from(error).at(place);
        let writing = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        migrate(&writing, place).await?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(failed)?;
        Ok(Self { writer: Writer::start(writing.clone(), place), writing, readers })
    }

    pub(crate) async fn read(&self) -> sqlx::Result<sqlx::pool::PoolConnection<Sqlite>> {
        self.readers.acquire().await
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writing.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CALL_DEADLINE)
        // A file does not hang up: idle connections need neither tests nor an end.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn make_folder_of(file: &Path, place: &str) -> Result<(), StoreError> {
    let Some(folder) = file.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| StoreError::Unusable {
        place: place.to_owned(),
        reason: format!("the folder {} cannot be made: {error}", folder.display()),
        advice: "let this user make it, or correct DATABASE_URL",
    })
}

/// Under the write lock, so that of two servers that open a new file one waits for the other.
async fn migrate(writer: &SqlitePool, place: &str) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| Fault::from(error).at(place);
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    sqlx::query(MARK).execute(&mut *transaction).await.map_err(failed)?;
    // `Migrator::run` makes futures that cannot be sent between threads: its `Acquire` is not
    // general enough for a reference. This is what it calls.
    timeout(MIGRATION_DEADLINE, MIGRATOR.run_direct(None, &mut *transaction, false))
        .await
        .map_err(|_| fault::silent(place, MIGRATION_DEADLINE))?
        .map_err(|error| fault::migration(place, &error))?;
    transaction.commit().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use sqlx::query_scalar;

    use super::*;

    #[tokio::test]
    async fn commits_reach_the_disk_and_references_hold_on_every_connection() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a/b/world.db").display());
        let pools = SqlitePools::open(SqlitePools::options(&url).unwrap(), "x").await.unwrap();
        for pool in [&pools.writing, &pools.readers] {
            let journal: String =
                query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
            assert_eq!(journal, "wal");
            let keys: i64 = query_scalar("PRAGMA foreign_keys").fetch_one(pool).await.unwrap();
            assert_eq!(keys, 1);
            let wait: i64 = query_scalar("PRAGMA busy_timeout").fetch_one(pool).await.unwrap();
            assert_eq!(wait, 1_000);
        }
        let full: i64 = query_scalar("PRAGMA synchronous").fetch_one(&pools.writing).await.unwrap();
        assert_eq!(full, 2);
        let write = sqlx::query("DELETE FROM accounts").execute(&pools.readers).await;
        assert!(write.is_err(), "a reader must not write past the one writer");
    }

    #[test]
    fn a_url_without_a_file_is_refused() {
        for url in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite://x?mode=memory"] {
            let error = SqlitePools::options(url).unwrap_err();
            assert!(matches!(error, StoreError::BadUrl { .. }), "{url}: {error}");
        }
        assert!(SqlitePools::options("sqlite://memory/world.db").is_ok());
    }
}

//! One statement text for both databases: whatever differs by engine is an [`Engine`], and a
//! [`Query`] runs the same words and values on either. `$1` and text ids mean the same to both.

use std::ops::DerefMut;

use sqlx::{
    Database, Encode, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Type,
    pool::PoolConnection, postgres::PgRow, sqlite::SqliteRow,
};

/// The SQLite or the PostgreSQL kind of a thing.
#[derive(Debug, Clone)]
pub(crate) enum Engine<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// A connection for one reading statement.
pub(crate) type Connection = Engine<PoolConnection<Sqlite>, PoolConnection<Postgres>>;
/// A transaction for writing. Dropped without a commit, it changes nothing.
pub(crate) type Transaction =
    Engine<sqlx::Transaction<'static, Sqlite>, sqlx::Transaction<'static, Postgres>>;

impl Transaction {
    pub(crate) async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

impl<S, P> Engine<S, P>
where
    S: DerefMut<Target = SqliteConnection>,
    P: DerefMut<Target = PgConnection>,
{
    /// A statement to bind values to, in the order of `$1`, `$2` …, and to run here.
    pub(crate) fn query(&mut self, sql: &'static str) -> Query<'_> {
        Query(match self {
            Self::Sqlite(on) => Engine::Sqlite(Bound { on, query: sqlx::query(sql) }),
            Self::Postgres(on) => Engine::Postgres(Bound { on, query: sqlx::query(sql) }),
        })
    }
}

/// A statement with its values and the connection it will run on.
pub(crate) struct Query<'c>(Engine<Bound<'c, Sqlite>, Bound<'c, Postgres>>);

struct Bound<'c, DB: Database> {
    on: &'c mut DB::Connection,
    query: sqlx::query::Query<'c, DB, DB::Arguments>,
}

impl<'c> Query<'c> {
    pub(crate) fn bind(self, value: impl Value<'c>) -> Self {
        Self(match self.0 {
            Engine::Sqlite(Bound { on, query }) => {
                Engine::Sqlite(Bound { on, query: query.bind(value) })
            }
            Engine::Postgres(Bound { on, query }) => {
                Engine::Postgres(Bound { on, query: query.bind(value) })
            }
        })
    }

    /// Runs it and tells how many rows it changed.
    pub(crate) async fn execute(self) -> sqlx::Result<u64> {
        match self.0 {
            Engine::Sqlite(Bound { on, query }) => {
                query.execute(on).await.map(|done| done.rows_affected())
            }
            Engine::Postgres(Bound { on, query }) => {
                query.execute(on).await.map(|done| done.rows_affected())
            }
        }
    }

    pub(crate) async fn fetch_optional<T: Record>(self) -> sqlx::Result<Option<T>> {
        match self.0 {
            Engine::Sqlite(Bound { on, query }) => {
                query.fetch_optional(on).await?.as_ref().map(T::from_row).transpose()
            }
            Engine::Postgres(Bound { on, query }) => {
                query.fetch_optional(on).await?.as_ref().map(T::from_row).transpose()
            }
        }
    }

    pub(crate) async fn fetch_all<T: Record>(self) -> sqlx::Result<Vec<T>> {
        match self.0 {
            Engine::Sqlite(Bound { on, query }) => {
                query.fetch_all(on).await?.iter().map(T::from_row).collect()
            }
            Engine::Postgres(Bound { on, query }) => {
                query.fetch_all(on).await?.iter().map(T::from_row).collect()
            }
        }
    }
}

/// What both databases take as a value.
pub(crate) trait Value<'c>:
    Encode<'c, Sqlite> + Type<Sqlite> + Encode<'c, Postgres> + Type<Postgres> + Send + 'c
{
}

impl<'c, T> Value<'c> for T where
    T: Encode<'c, Sqlite> + Type<Sqlite> + Encode<'c, Postgres> + Type<Postgres> + Send + 'c
{
}

/// What can be read from a row of either database.
pub(crate) trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send
{
}

impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send {}

//! How long anything may take, and the tables that every database is brought to.

use std::time::Duration;

use sqlx::migrate::Migrator;

/// Longest time that a call takes, whatever the database does.
pub const CALL_DEADLINE: Duration = Duration::from_millis(1_500);
/// Longest time until [`Store::open`](crate::Store::open) tells that a database is away.
pub const CONNECT_DEADLINE: Duration = Duration::from_millis(1_900);
/// Longest time that bringing the tables up to date takes. It may have much to rewrite, and must
/// not be cut off for that.
pub(crate) const MIGRATION_DEADLINE: Duration = Duration::from_secs(60);

pub(crate) static MIGRATOR: Migrator = sqlx::migrate!();

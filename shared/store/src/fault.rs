//! What an error of a database means to the caller.

use std::borrow::Cow;

use sqlx::{error::DatabaseError, migrate::MigrateError, postgres::PgDatabaseError};

use crate::StoreError;

/// Why work on a database stopped, before the place is named.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Our own answer, such as a taken name.
    Answer(StoreError),
    /// The database's error.
    Database(sqlx::Error),
    /// A row that this crate did not write.
    Corrupt { row: String, reason: String },
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Answer(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Fault {
    /// The error for the caller.
    pub(crate) fn at(self, place: &str) -> StoreError {
        match self {
            Self::Answer(error) => error,
            Self::Database(error) => at_database(place, &error),
            Self::Corrupt { row, reason } => {
                StoreError::Corrupt { place: place.to_owned(), row, reason }
            }
        }
    }
}

/// The error for a database that did not answer in time.
pub(crate) fn silent(place: &str, after: std::time::Duration) -> StoreError {
    let reason = format!("no answer in {} ms", after.as_millis());
    unavailable(place, reason, "see whether it is up and not overloaded")
}

/// The error for a database whose tables cannot be brought to this version.
pub(crate) fn migration(place: &str, error: &MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            at_database(place, error)
        }
        MigrateError::VersionMissing(_) => {
            unusable(place, error.to_string(), "its tables are newer: update this server")
        }
        _ => unusable(place, error.to_string(), "restore it from a backup"),
    }
}

fn at_database(place: &str, error: &sqlx::Error) -> StoreError {
    let reason = error.to_string();
    match error {
        sqlx::Error::Database(database) => coded(place, reason, database.as_ref()),
        sqlx::Error::Configuration(_) => StoreError::BadUrl { reason },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Corrupt { place: place.to_owned(), row: "a row".to_owned(), reason }
        }
        _ => unavailable(place, reason, "see whether it is up and DATABASE_URL is right"),
    }
}

fn coded(place: &str, reason: String, error: &(dyn DatabaseError + 'static)) -> StoreError {
    let code = error.code().unwrap_or(Cow::Borrowed(""));
    if error.as_error().is::<PgDatabaseError>() {
        postgres(place, reason, &code)
    } else {
        // The low byte is the error's family: https://www.sqlite.org/rescode.html
        sqlite(place, reason, code.parse().map_or(0, |code: i32| code & 0xff))
    }
}

fn sqlite(place: &str, reason: String, family: i32) -> StoreError {
    match family {
        5 | 6 => {
            unavailable(place, reason, "another program holds it locked: wait for it or end it")
        }
        10 => unavailable(place, reason, "see whether its disk is in order"),
        13 => unavailable(place, reason, "make room on its disk"),
        3 | 8 | 14 | 23 => {
            unusable(place, reason, "let this user read and write the file and its folder")
        }
        11 | 26 => {
            unusable(place, reason, "move that file away or restore a database from a backup")
        }
        _ => unusable(place, reason, "the log of this server has the details"),
    }
}

/// By class: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres(place: &str, reason: String, code: &str) -> StoreError {
    match (code.get(..2).unwrap_or_default(), code) {
        // Connections, resources, operators, deadlocks, locks; a standby that is not yet promoted.
        ("08" | "53" | "57" | "58" | "40", _) | (_, "55P03" | "25006") => {
            unavailable(place, reason, "see whether it is up and not overloaded")
        }
        ("28", _) => unusable(place, reason, "correct the user or password in DATABASE_URL"),
        ("3D", _) => unusable(place, reason, "create that database, or correct DATABASE_URL"),
        (_, "42501") => unusable(place, reason, "let this user create and use tables in it"),
        _ => unusable(place, reason, "the log of the database has the details"),
    }
}

fn unavailable(place: &str, reason: String, advice: &'static str) -> StoreError {
    StoreError::Unavailable { place: place.to_owned(), reason, advice }
}

fn unusable(place: &str, reason: String, advice: &'static str) -> StoreError {
    StoreError::Unusable { place: place.to_owned(), reason, advice }
}

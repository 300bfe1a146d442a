//! Opening a PostgreSQL database.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::{
    StoreError,
    fault::{self, Fault},
    limits::{CALL_DEADLINE, CONNECT_DEADLINE, MIGRATION_DEADLINE, MIGRATOR},
};

/// Connections of one server process.
const CONNECTIONS: u32 = 16;
/// How long to wait for a free connection; shorter than a call, so that the call can name it.
const CONNECTION_WAIT: Duration = Duration::from_millis(1_300);

pub(crate) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::BadUrl { reason: error.to_string() })?;
    Ok(options.application_name("waystone"))
}

/// Where that is, without the password.
pub(crate) fn place(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    format!("PostgreSQL at {user}@{host}:{}/{database}", options.get_port())
}

/// Connects and brings the tables up to date.
pub(crate) async fn open(options: PgConnectOptions, place: &str) -> Result<PgPool, StoreError> {
    migrate(&options, place).await?;
    // The server itself gives up on a statement or transaction whose caller has gone: its locks
    // would otherwise keep everybody else from that row.
    let limit = CALL_DEADLINE.as_millis();
    let limits = [("statement_timeout", limit), ("idle_in_transaction_session_timeout", limit)];
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECTION_WAIT)
        .after_release(|connection, _| {
            Box::pin(async move {
                // A connection to a machine that vanished would otherwise wait for the kernel's
                // quarter of an hour before its place in the pool is free again.
                let answer = timeout(CALL_DEADLINE, connection.ping()).await;
                answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
            })
        })
        .connect_lazy_with(options.options(limits)))
}

/// On a connection of its own: a migration may take longer than a statement of a call.
/// PostgreSQL's advisory lock keeps two servers from migrating at once.
async fn migrate(options: &PgConnectOptions, place: &str) -> Result<(), StoreError> {
    let connecting = timeout(CONNECT_DEADLINE, PgConnection::connect_with(options)).await;
    let mut connection = connecting
        .map_err(|_| fault::silent(place, CONNECT_DEADLINE))?
        .map_err(|error| Fault::from(error).at(place))?;
    // `Migrator::run` makes futures that cannot be sent between threads: its `Acquire` is not
    // general enough for a reference. This is what it calls.
    timeout(MIGRATION_DEADLINE, MIGRATOR.run_direct(None, &mut connection, false))
        .await
        .map_err(|_| fault::silent(place, MIGRATION_DEADLINE))?
        .map_err(|error| fault::migration(place, &error))?;
    connection.close().await.map_err(|error| Fault::from(error).at(place))
}

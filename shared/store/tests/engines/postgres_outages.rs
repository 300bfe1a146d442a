//! PostgreSQL goes away under an open store.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use protocol::AccountId;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use store::{CALL_DEADLINE, Store, StoreError};
use tokio::task::JoinHandle;

use crate::{
    database::{Database, on_postgres},
    proxy::Proxy,
};

/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_millis(400);
/// What a store has.
const CONNECTIONS: i64 = 16;
/// More than that.
const CALLS: usize = 24;
/// Longest wait for anything else.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_work_again_by_themselves_after_a_restart() {
    on_postgres(async |database: Database| {
        let store = database.open().await;
        store.ping().await.unwrap();
        let mut admin = connect(&database.url).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&mut admin)
        .await
        .unwrap();
        store.create_account("ada", "hash").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_cut_under_way_bounds_every_call_and_leaves_no_connection_and_no_lock() {
    on_postgres(async |database: Database| {
        let proxy = Proxy::to(&database.url).await;
        let store = Store::open(&proxy.url()).await.unwrap();
        // Each connection has prepared the statement before: it will get as far as its row lock.
        for call in registrations(&store, "early") {
            call.await.unwrap().0.unwrap();
        }
        let mut admin = connect(&database.url).await;
        let mut lock = admin.begin().await.unwrap();
        sqlx::query("LOCK TABLE accounts IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
        let calls = registrations(&store, "ada");
        until_connections_wait_for_a_lock(&database.url).await;
        proxy.cut();
        // The inserts go through now, and nobody is left to commit them.
        lock.rollback().await.unwrap();

        for call in calls {
            let (result, took) = call.await.unwrap();
            assert!(took < CALL_DEADLINE + SLACK, "{took:?}");
            assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
        }
        for n in 0..CALLS {
            let start = Instant::now();
            while let Err(error) = store.create_account(&format!("ada-{n}"), "hash").await {
                assert!(start.elapsed() < PATIENCE, "ada-{n} cannot register: {error}");
            }
        }
    })
    .await;
}

type Registration = JoinHandle<(Result<AccountId, StoreError>, Duration)>;

/// More calls at once than there are connections, each with the time that it took.
fn registrations(store: &Store, name: &str) -> Vec<Registration> {
    let register = |n| {
        let (store, name) = (store.clone(), format!("{name}-{n}"));
        tokio::spawn(async move {
            let start = Instant::now();
            (store.create_account(&name, "hash").await, start.elapsed())
        })
    };
    (0..CALLS).map(register).collect()
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect_with(&PgConnectOptions::from_str(url).unwrap()).await.unwrap()
}

async fn until_connections_wait_for_a_lock(url: &str) {
    let mut observer = connect(url).await;
    let start = Instant::now();
    loop {
        let (waiting,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut observer)
        .await
        .unwrap();
        if waiting == CONNECTIONS {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{waiting} connections wait for the lock");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

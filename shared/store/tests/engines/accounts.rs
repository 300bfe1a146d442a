//! Accounts and their names.

use std::time::{Duration, Instant};

use store::{Store, StoreError};

use crate::database::{Database, on_each_engine};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

on_each_engine!(
    an_account_is_found_by_its_name,
    of_many_registrations_of_a_name_one_wins,
    data_outlive_a_close,
    servers_may_open_a_new_database_at_once,
);

async fn an_account_is_found_by_its_name(database: Database) {
    let store = database.open().await;
    let id = store.create_account("ada", "$argon2id$x").await.unwrap();
    let found = store.find_account("ada").await.unwrap().unwrap();
    assert_eq!((found.id, found.password_hash.as_str()), (id, "$argon2id$x"));
    assert_eq!(store.find_account("bob").await.unwrap(), None);
    assert_eq!(store.create_account("ada", "y").await.unwrap_err(), StoreError::NameTaken);
    assert_eq!(store.find_account("ada").await.unwrap(), Some(found), "the hash was overwritten");
}

async fn of_many_registrations_of_a_name_one_wins(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move { store.create_account("ada", &n.to_string()).await })
        })
        .collect();
    let mut won = Vec::new();
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(id) => won.push(id),
            Err(error) => assert_eq!(error, StoreError::NameTaken),
        }
    }
    assert_eq!(won, [one.find_account("ada").await.unwrap().unwrap().id]);
}

async fn data_outlive_a_close(database: Database) {
    let store = database.open().await;
    let id = store.create_account("ada", "hash").await.unwrap();
    let clone = store.clone();
    store.close().await;
    assert!(matches!(clone.ping().await, Err(StoreError::Unavailable { .. })));
    let store = database.open().await;
    assert_eq!(store.find_account("ada").await.unwrap().unwrap().id, id);
}

async fn servers_may_open_a_new_database_at_once(database: Database) {
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move {
                let start = Instant::now();
                // A new SQLite file is locked for a moment without anybody being made to wait.
                while let Err(error) = Store::open(&url).await {
                    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
                    assert!(start.elapsed() < PATIENCE, "{error}");
                }
            })
        })
        .collect();
    for opened in opening {
        opened.await.unwrap();
    }
    database.open().await.create_account("ada", "hash").await.unwrap();
}

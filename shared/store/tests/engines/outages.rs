//! Databases that are away, locked, or no databases.

use std::time::{Duration, Instant};

use protocol::{Code, Failure};
use sqlx::{Connection, SqliteConnection};
use store::{CALL_DEADLINE, CONNECT_DEADLINE, Store, StoreError};
use tempfile::TempDir;

/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_millis(400);

async fn refused(url: &str) -> (StoreError, Duration) {
    let start = Instant::now();
    let error = Store::open(url).await.unwrap_err();
    (error, start.elapsed())
}

fn is_unavailable(error: &StoreError) -> bool {
    let failure = Failure::from(error.clone());
    matches!(error, StoreError::Unavailable { .. })
        && failure.code == Code::Unavailable
        && failure.retry
}

#[tokio::test]
async fn a_bad_url_is_refused_without_showing_it() {
    for url in ["", "nonsense", "mysql://u:hunter2@h/d", "sqlite:", "postgres://u:hunter2@h:x/d"] {
        let (error, _) = refused(url).await;
        assert!(matches!(error, StoreError::BadUrl { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn an_absent_postgres_is_named_without_its_password() {
    // Bound, never listening: nobody else can take the port, and connecting is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let place = socket.local_addr().unwrap().to_string();
    let (error, took) = refused(&format!("postgres://ada:hunter2@{place}/world")).await;
    assert!(took < CONNECT_DEADLINE, "{took:?}");
    assert!(is_unavailable(&error), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains(&format!("ada@{place}/world")), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_postgres_that_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = silent.local_addr().unwrap();
    let (error, took) = refused(&format!("postgres://ada:hunter2@{place}/world")).await;
    assert!(took < CONNECT_DEADLINE + SLACK, "{took:?}");
    assert!(is_unavailable(&error), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("world.db");
    std::fs::write(&file, "a letter to grandmother, long enough to be no header".repeat(100))
        .unwrap();
    let (error, _) = refused(&format!("sqlite://{}", file.display())).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("world.db"), "{error}");
    assert!(error.to_string().contains("move that file away"), "{error}");
}

#[tokio::test]
async fn a_path_that_cannot_be_a_file_is_named() {
    let folder = TempDir::new().unwrap();
    let (error, _) = refused(&format!("sqlite://{}", folder.path().display())).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("read and write the file and its folder"), "{error}");

    std::fs::write(folder.path().join("file"), "").unwrap();
    let inside_a_file = folder.path().join("file/world.db");
    let (error, _) = refused(&format!("sqlite://{}", inside_a_file.display())).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("cannot be made"), "{error}");
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("world.db");
    Store::open(&format!("sqlite://{}", file.display())).await.unwrap().close().await;
    let (error, _) = refused(&format!("sqlite://{}?mode=ro", file.display())).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("world.db"), "{error}");
}

#[tokio::test]
async fn a_locked_file_is_unavailable_in_time_readable_and_works_once_unlocked() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("world.db").display());
    let store = Store::open(&url).await.unwrap();
    store.create_account("ada", "hash").await.unwrap();

    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let start = Instant::now();
    let error = store.create_account("bob", "hash").await.unwrap_err();
    assert!(start.elapsed() < CALL_DEADLINE + SLACK, "{:?}", start.elapsed());
    assert!(is_unavailable(&error) && error.to_string().contains("locked"), "{error}");
    let (error, took) = refused(&url).await;
    assert!(is_unavailable(&error) && took < CONNECT_DEADLINE + SLACK, "{took:?} {error}");
    assert!(store.find_account("ada").await.unwrap().is_some(), "a writer keeps readers out");

    lock.rollback().await.unwrap();
    store.create_account("bob", "hash").await.unwrap();
}

#[tokio::test]
async fn what_was_answered_is_in_the_files_without_a_close() {
    let (folder, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let url_in = |folder: &TempDir| format!("sqlite://{}/world.db", folder.path().display());
    let store = Store::open(&url_in(&folder)).await.unwrap();
    let id = store.create_account("ada", "hash").await.unwrap();
    // As a machine that lost power would find it: no shared memory, no checkpoint.
    for file in ["world.db", "world.db-wal"] {
        std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let after = Store::open(&url_in(&copy)).await.unwrap();
    assert_eq!(after.find_account("ada").await.unwrap().unwrap().id, id);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("world.db").display());
    Store::open(&url).await.unwrap().close().await;
    let mut newer = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&mut newer)
    .await
    .unwrap();
    let (error, _) = refused(&url).await;
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("update this server"), "{error}");
}

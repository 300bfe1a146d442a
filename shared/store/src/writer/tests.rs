use sqlx::{query, query_scalar, sqlite::SqlitePoolOptions};
use tempfile::TempDir;

use super::*;

type Answer = oneshot::Receiver<Result<i64, Fault>>;

/// A database with a table of words, in which a word's `of` must be another one by the commit.
async fn database() -> (TempDir, SqlitePool) {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("words.db").display());
    let pool = SqlitePoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    query(
        "CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT UNIQUE,
         of TEXT REFERENCES words (word) DEFERRABLE INITIALLY DEFERRED)",
    )
    .execute(&pool)
    .await
    .unwrap();
    (folder, pool)
}

/// Writes a word down, and returns which one it is.
fn word(word: &'static str, of: Option<&'static str>) -> (Box<dyn Change>, Answer) {
    asked(Box::new(move |transaction| {
        Box::pin(async move {
            let (id,): (i64,) = transaction
                .query("INSERT INTO words (word, of) VALUES ($1, $2) RETURNING id")
                .bind(word)
                .bind(of)
                .fetch_optional()
                .await?
                .unwrap();
            Ok(id)
        })
    }))
}

fn refused() -> (Box<dyn Change>, Answer) {
    asked(Box::new(|_| Box::pin(async { Err(StoreError::Fenced.into()) })))
}

fn asked(work: Work<i64>) -> (Box<dyn Change>, Answer) {
    let (answer, answered) = oneshot::channel();
    (Box::new(Asked { work: Some(work), done: None, answer }), answered)
}

async fn words(pool: &SqlitePool) -> Vec<String> {
    query_scalar("SELECT word FROM words ORDER BY id").fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn those_who_wait_are_written_together_in_order_and_a_refusal_is_its_own() {
    let (_folder, pool) = database().await;
    let (a, a_answer) = word("a", Some("b")); // holds only together with the next
    let (fenced, fenced_answer) = refused();
    let (b, b_answer) = word("b", None);
    let rest = write_together(&pool, vec![a, fenced, b], "x").await;
    assert!(rest.is_empty());
    assert_eq!((a_answer.await.unwrap().unwrap(), b_answer.await.unwrap().unwrap()), (1, 2));
    let fenced = fenced_answer.await.unwrap();
    assert!(matches!(fenced, Err(Fault::Answer(StoreError::Fenced))), "{fenced:?}");
    assert_eq!(words(&pool).await, ["a", "b"]);
}

#[tokio::test]
async fn one_that_fails_keeps_neither_those_before_nor_those_after_from_being_made() {
    let (_folder, pool) = database().await;
    let (changes, answers): (Vec<_>, Vec<_>) =
        ["a", "a", "b"].map(|text| word(text, None)).into_iter().unzip();
    let rest = write_together(&pool, changes, "x").await;
    assert_eq!((rest.len(), words(&pool).await), (1, vec!["a".to_owned()]));
    assert!(write_together(&pool, rest, "x").await.is_empty());
    assert_eq!(words(&pool).await, ["a", "b"]);
    let mut went = Vec::new();
    for answer in answers {
        went.push(answer.await.unwrap().is_ok());
    }
    assert_eq!(went, [true, false, true]);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_and_nothing_of_it_is_there() {
    let (_folder, pool) = database().await;
    let (good, good_answer) = word("a", None);
    let (fenced, fenced_answer) = refused();
    let (bad, bad_answer) = word("b", Some("nowhere"));
    assert!(write_together(&pool, vec![good, fenced, bad], "x").await.is_empty());
    for answer in [good_answer, bad_answer] {
        let told = answer.await.unwrap();
        assert!(matches!(told, Err(Fault::Answer(StoreError::Unusable { .. }))), "{told:?}");
    }
    let fenced = fenced_answer.await.unwrap();
    assert!(matches!(fenced, Err(Fault::Answer(StoreError::Fenced))), "{fenced:?}");
    assert!(words(&pool).await.is_empty());
    // The connection is good for more.
    let (c, answer) = word("c", None);
    write_together(&pool, vec![c], "x").await;
    answer.await.unwrap().unwrap();
    assert_eq!(words(&pool).await, ["c"]);
}

#[tokio::test]
async fn one_that_is_given_up_before_its_turn_is_not_made() {
    let (_folder, pool) = database().await;
    let (given_up, answer) = word("a", None);
    drop(answer);
    let (kept, kept_answer) = word("b", None);
    write_together(&pool, vec![given_up, kept], "x").await;
    assert_eq!(kept_answer.await.unwrap().unwrap(), 1);
    assert_eq!(words(&pool).await, ["b"]);
}

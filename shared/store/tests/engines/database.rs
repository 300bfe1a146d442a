//! An empty database for each test.

use std::{future::Future, str::FromStr};

use protocol::{
    AccountId, CharacterId, CharacterState, Incarnation, MapName, Position,
    backbone::{
        Life,
        characters::{Claim, ReleaseCharacter, SaveCharacter, TransferCharacter},
    },
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use store::Store;
use tempfile::TempDir;

/// Runs each of these tests on each database.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::database::on_sqlite(super::$test).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::database::on_postgres(super::$test).await;
            })*
        }
    };
}
pub(crate) use on_each_engine;

/// Where a test's database is.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
}

impl Database {
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }
}

pub(crate) async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F) {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("world.db").display());
    test(Database { url }).await;
}

pub(crate) async fn on_postgres<F>(test: impl FnOnce(Database) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(url) = std::env::var("WAYSTONE_TEST_POSTGRES") else {
        println!("skipped: WAYSTONE_TEST_POSTGRES is not set; ./check sets it");
        return;
    };
    let server = PgConnectOptions::from_str(&url).unwrap();
    let name = format!("waystone_test_{}", uuid::Uuid::new_v4().simple());
    let mut admin = PgConnection::connect_with(&server).await.unwrap();
    run(&mut admin, format!("CREATE DATABASE {name}")).await;
    let url = server.database(&name).to_url_lossy().to_string();
    let outcome = tokio::spawn(test(Database { url })).await;
    run(&mut admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

async fn run(admin: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(admin).await.unwrap();
}

pub(crate) fn map(name: &str) -> MapName {
    name.parse().unwrap()
}

/// A new life of that server.
pub(crate) fn life(server: &str) -> Life {
    Life { server: server.parse().unwrap(), incarnation: Incarnation::new() }
}

/// A state that can be told from that of another number.
pub(crate) fn state(number: i32) -> CharacterState {
    CharacterState {
        map: map("town"),
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        position: Some(Position { x: number as f32 + 0.1, y: -0.1 }),
        data: serde_json::json!({ "gold": number, "ratio": 0.1 + 0.2, "name": "Zoë \u{0}" }),
    }
}

/// An account with one character.
pub(crate) async fn a_character(store: &Store) -> (AccountId, CharacterId) {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let account = store.create_account(&unique, "hash").await.unwrap();
    let made = store.create_character(account, &unique, &unique, &map("town"), 8).await.unwrap();
    (account, made.character)
}

/// The same, owned by `owner`.
pub(crate) async fn an_owned_character(
    store: &Store,
    owner: &Life,
) -> (AccountId, CharacterId, Claim) {
    let (account, character) = a_character(store).await;
    let claim = store.claim(account, character, owner, None).await.unwrap();
    (account, character, claim)
}

pub(crate) fn save(character: CharacterId, claim: &Claim, state: &CharacterState) -> SaveCharacter {
    let (claim, state) = (claim.clone(), state.clone());
    SaveCharacter { character, claim, state, ledger: Vec::new() }
}

pub(crate) fn transfer(
    character: CharacterId,
    claim: &Claim,
    state: &CharacterState,
    to: &Life,
) -> TransferCharacter {
    let (claim, state, to) = (claim.clone(), state.clone(), to.clone());
    TransferCharacter { character, claim, state, ledger: Vec::new(), to }
}

pub(crate) fn release(
    character: CharacterId,
    claim: &Claim,
    state: &CharacterState,
) -> ReleaseCharacter {
    let (claim, state) = (claim.clone(), state.clone());
    ReleaseCharacter { character, claim, state, ledger: Vec::new() }
}

//! Characters as their players see them.

use protocol::{AccountId, CharacterId, names};
use store::StoreError;

use crate::database::{
    Database, a_character, an_owned_character, life, map, on_each_engine, release, state,
};

on_each_engine!(
    a_name_is_unique_whatever_its_case_also_at_once,
    the_limit_holds_also_at_once,
    characters_are_listed_oldest_first_and_each_account_its_own,
    a_character_on_a_map_cannot_be_deleted,
    a_deleted_name_is_free_again,
);

async fn a_name_is_unique_whatever_its_case_also_at_once(database: Database) {
    let store = database.open().await;
    let spellings = ["Ada", "ADA", "ada", "aDa", "adA", "aDA"];
    let mut tries = Vec::new();
    for (n, name) in spellings.into_iter().enumerate() {
        let account = store.create_account(&format!("account-{n}"), "hash").await.unwrap();
        let (store, key) = (store.clone(), names::character_key(name).unwrap());
        tries.push(tokio::spawn(async move {
            store.create_character(account, name, &key, &map("town"), 8).await
        }));
    }
    let mut made = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert_eq!(error, StoreError::NameTaken),
        }
    }
    assert_eq!(made, 1);
}

async fn the_limit_holds_also_at_once(database: Database) {
    const LIMIT: u32 = 3;
    let (one, other) = (database.open().await, database.open().await);
    let account = one.create_account("ada", "hash").await.unwrap();
    let tries: Vec<_> = (0..12)
        .map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move {
                let name = format!("ada{n}");
                store.create_character(account, &name, &name, &map("town"), LIMIT).await
            })
        })
        .collect();
    for attempt in tries {
        if let Err(error) = attempt.await.unwrap() {
            assert_eq!(error, StoreError::LimitReached { limit: LIMIT });
        }
    }
    assert_eq!(one.list_characters(account).await.unwrap().len(), LIMIT as usize);
    let nobody = AccountId::new();
    let error = one.create_character(nobody, "Bob", "bob", &map("town"), 8).await.unwrap_err();
    assert_eq!(error, StoreError::AccountUnknown);
}

async fn characters_are_listed_oldest_first_and_each_account_its_own(database: Database) {
    let store = database.open().await;
    let ada = store.create_account("ada", "hash").await.unwrap();
    let bob = store.create_account("bob", "hash").await.unwrap();
    for (account, name) in [(ada, "zoe"), (bob, "ben"), (ada, "mia"), (ada, "amy")] {
        store.create_character(account, name, name, &map("town"), 8).await.unwrap();
    }
    let listed = store.list_characters(ada).await.unwrap();
    let names: Vec<_> = listed.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["zoe", "mia", "amy"]);

    let zoe = listed[0].character;
    let found = store.character(ada, zoe).await.unwrap().unwrap();
    assert_eq!((found.summary, found.owner), (listed[0].clone(), None));
    assert_eq!(found.state.position, None, "a new character starts at the spawn point");
    assert_eq!(store.character(bob, zoe).await.unwrap(), None);
}

async fn a_character_on_a_map_cannot_be_deleted(database: Database) {
    let store = database.open().await;
    let town = life("town-1");
    let (account, character, claim) = an_owned_character(&store, &town).await;
    let error = store.delete_character(account, character).await.unwrap_err();
    assert_eq!(error, StoreError::InUse { owner: town });

    store.release(release(character, &claim, &state(1))).await.unwrap();
    let error = store.delete_character(AccountId::new(), character).await.unwrap_err();
    assert_eq!(error, StoreError::CharacterUnknown, "deleted by another account");
    store.delete_character(account, character).await.unwrap();
    assert!(store.list_characters(account).await.unwrap().is_empty());
}

async fn a_deleted_name_is_free_again(database: Database) {
    let store = database.open().await;
    let (account, character) = a_character(&store).await;
    let name = store.list_characters(account).await.unwrap()[0].name.clone();
    store.delete_character(account, character).await.unwrap();
    let again = store.create_character(account, &name, &name, &map("town"), 8).await.unwrap();
    assert_ne!(again.character, character);
    let error = store.delete_character(account, CharacterId::new()).await.unwrap_err();
    assert_eq!(error, StoreError::CharacterUnknown);
}

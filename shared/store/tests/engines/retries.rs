//! A caller that lost an answer asks again, in the same words.

use store::StoreError;

use crate::database::{
    Database, an_owned_character, life, on_each_engine, release, save, state, transfer,
};

on_each_engine!(a_save_may_be_repeated, a_transfer_may_be_repeated, a_release_may_be_repeated);

async fn a_save_may_be_repeated(database: Database) {
    let store = database.open().await;
    let (_, character, first) = an_owned_character(&store, &life("town-1")).await;
    let second = store.save(save(character, &first, &state(1))).await.unwrap();
    assert_eq!(store.save(save(character, &first, &state(1))).await.unwrap(), second);
    let other = store.save(save(character, &first, &state(2))).await;
    assert_eq!(other, Err(StoreError::Fenced), "another state is no repetition");

    store.save(save(character, &second, &state(3))).await.unwrap();
    let late = store.save(save(character, &first, &state(1))).await;
    assert_eq!(late, Err(StoreError::Fenced), "a newer save was made since");
}

async fn a_transfer_may_be_repeated(database: Database) {
    let store = database.open().await;
    let (town, cave) = (life("town-1"), life("cave-1"));
    let (_, character, claim) = an_owned_character(&store, &town).await;
    let given = store.transfer(transfer(character, &claim, &state(1), &cave)).await.unwrap();
    assert_eq!(store.transfer(transfer(character, &claim, &state(1), &cave)).await.unwrap(), given);
    let other = store.transfer(transfer(character, &claim, &state(1), &life("cave-2"))).await;
    assert_eq!(other, Err(StoreError::Fenced), "another target is no repetition");
    assert_eq!(store.load(character, &cave).await.unwrap().claim, given, "it moved on twice");

    store.save(save(character, &given, &state(2))).await.unwrap();
    let late = store.transfer(transfer(character, &claim, &state(1), &cave)).await;
    assert_eq!(late, Err(StoreError::Fenced), "the new owner has saved since");
}

async fn a_release_may_be_repeated(database: Database) {
    let store = database.open().await;
    let (town, cave) = (life("town-1"), life("cave-1"));
    let (account, character, claim) = an_owned_character(&store, &town).await;
    store.release(release(character, &claim, &state(1))).await.unwrap();
    store.release(release(character, &claim, &state(1))).await.unwrap();
    let other = store.release(release(character, &claim, &state(2))).await;
    assert_eq!(other, Err(StoreError::Fenced), "another state is no repetition");

    let next = store.claim(account, character, &cave, None).await.unwrap();
    let late = store.release(release(character, &claim, &state(1))).await;
    assert_eq!(late, Err(StoreError::Fenced), "somebody has claimed it since");
    store.save(save(character, &next, &state(3))).await.unwrap();
}

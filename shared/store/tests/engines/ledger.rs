//! What changes hands does so in one transaction, line by line in the ledger.

use protocol::{CharacterId, LedgerEntry, backbone::characters::SaveCharacter};
use store::{Store, StoreError};

use crate::database::{
    Database, an_owned_character, life, on_each_engine, release, save, state, transfer,
};

on_each_engine!(
    a_save_brings_its_lines,
    a_save_that_is_repeated_brings_them_once,
    a_fenced_save_brings_none,
    several_are_saved_together_or_not_at_all,
    a_commit_that_is_repeated_is_made_once,
    commits_that_cross_each_other_all_end,
    a_commit_names_each_once,
);

fn coins(amount: i64) -> Vec<LedgerEntry> {
    vec![LedgerEntry::new("coins", amount, "test")]
}

fn with(ledger: Vec<LedgerEntry>, save: SaveCharacter) -> SaveCharacter {
    SaveCharacter { ledger, ..save }
}

async fn coins_of(store: &Store, character: CharacterId) -> i64 {
    let balances = store.balances(character).await.unwrap();
    balances.into_iter().find(|(asset, _)| asset == "coins").map_or(0, |(_, sum)| sum)
}

async fn a_save_brings_its_lines(database: Database) {
    let (store, town, cave) = (database.open().await, life("town-1"), life("cave-1"));
    let (_, ada, claim) = an_owned_character(&store, &town).await;
    let two = vec![LedgerEntry::new("herbs", 1, "shop"), LedgerEntry::new("coins", -3, "shop")];
    let claim = store.save(with(two, save(ada, &claim, &state(1)))).await.unwrap();
    let mut over = transfer(ada, &claim, &state(2), &cave);
    over.ledger = coins(10);
    let claim = store.transfer(over).await.unwrap();
    let mut last = release(ada, &claim, &state(3));
    last.ledger = coins(-1);
    store.release(last).await.unwrap();
    let balances = store.balances(ada).await.unwrap();
    assert_eq!(balances, [("coins".to_owned(), 6), ("herbs".to_owned(), 1)]);
}

async fn a_save_that_is_repeated_brings_them_once(database: Database) {
    let (store, town) = (database.open().await, life("town-1"));
    let (_, ada, claim) = an_owned_character(&store, &town).await;
    let asked = with(coins(5), save(ada, &claim, &state(1)));
    let first = store.save(asked.clone()).await.unwrap();
    assert_eq!(store.save(asked).await, Ok(first));
    assert_eq!(coins_of(&store, ada).await, 5);
}

async fn a_fenced_save_brings_none(database: Database) {
    let (store, town) = (database.open().await, life("town-1"));
    let (account, ada, stale) = an_owned_character(&store, &town).await;
    store.claim(account, ada, &life("cave-1"), Some(&town)).await.unwrap();
    let fenced = store.save(with(coins(5), save(ada, &stale, &state(1)))).await;
    assert_eq!(fenced, Err(StoreError::Fenced));
    assert_eq!(coins_of(&store, ada).await, 0);
}

async fn several_are_saved_together_or_not_at_all(database: Database) {
    let (store, town) = (database.open().await, life("town-1"));
    let (_, ada, ada_claim) = an_owned_character(&store, &town).await;
    let (account, bob, stale) = an_owned_character(&store, &town).await;
    let bob_claim = store.claim(account, bob, &town, Some(&town)).await.unwrap();
    let trade = |bob_claim| {
        vec![
            with(coins(-4), save(ada, &ada_claim, &state(1))),
            with(coins(4), save(bob, bob_claim, &state(2))),
        ]
    };
    // In both orders of their ids, as it happens: neither may be written before both are looked at.
    assert_eq!(store.commit(trade(&stale)).await, Err(StoreError::Fenced));
    let reversed = trade(&stale).into_iter().rev().collect();
    assert_eq!(store.commit(reversed).await, Err(StoreError::Fenced));
    assert_eq!(store.load(ada, &town).await.unwrap().claim, ada_claim, "nothing was written");
    assert_eq!((coins_of(&store, ada).await, coins_of(&store, bob).await), (0, 0));

    let claims = store.commit(trade(&bob_claim)).await.unwrap();
    for (character, claim, number) in [(ada, &claims[0], 1), (bob, &claims[1], 2)] {
        let loaded = store.load(character, &town).await.unwrap();
        assert_eq!((&loaded.claim, loaded.state), (claim, state(number)));
    }
    assert_eq!((coins_of(&store, ada).await, coins_of(&store, bob).await), (-4, 4));
}

async fn a_commit_that_is_repeated_is_made_once(database: Database) {
    let (store, town) = (database.open().await, life("town-1"));
    let (_, ada, ada_claim) = an_owned_character(&store, &town).await;
    let (_, bob, bob_claim) = an_owned_character(&store, &town).await;
    let trade = vec![
        with(coins(-4), save(ada, &ada_claim, &state(1))),
        with(coins(4), save(bob, &bob_claim, &state(2))),
    ];
    let first = store.commit(trade.clone()).await.unwrap();
    assert_eq!(store.commit(trade.clone()).await.unwrap(), first);
    assert_eq!((coins_of(&store, ada).await, coins_of(&store, bob).await), (-4, 4));
    // Once one of them has gone on, it is a commit of long ago.
    store.save(save(bob, &first[1], &state(3))).await.unwrap();
    assert_eq!(store.commit(trade).await, Err(StoreError::Fenced));
}

async fn commits_that_cross_each_other_all_end(database: Database) {
    let (store, town) = (database.open().await, life("town-1"));
    let (_, ada, ada_claim) = an_owned_character(&store, &town).await;
    let (_, bob, bob_claim) = an_owned_character(&store, &town).await;
    let tries: Vec<_> = (0..12)
        .map(|n| {
            let mut trade = vec![
                with(coins(-1), save(ada, &ada_claim, &state(n))),
                with(coins(1), save(bob, &bob_claim, &state(n))),
            ];
            if n % 2 == 0 {
                trade.reverse();
            }
            let store = store.clone();
            tokio::spawn(async move { store.commit(trade).await })
        })
        .collect();
    let mut won = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error, StoreError::Fenced),
        }
    }
    assert_eq!(won, 1);
    assert_eq!((coins_of(&store, ada).await, coins_of(&store, bob).await), (-1, 1));
}

async fn a_commit_names_each_once(database: Database) {
    let (store, town) = (database.open().await, life("town-1"));
    let (_, ada, claim) = an_owned_character(&store, &town).await;
    let twice = vec![save(ada, &claim, &state(1)), save(ada, &claim, &state(2))];
    assert_eq!(store.commit(twice).await, Err(StoreError::CommitInvalid));
}

//! One owner at a time, and only the owner saves.

use protocol::{AccountId, CharacterId, Position, backbone::characters::Claim};
use store::StoreError;

use crate::database::{
    Database, a_character, an_owned_character, life, on_each_engine, release, save, state, transfer,
};

on_each_engine!(
    a_save_comes_back_as_it_was,
    a_stale_save_is_fenced_after_a_new_claim,
    a_claim_on_another_life_than_the_owner_is_fenced,
    of_many_claims_at_once_one_wins,
    of_many_saves_on_one_claim_one_wins,
    a_transfer_hands_over_state_and_right_to_save,
    a_released_character_can_be_claimed_again,
    an_abandoned_character_can_be_claimed_again,
    what_is_not_there_is_unknown,
    a_claim_that_was_never_given_is_fenced,
    a_position_that_is_none_is_refused,
);

async fn a_save_comes_back_as_it_was(database: Database) {
    let store = database.open().await;
    let town = life("town-1");
    let (account, character, claim) = an_owned_character(&store, &town).await;
    let claim = store.save(save(character, &claim, &state(7))).await.unwrap();

    let loaded = store.load(character, &town).await.unwrap();
    assert_eq!((loaded.claim, loaded.state), (claim.clone(), state(7)));
    assert_eq!(loaded.account, account);
    let found = store.character(account, character).await.unwrap().unwrap();
    assert_eq!((found.owner, found.version), (Some(town.clone()), claim.version));
    let error = store.load(character, &life("town-1")).await.unwrap_err();
    assert_eq!(error, StoreError::Fenced, "an earlier life of a server owns nothing");
}

async fn a_stale_save_is_fenced_after_a_new_claim(database: Database) {
    let store = database.open().await;
    let (town, cave) = (life("town-1"), life("cave-1"));
    let (account, character, stale) = an_owned_character(&store, &town).await;
    let claim = store.claim(account, character, &cave, Some(&town)).await.unwrap();
    assert_eq!((claim.epoch, claim.version), (stale.epoch + 1, stale.version));

    let fenced = Err(StoreError::Fenced);
    assert_eq!(store.save(save(character, &stale, &state(1))).await, fenced);
    assert_eq!(store.transfer(transfer(character, &stale, &state(1), &town)).await, fenced);
    assert_eq!(store.release(release(character, &stale, &state(1))).await, Err(StoreError::Fenced));
    assert_eq!(store.load(character, &town).await.unwrap_err(), StoreError::Fenced);
    assert!(!store.abandon(character, &town, None).await.unwrap());

    store.save(save(character, &claim, &state(2))).await.unwrap();
    assert_eq!(store.load(character, &cave).await.unwrap().state, state(2));
}

async fn a_claim_on_another_life_than_the_owner_is_fenced(database: Database) {
    let store = database.open().await;
    let (town, earlier) = (life("town-1"), life("town-1"));
    let (account, character, _) = an_owned_character(&store, &town).await;
    let cave = life("cave-1");
    for expected in [None, Some(&earlier), Some(&cave)] {
        let claimed = store.claim(account, character, &cave, expected).await;
        assert_eq!(claimed, Err(StoreError::Fenced), "expecting {expected:?}");
    }
    assert!(!store.abandon(character, &earlier, None).await.unwrap());
    store.claim(account, character, &cave, Some(&town)).await.unwrap();
}

async fn of_many_claims_at_once_one_wins(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    let (account, character) = a_character(&one).await;
    let tries: Vec<_> = (0..12)
        .map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            let to = life(&format!("town-{n}"));
            tokio::spawn(async move { store.claim(account, character, &to, None).await })
        })
        .collect();
    let mut won = Vec::new();
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(claim) => won.push(claim.owner),
            Err(error) => assert_eq!(error, StoreError::Fenced),
        }
    }
    let owner = one.character(account, character).await.unwrap().unwrap().owner;
    assert_eq!(won, [owner.unwrap()]);
}

async fn of_many_saves_on_one_claim_one_wins(database: Database) {
    let store = database.open().await;
    let town = life("town-1");
    let (_, character, claim) = an_owned_character(&store, &town).await;
    let tries: Vec<_> = (0..12)
        .map(|n| {
            let (store, claim) = (store.clone(), claim.clone());
            tokio::spawn(async move { (n, store.save(save(character, &claim, &state(n))).await) })
        })
        .collect();
    let mut won = Vec::new();
    for attempt in tries {
        match attempt.await.unwrap() {
            (n, Ok(_)) => won.push(state(n)),
            (_, Err(error)) => assert_eq!(error, StoreError::Fenced),
        }
    }
    assert_eq!(won, [store.load(character, &town).await.unwrap().state]);
}

async fn a_transfer_hands_over_state_and_right_to_save(database: Database) {
    let store = database.open().await;
    let (town, cave) = (life("town-1"), life("cave-1"));
    let (_, character, before) = an_owned_character(&store, &town).await;
    let claim = store.transfer(transfer(character, &before, &state(3), &cave)).await.unwrap();
    let (epoch, version) = (before.epoch + 1, before.version + 1);
    assert_eq!(claim, Claim { owner: cave.clone(), epoch, version });

    assert_eq!(store.save(save(character, &before, &state(4))).await, Err(StoreError::Fenced));
    let loaded = store.load(character, &cave).await.unwrap();
    assert_eq!((&loaded.claim, loaded.state), (&claim, state(3)));
    store.save(save(character, &loaded.claim, &state(5))).await.unwrap();
}

async fn a_released_character_can_be_claimed_again(database: Database) {
    let store = database.open().await;
    let (town, cave) = (life("town-1"), life("cave-1"));
    let (account, character, claim) = an_owned_character(&store, &town).await;
    store.release(release(character, &claim, &state(3))).await.unwrap();
    let found = store.character(account, character).await.unwrap().unwrap();
    assert_eq!((found.owner, found.state), (None, state(3)));

    let next = store.claim(account, character, &cave, None).await.unwrap();
    assert_eq!((next.epoch, next.version), (claim.epoch + 2, claim.version + 1));
    assert_eq!(store.save(save(character, &claim, &state(4))).await, Err(StoreError::Fenced));
}

async fn an_abandoned_character_can_be_claimed_again(database: Database) {
    let store = database.open().await;
    let town = life("town-1");
    let (account, character, claim) = an_owned_character(&store, &town).await;
    assert!(!store.abandon(character, &life("town-1"), None).await.unwrap());
    let earlier = Some(claim.epoch - 1);
    assert!(!store.abandon(character, &town, earlier).await.unwrap(), "that claim is over");
    assert!(store.abandon(character, &town, Some(claim.epoch)).await.unwrap());
    assert!(!store.abandon(character, &town, None).await.unwrap(), "abandoned once only");

    store.claim(account, character, &town, None).await.unwrap();
    let late = store.save(save(character, &claim, &state(1))).await;
    assert_eq!(late, Err(StoreError::Fenced), "the same life, but an older claim");
}

async fn what_is_not_there_is_unknown(database: Database) {
    let store = database.open().await;
    let town = life("town-1");
    let (account, character) = a_character(&store).await;
    let unknown = StoreError::CharacterUnknown;
    let other = store.claim(AccountId::new(), character, &town, None).await;
    assert_eq!(other.unwrap_err(), unknown, "claimed for another account");
    let claim = store.claim(account, character, &town, None).await.unwrap();

    let none = CharacterId::new();
    assert_eq!(store.claim(account, none, &town, None).await.unwrap_err(), unknown);
    assert_eq!(store.load(none, &town).await.unwrap_err(), unknown);
    assert_eq!(store.save(save(none, &claim, &state(1))).await.unwrap_err(), unknown);
    assert!(!store.abandon(none, &town, None).await.unwrap());
}

async fn a_claim_that_was_never_given_is_fenced(database: Database) {
    let store = database.open().await;
    let (_, character, claim) = an_owned_character(&store, &life("town-1")).await;
    for number in [u64::MAX, u64::MAX - 1, i64::MAX as u64] {
        for wrong in
            [Claim { epoch: number, ..claim.clone() }, Claim { version: number, ..claim.clone() }]
        {
            let refused = store.save(save(character, &wrong, &state(1))).await;
            assert_eq!(refused, Err(StoreError::Fenced), "{wrong:?}");
        }
    }
}

async fn a_position_that_is_none_is_refused(database: Database) {
    let store = database.open().await;
    let (_, character, claim) = an_owned_character(&store, &life("town-1")).await;
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut state = state(1);
        state.position = Some(Position { x, y: 0.0 });
        let refused = store.save(save(character, &claim, &state)).await;
        assert_eq!(refused, Err(StoreError::PositionInvalid));
    }
    store.save(save(character, &claim, &state(1))).await.unwrap();
}

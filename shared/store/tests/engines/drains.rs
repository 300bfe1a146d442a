//! What is to be emptied is kept for the next leader, and one of before cannot change it.

use protocol::backbone::operations::Target;
use store::{KeptDrain, StoreError};

use crate::database::{Database, map, on_each_engine};

on_each_engine!(
    nothing_is_emptied_until_somebody_says_so,
    a_leader_of_before_cannot_change_what_the_next_one_keeps,
);

fn drain(target: Target) -> KeptDrain {
    KeptDrain { target, ends_ms: 1_700_000_000_123, reason: "an update".to_owned() }
}

async fn nothing_is_emptied_until_somebody_says_so(database: Database) {
    let store = database.open().await;
    assert_eq!(store.drains().await, Ok(vec![]));
    let drains = [drain(Target::All), drain(Target::Map(map("town")))];
    assert_eq!(store.keep_drains(1, &drains).await, Ok(()));
    assert_eq!(database.open().await.drains().await, Ok(drains.to_vec()));
}

async fn a_leader_of_before_cannot_change_what_the_next_one_keeps(database: Database) {
    let store = database.open().await;
    let (first, second) = ([drain(Target::All)], [drain(Target::Map(map("town")))]);
    assert_eq!(store.keep_drains(3, &first).await, Ok(()));
    assert_eq!(store.keep_drains(4, &second).await, Ok(()));
    assert_eq!(store.keep_drains(3, &first).await, Err(StoreError::Fenced));
    assert_eq!(store.drains().await, Ok(second.to_vec()));
    assert_eq!(store.keep_drains(4, &[]).await, Ok(()));
    assert_eq!(store.drains().await, Ok(vec![]));
}

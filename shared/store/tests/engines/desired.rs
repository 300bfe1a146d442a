//! What is meant to run is kept, and not changed by who has not seen the last change.

use protocol::backbone::desired::{Desired, DesiredMap, DesiredState};
use store::{StoreError, StoredDesired};

use crate::database::{Database, map, on_each_engine};

on_each_engine!(
    nothing_is_meant_to_run_until_somebody_says_so,
    a_change_counts_up_and_keeps_where_the_file_came_from,
    of_two_who_change_the_same_revision_one_is_refused,
);

fn desired(name: &str) -> Desired {
    let one: DesiredMap = serde_json::from_str("{}").unwrap();
    Desired { maps: [(map(name), one)].into(), ..Desired::default() }
}

fn stored(revision: u64, name: &str, source: Option<&str>) -> StoredDesired {
    let state = DesiredState { revision, desired: desired(name) };
    StoredDesired { state, source: source.map(str::to_owned) }
}

async fn nothing_is_meant_to_run_until_somebody_says_so(database: Database) {
    let store = database.open().await;
    assert_eq!(store.desired().await.unwrap(), StoredDesired::default());
    assert_eq!(
        store.set_desired(Some(3), &desired("town"), None).await,
        Err(StoreError::Outdated { revision: 0 })
    );
    assert_eq!(store.set_desired(Some(0), &desired("town"), None).await, Ok(1));
    assert_eq!(store.desired().await.unwrap(), stored(1, "town", None));
}

async fn a_change_counts_up_and_keeps_where_the_file_came_from(database: Database) {
    let store = database.open().await;
    assert_eq!(store.set_desired(None, &desired("town"), Some("abc")).await, Ok(1));
    assert_eq!(store.set_desired(Some(1), &desired("forest"), None).await, Ok(2));
    assert_eq!(store.desired().await.unwrap(), stored(2, "forest", Some("abc")));
    assert_eq!(store.set_desired(None, &desired("cave"), Some("def")).await, Ok(3));
    // Another server finds it all again.
    assert_eq!(database.open().await.desired().await.unwrap(), stored(3, "cave", Some("def")));
}

async fn of_two_who_change_the_same_revision_one_is_refused(database: Database) {
    for revision in 0..4 {
        let change = async |name: &str| {
            database.open().await.set_desired(Some(revision), &desired(name), None).await
        };
        let outcomes = tokio::join!(change("town"), change("forest"));
        let name = match outcomes {
            (Ok(_), Err(_)) => "town",
            (Err(_), Ok(_)) => "forest",
            both => panic!("{both:?}"),
        };
        let (first, second) = outcomes;
        let outdated = Err(StoreError::Outdated { revision: revision + 1 });
        assert!(first == outdated || second == outdated, "{first:?} {second:?}");
        let now = database.open().await.desired().await.unwrap();
        assert_eq!(now, stored(revision + 1, name, None));
    }
}

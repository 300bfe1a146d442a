//! One Central has the lease, and whoever has lost it is told.

use std::time::Duration;

use store::{Kept, Lease, Store};

use crate::database::{Database, life, on_each_engine};

on_each_engine!(
    a_new_database_has_a_lease_that_is_nobodys,
    of_many_who_take_it_at_once_one_has_it,
    a_holder_that_lives_is_not_replaced,
    who_lost_it_is_told,
    what_is_given_up_is_free_at_once,
    a_holder_is_told_that_another_one_would_lead_until_its_term_is_over,
);

async fn holds(store: &Store, seen: &Lease, who: &str) -> (protocol::backbone::Life, u64) {
    let me = life(who);
    let epoch = store.take_lease(seen, &me).await.unwrap().unwrap();
    (me, epoch)
}

async fn a_new_database_has_a_lease_that_is_nobodys(database: Database) {
    let store = database.open().await;
    assert_eq!(store.lease().await.unwrap(), Lease { holder: None, epoch: 0, beat: 0 });
    let (me, epoch) = holds(&store, &store.lease().await.unwrap(), "central-1").await;
    assert_eq!(epoch, 1);
    let lease = Lease { holder: Some(me.clone()), epoch: 1, beat: 0 };
    assert_eq!(store.lease().await.unwrap(), lease);
    assert_eq!(store.keep_lease(&me, 1).await, Ok(Kept::Ours));
    assert_eq!(store.lease().await.unwrap(), Lease { beat: 1, ..lease });
}

async fn of_many_who_take_it_at_once_one_has_it(database: Database) {
    let store = database.open().await;
    for round in 1..=5 {
        let seen = store.lease().await.unwrap();
        let tries: Vec<_> = (0..8)
            .map(|number| {
                // Each from a server process of its own, as far as the database can tell.
                let (database, seen) = (database.clone(), seen.clone());
                let me = life(&format!("central-{number}"));
                tokio::spawn(async move {
                    let store = database.open().await;
                    (store.take_lease(&seen, &me).await.unwrap(), me)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for attempt in tries {
            let (taken, me) = attempt.await.unwrap();
            winners.extend(taken.map(|epoch| (epoch, me)));
        }
        let [(epoch, winner)] = &winners[..] else { panic!("{winners:?}") };
        let lease = Lease { holder: Some(winner.clone()), epoch: *epoch, beat: 0 };
        assert_eq!((*epoch, store.lease().await.unwrap()), (round, lease));
    }
}

async fn a_holder_that_lives_is_not_replaced(database: Database) {
    let store = database.open().await;
    let (me, epoch) = holds(&store, &store.lease().await.unwrap(), "central-1").await;
    let seen = store.lease().await.unwrap();
    assert_eq!(store.keep_lease(&me, epoch).await, Ok(Kept::Ours));
    assert_eq!(store.take_lease(&seen, &life("central-2")).await.unwrap(), None);
    assert_eq!(store.keep_lease(&me, epoch).await, Ok(Kept::Ours));
}

async fn who_lost_it_is_told(database: Database) {
    let store = database.open().await;
    let (me, epoch) = holds(&store, &store.lease().await.unwrap(), "central-1").await;
    let (other, later) = holds(&store, &store.lease().await.unwrap(), "central-2").await;
    assert_eq!(store.keep_lease(&me, epoch).await, Ok(Kept::Lost));
    assert!(!store.give_lease_up(&me, epoch).await.unwrap());
    // Neither an earlier life of the same id nor an earlier term of the same life counts.
    assert_eq!(store.keep_lease(&life("central-2"), later).await, Ok(Kept::Lost));
    assert_eq!(store.keep_lease(&other, epoch).await, Ok(Kept::Lost));
    let lease = Lease { holder: Some(other), epoch: later, beat: 0 };
    assert_eq!(store.lease().await.unwrap(), lease, "none of that has left a trace");
}

async fn what_is_given_up_is_free_at_once(database: Database) {
    let store = database.open().await;
    let (me, epoch) = holds(&store, &store.lease().await.unwrap(), "central-1").await;
    let seen = store.lease().await.unwrap();
    assert!(store.give_lease_up(&me, epoch).await.unwrap());
    assert_eq!(
        store.keep_lease(&me, epoch).await,
        Ok(Kept::Lost),
        "it does not come back by itself"
    );
    assert_eq!(store.take_lease(&seen, &life("central-2")).await.unwrap(), None, "seen before");
    let free = store.lease().await.unwrap();
    assert_eq!((free.holder.as_ref(), free.epoch), (None, 1));
    assert_eq!(holds(&store, &free, "central-2").await.1, 2);
}

async fn a_holder_is_told_that_another_one_would_lead_until_its_term_is_over(database: Database) {
    let store = database.open().await;
    let (me, epoch) = holds(&store, &store.lease().await.unwrap(), "central-1").await;
    let seen = store.lease().await.unwrap();
    store.want_lease(epoch + 1).await.unwrap();
    assert_eq!(store.keep_lease(&me, epoch).await, Ok(Kept::Ours), "another term is meant");
    store.want_lease(epoch).await.unwrap();
    assert_eq!(store.lease().await.unwrap().beat, seen.beat + 1, "it is no sign of life");
    assert_eq!(store.keep_lease(&me, epoch).await, Ok(Kept::Wanted));
    let (me, epoch) = holds(&store, &store.lease().await.unwrap(), "central-1").await;
    assert_eq!(store.keep_lease(&me, epoch).await, Ok(Kept::Ours));
}

/// A take that is given up half way has either been done or has not, and the lease says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_that_was_cut_off_shows_in_the_lease() {
    crate::database::on_sqlite(async |database: Database| {
        let (store, me) = (database.open().await, life("central-1"));
        for wait in [0, 50, 200, 500, 1_000, 5_000] {
            let seen = store.lease().await.unwrap();
            let taking = store.take_lease(&seen, &me);
            let taken = tokio::time::timeout(Duration::from_micros(wait), taking).await;
            let settled = store.take_lease(&seen, &me).await.unwrap();
            let now = store.lease().await.unwrap();
            match taken {
                Ok(taken) => assert_eq!((taken.unwrap(), settled), (Some(now.epoch), None)),
                Err(_) => assert_eq!((now.epoch, now.holder), (seen.epoch + 1, Some(me.clone()))),
            }
        }
    })
    .await;
}

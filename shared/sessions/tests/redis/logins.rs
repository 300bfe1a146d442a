//! Who holds a session, and who does not.

use std::{collections::HashSet, time::Duration};

use protocol::{AccessToken, AccountId, SessionId};
use sessions::SessionsError;

use crate::server::{RedisServer, eventually};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_login_replaces_the_older_session() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let ada = AccountId::new();

    let first = sessions.open(ada, "ada").await.unwrap();
    assert_eq!(first.replaced, None);
    assert_eq!(sessions.validate(ada, &first.token).await.unwrap(), Some(first.session.clone()));

    let second = sessions.open(ada, "ada").await.unwrap();
    assert_eq!(second.replaced, Some(first.session.session));
    assert_eq!(sessions.validate(ada, &first.token).await.unwrap(), None);
    assert_eq!(sessions.validate(ada, &second.token).await.unwrap(), Some(second.session.clone()));

    let asked = [
        (ada, first.session.session),
        (ada, second.session.session),
        (AccountId::new(), SessionId::new()),
    ];
    assert_eq!(sessions.which_hold(&asked).await.unwrap(), [false, true, false]);
    assert!(sessions.which_hold(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_redis_lost_is_written_down_again_unless_it_was_closed_or_replaced() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let (ada, bob, cy) = (AccountId::new(), AccountId::new(), AccountId::new());
    let (adas, bobs) =
        (sessions.open(ada, "ada").await.unwrap(), sessions.open(bob, "bob").await.unwrap());
    let cys = sessions.open(cy, "cy").await.unwrap();
    let held = [(ada, adas.session.note.clone()), (bob, bobs.session.note), (cy, cys.session.note)];
    let () = server.raw(&mut redis::cmd("FLUSHALL")).await;
    assert_eq!(sessions.validate(ada, &adas.token).await.unwrap(), None);
    let newer = sessions.open(bob, "bob").await.unwrap();

    assert_eq!(
        sessions.keep(held.iter().map(|(account, note)| (*account, note))).await.unwrap(),
        [true, false, true]
    );
    assert_eq!(sessions.validate(ada, &adas.token).await.unwrap(), Some(adas.session));
    assert_eq!(sessions.validate(bob, &newer.token).await.unwrap(), Some(newer.session));
    assert!(sessions.close(cy, cys.session.session).await.unwrap());
    assert_eq!(
        sessions.keep(held.iter().map(|(account, note)| (*account, note))).await.unwrap(),
        [true, false, false],
        "she has logged out"
    );
    assert_eq!(sessions.validate(cy, &cys.token).await.unwrap(), None);
    assert_eq!(sessions.open(cy, "cy").await.unwrap().replaced, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_logins_at_once_one_holds_and_each_other_is_reported_once() {
    const LOGINS: usize = 40;
    let server = RedisServer::start().await;
    let (one, other) = (server.sessions_of(LONG).await, server.sessions_of(LONG).await);
    let ada = AccountId::new();
    let logins: Vec<_> = (0..LOGINS)
        .map(|n| {
            let sessions = if n % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move { sessions.open(ada, "ada").await.unwrap() })
        })
        .collect();
    let mut opened = Vec::new();
    for login in logins {
        opened.push(login.await.unwrap());
    }

    let mut holding = Vec::new();
    for login in &opened {
        holding.extend(one.validate(ada, &login.token).await.unwrap());
    }
    assert_eq!(holding.len(), 1, "one session holds: {holding:?}");

    let replaced: Vec<_> = opened.iter().filter_map(|login| login.replaced).collect();
    let distinct: HashSet<_> = replaced.iter().copied().collect();
    assert_eq!(replaced.len(), LOGINS - 1, "all but the first login replaced one");
    assert_eq!(distinct.len(), LOGINS - 1, "none was reported twice");
    assert!(!distinct.contains(&holding[0].session), "the one that holds was not replaced");
}

#[tokio::test]
async fn a_wrong_token_or_anothers_is_refused_and_prolongs_nothing() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let (ada, bob) = (AccountId::new(), AccountId::new());
    let adas = sessions.open(ada, "ada").await.unwrap();
    let bobs = sessions.open(bob, "bob").await.unwrap();

    let key = format!("mmo:test:session:{ada}");
    let () = server.raw(redis::cmd("PEXPIRE").arg(&key).arg(5_000)).await;
    let wrong = AccessToken::from_bytes([0; 32]);
    assert_eq!(sessions.validate(ada, &wrong).await.unwrap(), None);
    assert_eq!(sessions.validate(ada, &bobs.token).await.unwrap(), None);
    assert_eq!(sessions.validate(AccountId::new(), &adas.token).await.unwrap(), None);
    let ttl: i64 = server.raw(redis::cmd("PTTL").arg(&key)).await;
    assert!(ttl <= 5_000, "a wrong token prolonged the session to {ttl} ms");

    assert!(sessions.validate(ada, &adas.token).await.unwrap().is_some());
    let ttl: i64 = server.raw(redis::cmd("PTTL").arg(&key)).await;
    assert!(ttl > 5_000, "its use did not prolong the session: {ttl} ms");

    let () = server.raw(redis::cmd("PEXPIRE").arg(&key).arg(5_000)).await;
    sessions.which_hold(&[(ada, SessionId::new())]).await.unwrap();
    let ttl: i64 = server.raw(redis::cmd("PTTL").arg(&key)).await;
    assert!(ttl <= 5_000, "a sweep for another session prolonged it to {ttl} ms");
    sessions.which_hold(&[(ada, adas.session.session)]).await.unwrap();
    let ttl: i64 = server.raw(redis::cmd("PTTL").arg(&key)).await;
    assert!(ttl > 5_000, "play did not prolong the session: {ttl} ms");
}

#[tokio::test]
async fn an_unused_session_expires() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(Duration::from_millis(50)).await;
    let ada = AccountId::new();
    let login = sessions.open(ada, "ada").await.unwrap();
    let asked = [(ada, login.session.session)];
    // Nothing is asked meanwhile: asking would prolong it.
    eventually(async || {
        let left: i64 =
            server.raw(redis::cmd("EXISTS").arg(format!("mmo:test:session:{ada}"))).await;
        (left == 0).then_some(())
    })
    .await;
    assert_eq!(sessions.validate(ada, &login.token).await.unwrap(), None);
    assert_eq!(sessions.which_hold(&asked).await.unwrap(), [false]);
    assert!(!sessions.close(ada, login.session.session).await.unwrap());
}

#[tokio::test]
async fn a_late_logout_does_not_end_the_newer_session() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let ada = AccountId::new();
    let first = sessions.open(ada, "ada").await.unwrap();
    let second = sessions.open(ada, "ada").await.unwrap();

    assert!(!sessions.close(ada, first.session.session).await.unwrap());
    assert!(sessions.validate(ada, &second.token).await.unwrap().is_some());

    assert!(sessions.close(ada, second.session.session).await.unwrap());
    assert_eq!(sessions.validate(ada, &second.token).await.unwrap(), None);
    assert!(!sessions.close(ada, second.session.session).await.unwrap(), "closed once only");
}

#[tokio::test]
async fn redis_never_sees_a_token() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let ada = AccountId::new();
    let login = sessions.open(ada, "ada").await.unwrap();
    let text: String = server.raw(redis::cmd("GET").arg(format!("mmo:test:session:{ada}"))).await;
    assert!(!text.contains(login.token.reveal()), "{text}");
    assert!(text.contains(&login.session.session.to_string()) && text.contains("ada"), "{text}");
}

#[tokio::test]
async fn a_key_with_something_else_is_named_and_a_login_heals_it() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let ada = AccountId::new();
    let key = format!("mmo:test:session:{ada}");
    let () = server.raw(redis::cmd("SET").arg(&key).arg("nonsense")).await;
    let error = sessions.validate(ada, &AccessToken::from_bytes([1; 32])).await.unwrap_err();
    assert!(matches!(&error, SessionsError::Corrupt { key: named, .. } if *named == key));

    let login = sessions.open(ada, "ada").await.unwrap();
    assert_eq!(login.replaced, None);
    assert!(sessions.validate(ada, &login.token).await.unwrap().is_some());

    let bob = AccountId::new();
    let () = server.raw(redis::cmd("RPUSH").arg(format!("mmo:test:session:{bob}")).arg(1)).await;
    let error = sessions.open(bob, "bob").await.unwrap_err();
    assert!(matches!(error, SessionsError::Corrupt { .. }), "{error}");
}

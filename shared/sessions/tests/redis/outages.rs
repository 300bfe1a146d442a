//! Redis hangs, dies or was never there.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use protocol::{AccessToken, AccountId, Code, Failure, SessionId};
use sessions::{CALL_DEADLINE, CONNECT_DEADLINE, Sessions, SessionsError};

use crate::server::{RedisServer, eventually};

const LONG: Duration = Duration::from_secs(60);
/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_millis(300);

async fn refused_connect(url: &str) -> (SessionsError, Duration) {
    let start = Instant::now();
    let realm = "test".parse().unwrap();
    let error = Sessions::connect(url, &realm, LONG).await.unwrap_err();
    (error, start.elapsed())
}

/// The call fails retryably and in time.
async fn is_refused_in_time<T: Debug>(call: impl Future<Output = Result<T, SessionsError>>) {
    let start = Instant::now();
    let error = call.await.unwrap_err();
    let took = start.elapsed();
    assert!(took < CALL_DEADLINE + SLACK, "{error} took {took:?}");
    assert!(matches!(error, SessionsError::Unavailable { .. }), "{error}");
    let failure = Failure::from(error);
    assert!(failure.code == Code::Unavailable && failure.retry, "{failure}");
}

async fn every_call_is_refused_in_time(sessions: &Sessions, account: AccountId) {
    let session = SessionId::new();
    is_refused_in_time(sessions.ping()).await;
    is_refused_in_time(sessions.open(account, "ada")).await;
    is_refused_in_time(sessions.validate(account, &AccessToken::from_bytes([1; 32]))).await;
    is_refused_in_time(sessions.close(account, session)).await;
    is_refused_in_time(sessions.which_hold(&[(account, session)])).await;
}

#[tokio::test]
async fn a_bad_url_is_refused_at_once_without_showing_it() {
    for url in ["", "nonsense", "http://h", "rediss://:hunter2@h:1", "redis://:hunter2@h:1/x"] {
        let (error, took) = refused_connect(url).await;
        assert!(matches!(error, SessionsError::BadUrl { .. }), "{url}: {error}");
        assert!(took < SLACK, "{url} took {took:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn an_absent_server_is_named_without_its_password() {
    // Bound, never listening: nobody else can take the port, and connecting is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let place = socket.local_addr().unwrap().to_string();
    let (error, took) = refused_connect(&format!("redis://user:hunter2@{place}/0")).await;
    assert!(took < CONNECT_DEADLINE + SLACK, "{took:?}");
    assert!(matches!(error, SessionsError::Unavailable { .. }), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains(&place) && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_bounds_every_call_and_works_again_once_it_goes_on() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let ada = AccountId::new();
    let login = sessions.open(ada, "ada").await.unwrap();

    server.signal("STOP");
    let (error, took) = refused_connect(&server.url()).await;
    assert!(matches!(error, SessionsError::Unavailable { .. }), "{error}");
    assert!(took < CONNECT_DEADLINE + SLACK, "connecting took {took:?}");
    // Of another account: what Redis was sent while it hung it carries out when it goes on.
    every_call_is_refused_in_time(&sessions, AccountId::new()).await;
    server.signal("CONT");

    let session = eventually(async || sessions.validate(ada, &login.token).await.ok()).await;
    assert_eq!(session, Some(login.session));
}

#[tokio::test]
async fn sessions_outlive_a_redis_that_is_killed_and_calls_work_again_by_themselves() {
    let mut server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let ada = AccountId::new();
    let login = sessions.open(ada, "ada").await.unwrap();

    server.kill();
    every_call_is_refused_in_time(&sessions, ada).await;
    server.restart().await;

    let start = Instant::now();
    let session = eventually(async || sessions.validate(ada, &login.token).await.ok()).await;
    assert_eq!(session, Some(login.session));
    assert!(start.elapsed() < Duration::from_secs(1), "back after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_hangs_while_we_reconnect_bounds_every_call_too() {
    let server = RedisServer::start().await;
    let sessions = server.sessions_of(LONG).await;
    let dropped: i64 = server.raw(redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal")).await;
    assert!(dropped > 0, "the connection under test was to be dropped");

    server.signal("STOP");
    every_call_is_refused_in_time(&sessions, AccountId::new()).await;
    server.signal("CONT");
    eventually(async || sessions.ping().await.ok()).await;
}

//! The admin port of a server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    future::pending,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use clap::{Args, Command, FromArgMatches};
use instance::{Basics, Instance, Role, StartError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const SOON: Duration = Duration::from_secs(5);

fn basics(args: &[&str]) -> Basics {
    let command = Basics::augment_args(Command::new("test").no_binary_name(true));
    Basics::from_arg_matches(&command.get_matches_from(args)).unwrap()
}

/// The status and the body.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    timeout(SOON, async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn readiness_goes_from_503_to_200_and_back_when_draining() {
    let instance = Instance::start(Role::Map, &basics(&[])).await.unwrap();
    let (address, lifecycle) = (instance.admin_address, instance.lifecycle.clone());
    assert!(address.ip().is_loopback());
    assert_eq!(get(address, "/readyz").await, (503, r#"{"ready":false}"#.to_owned()));

    let (nats, redis) =
        (instance.readiness.condition("nats"), instance.readiness.condition("redis"));
    nats.up();
    redis.down("refused");
    let body = r#"{"ready":false,"nats":"up","redis":"down: refused"}"#.to_owned();
    assert_eq!(get(address, "/readyz").await, (503, body));
    redis.up();
    let body = r#"{"ready":true,"nats":"up","redis":"up"}"#.to_owned();
    assert_eq!(get(address, "/readyz").await, (200, body));

    let (hold, held) = tokio::sync::oneshot::channel::<()>();
    lifecycle.spawn("players", async move {
        held.await.ok();
        io::Result::Ok(())
    });
    let done = tokio::spawn(lifecycle.clone().run_until_done(pending(), SOON));
    lifecycle.drain("told to stop");
    let (status, body) = get(address, "/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains(r#""lifecycle":"down: draining""#), "{body}");
    assert_eq!(get(address, "/healthz").await, (200, "ok".to_owned()));

    hold.send(()).unwrap();
    timeout(SOON, done).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the admin port is still open");
}

#[tokio::test]
async fn an_unfinished_request_does_not_hold_the_exit_up() {
    let instance = Instance::start(Role::Map, &basics(&[])).await.unwrap();
    let mut slow = TcpStream::connect(instance.admin_address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    get(instance.admin_address, "/healthz").await;
    instance.lifecycle.drain("told to stop");
    let start = Instant::now();
    instance.lifecycle.run_until_done(pending(), SOON).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn metrics_render_counters_and_histograms_with_buckets() {
    let first = Instance::start(Role::Map, &basics(&[])).await.unwrap();
    let second = Instance::start(Role::Map, &basics(&[])).await.unwrap();
    metrics::counter!("test_orders_total", "kind" => "warp").increment(3);
    metrics::histogram!("test_tick_seconds").record(0.002);
    metrics::histogram!("test_frame_bytes").record(300.0);
    for instance in [first, second] {
        let (status, body) = get(instance.admin_address, "/metrics").await;
        assert_eq!(status, 200);
        for line in [
            "test_orders_total{kind=\"warp\"} 3",
            "test_tick_seconds_bucket{le=\"0.001\"} 0",
            "test_tick_seconds_bucket{le=\"0.0025\"} 1",
            "test_frame_bytes_bucket{le=\"1024\"} 1",
        ] {
            assert!(body.lines().any(|known| known == line), "no `{line}` in\n{body}");
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = Instance::start(Role::Map, &basics(&[])).await.unwrap();
    let address = first.admin_address.to_string();
    let error =
        Instance::start(Role::Map, &basics(&["--admin-address", &address])).await.unwrap_err();
    assert!(matches!(&error, StartError::AdminAddress { source, .. }
        if source.kind() == io::ErrorKind::AddrInUse));
    assert!(error.to_string().contains(&address), "{error}");
}

//! NATS, Redis or SQL is not there when a server starts: the server says which one and where it
//! looked, never the password, waits for it as long as it takes, and can be stopped meanwhile. What
//! can never work ends it at once.

use std::time::{Duration, Instant};

use harness::{Admin, NatsServer, Process, Program, Rig, SOON, until};
use rustix::process::Signal;
use sqlx::{Connection, SqliteConnection};
use tokio::net::TcpSocket;

/// How long a server that waits may take to end after SIGTERM.
const END: Duration = Duration::from_secs(2);
/// How long a server may take to see that something can never work.
const GIVE_UP: Duration = Duration::from_secs(5);

/// A port that is taken and where nobody answers.
fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// Every server of a cluster, to be changed and started.
fn everybody(rig: &Rig) -> [Program; 3] {
    [rig.central_program(), rig.spawner_program("spawn-1", "town"), rig.map_program("hand", "town")]
}

/// Waits until the server says in its log and in `/readyz` that this is missing, and where it
/// looked, and that it can still be stopped.
async fn waits_for(mut process: Process, what: &str, place: &str) {
    says_missing(&process, what, place).await;
    let start = Instant::now();
    process.signal(Signal::TERM);
    let status = process.ended(END).await;
    println!("without {what}: ended {:?} after SIGTERM", start.elapsed());
    assert!(status.success(), "{status} {}", process.log());
}

async fn says_missing(process: &Process, what: &str, place: &str) {
    let why = Admin::of(process).await.names(what).await;
    assert!(why.contains(place), "{why}");
    process.logged(&format!("{what} is down: {why}"), SOON).await;
    assert!(!process.log().contains("s3cret"), "{}", process.log());
}

#[tokio::test]
async fn without_nats_every_server_says_so_and_can_be_stopped() {
    let rig = Rig::empty().await;
    let (_taken, place) = nobody();
    for program in everybody(&rig) {
        let process = program.env("NATS_URL", format!("nats://me:s3cret@{place}")).start();
        waits_for(process, "nats", &place).await;
    }
}

#[tokio::test]
async fn without_redis_who_needs_it_says_so_and_can_be_stopped() {
    let rig = Rig::empty().await;
    let (_taken, place) = nobody();
    for program in [rig.central_program(), rig.map_program("hand", "town")] {
        let process = program.env("REDIS_URL", format!("redis://:s3cret@{place}")).start();
        waits_for(process, "redis", &place).await;
    }
}

#[tokio::test]
async fn without_sql_central_says_so_and_can_be_stopped() {
    let rig = Rig::empty().await;
    let (_taken, place) = nobody();
    let url = format!("postgres://me:s3cret@{place}/world");
    let process = rig.central_program().env("DATABASE_URL", url).start();
    waits_for(process, "sql", &place).await;
}

/// What is there is not said to be missing: each of the three speaks for itself.
#[tokio::test]
async fn of_three_only_the_missing_ones_are_named() {
    let mut rig = Rig::empty().await;
    rig.redis.kill();
    let (_taken, place) = nobody();
    let url = format!("postgres://me:s3cret@{place}/world");
    let central = rig.central_program().env("DATABASE_URL", url).start();
    says_missing(&central, "sql", &place).await;
    says_missing(&central, "redis", "redis.sock").await;
    let admin = Admin::of(&central).await;
    until(SOON, "NATS being up", async || {
        (admin.readiness().await.1["nats"] == "up").then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_get_ready_by_themselves_once_nats_and_redis_are_there() {
    let mut rig = Rig::empty().await;
    rig.nats.kill();
    rig.redis.kill();
    let [mut central, spawner, mut map] = everybody(&rig).map(Program::start);
    says_missing(&central, "nats", rig.nats.address()).await;
    says_missing(&central, "redis", "redis.sock").await;
    says_missing(&spawner, "nats", rig.nats.address()).await;
    says_missing(&map, "nats", rig.nats.address()).await;
    says_missing(&map, "redis", "redis.sock").await;

    rig.nats.restart();
    rig.redis.restart().await;
    central.first_line(SOON).await;
    map.first_line(SOON).await;
    for process in [&central, &spawner, &map] {
        Admin::of(process).await.is_ready(SOON).await;
    }
    rig.maps_up(2).await;
}

#[tokio::test]
async fn a_locked_sqlite_file_is_waited_for() {
    let mut rig = Rig::with_central().await;
    rig.central.take(); // it has made the file
    let url = format!("sqlite://{}", rig.folder().join("waystone.db").display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut central = rig.central_program().start();
    says_missing(&central, "sql", "waystone.db").await;
    lock.rollback().await.unwrap();
    central.first_line(SOON).await;
    Admin::of(&central).await.is_ready(SOON).await;
}

/// Ends by itself, not well, and says what is wrong.
async fn gives_up(program: Program, says: &[&str]) {
    let (status, _, log) = program.run(GIVE_UP).await;
    assert!(matches!(status.code(), Some(1 | 2)), "{status} {log}");
    for word in says {
        assert!(log.contains(word), "`{word}` is not in: {log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn what_can_never_work_ends_a_server_at_once() {
    let rig = Rig::empty().await;
    let folder = rig.folder().display().to_string();
    let central = |key: &str, url: &str| rig.central_program().env(key, url);
    // A folder is no file, and nobody, not even root, can write one into /proc.
    gives_up(central("DATABASE_URL", &format!("sqlite://{folder}")), &[&folder]).await;
    gives_up(central("DATABASE_URL", "sqlite:///proc/waystone.db"), &["/proc/waystone.db"]).await;
    gives_up(central("DATABASE_URL", "mysql://me:s3cret@h/d"), &["DATABASE_URL", "postgres://"])
        .await;
    gives_up(central("REDIS_URL", "me:s3cret@nowhere"), &["REDIS_URL", "redis://host"]).await;
    for program in everybody(&rig) {
        let program = program.env("NATS_URL", "http://me:s3cret@h:4222");
        gives_up(program, &["NATS_URL", "nats://user"]).await;
    }
    let map = rig.map_program("hand", "town").env("REDIS_URL", "me:s3cret@nowhere");
    gives_up(map, &["REDIS_URL"]).await;
}

#[tokio::test]
async fn a_wrong_nats_password_ends_a_server_at_once() {
    let mut rig = Rig::empty().await;
    rig.nats = NatsServer::start_with_users(rig.folder()).await;
    let place = rig.nats.address().to_owned();
    for (program, user) in everybody(&rig).into_iter().zip(["central", "spawner", "map"]) {
        let program = program.env("NATS_URL", format!("nats://{user}:s3cret@{place}"));
        gives_up(program, &["refuses this user", &place, "NATS_URL"]).await;
    }
}

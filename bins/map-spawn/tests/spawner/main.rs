//! Stories of one real spawner over a real nats-server, with fake maps and a fake Cluster.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod adoption;
mod care;
mod fake_cluster;
mod harness;

use std::time::{Duration, Instant};

use nats::Backbone;
use protocol::{
    Channel, Code, Failure, Incarnation,
    backbone::{
        events::{ChildEnded, ChildStarted, ClusterUp},
        spawners::{Child, ChildState, MapSpawned, StartChild, StopChild},
    },
};
use rustix::process::Signal;

use crate::{
    fake_cluster::{FakeCluster, Told},
    harness::{
        Ground, PATIENCE, children, children_when, eventually, is_running, missing_program, next,
        send,
    },
};

async fn start(backbone: &Backbone, map: &str) -> Result<MapSpawned, Failure> {
    let order = StartChild::new(map.parse().unwrap(), None);
    backbone.call_within(&"s".parse().unwrap(), order, PATIENCE).await
}

async fn stop(backbone: &Backbone, server: &str) -> Result<(), Failure> {
    let order = StopChild { server: server.parse().unwrap(), epoch: None };
    backbone.call_within(&"s".parse().unwrap(), order, PATIENCE).await.map(drop)
}

/// The spawner's children once there are `count` and all have registered.
async fn all_ready(backbone: &Backbone, count: usize) -> Vec<Child> {
    let ready = |child: &Child| child.state == ChildState::Ready;
    children_when(backbone, |all| all.len() == count && all.iter().all(ready)).await
}

#[tokio::test]
async fn maps_of_the_settings_come_up_and_are_told_what_they_must_know() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let map_url = ground.url.replace("nats://", "nats://map:s3cret@");
    let flags = ["--spawn-maps", "town,odd,town", "--maps", "town,odd", "--map-nats-url", &map_url];
    let more = ["--advertise-address", "10.9.8.7", "--ports", "7100-7199", "--labels", "fast,eu"];
    let _spawner = ground.spawner(&[&flags[..], &more].concat());

    let me = cluster.registered().await;
    let pinned: Vec<_> = me.pinned.iter().map(|p| (p.map.as_str(), p.channels)).collect();
    assert_eq!(pinned, [("odd", 1), ("town", 2)]);
    let labels: Vec<&str> = me.labels.iter().map(|label| label.as_str()).collect();
    assert_eq!((labels, me.version.as_str()), (vec!["fast", "eu"], env!("CARGO_PKG_VERSION")));
    let maps: Vec<&str> = me.maps.iter().map(|map| map.as_str()).collect();
    assert_eq!((me.address.as_str(), me.slots, maps), ("10.9.8.7", 16, vec!["odd", "town"]));
    let up = all_ready(&backbone, 3).await;
    let seen: Vec<_> = up.iter().map(|c| (c.server.as_str(), c.channel.0, c.port)).collect();
    let port = Some(7100);
    assert_eq!(seen, [("s-odd-1", 1, port), ("s-town-1", 1, port), ("s-town-2", 2, port)]);

    assert_eq!(
        ground.note("s-town-2.flags").trim(),
        "--id s-town-2 --map town --channel 2 --advertise-address 10.9.8.7 --listen-address \
         127.0.0.1 --ports 7100-7199 --spawner s --realm main --admin-address 127.0.0.1:0"
    );
    assert!(ground.note("s-town-2.env").contains(&format!("NATS_URL={map_url}\n")));
    cluster.beat(|beat| beat.used == 3 && beat.pending.is_empty()).await;
    cluster.beat(|beat| beat.machine.memory > 0).await;
}

#[tokio::test]
async fn a_killed_map_is_reported_and_returns() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let mut ends = backbone.subscribe::<ChildEnded>().await.unwrap();
    let _spawner = ground.spawner(&["--spawn-maps", "town"]);
    let up = all_ready(&backbone, 1).await;

    let (pid, killed) = (up[0].pid.unwrap(), Instant::now());
    send(pid, Signal::KILL);
    let left = cluster.map_left().await;
    assert!(killed.elapsed() < Duration::from_millis(500), "{:?}", killed.elapsed());
    assert_eq!(
        (left.life.server.as_str(), left.reason.as_str()),
        ("s-town-1", "was ended by signal 9")
    );
    let end = next(&mut ends).await;
    assert!(matches!(end.restart_in_ms, Some(100..=200)), "{end:?}");
    let back = children_when(&backbone, |all| {
        all.iter().any(|child| child.state == ChildState::Ready && child.restarts == 1)
    })
    .await;
    assert_ne!(back[0].pid, Some(pid));
    // The new life is another one, and the first is not reported twice.
    send(back[0].pid.unwrap(), Signal::KILL);
    let lives = eventually("the second end", async || {
        let lives: Vec<_> = cluster
            .told()
            .into_iter()
            .filter_map(|told| match told {
                Told::MapLeft(leave) => Some(leave.life),
                _ => None,
            })
            .collect();
        (lives.len() == 2).then_some(lives)
    })
    .await;
    assert_eq!(lives[0].server, lives[1].server);
    assert_ne!(lives[0].incarnation, lives[1].incarnation);
}

#[tokio::test]
async fn start_and_stop_commands_are_answered_with_what_came_of_them() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let mut starts = backbone.subscribe::<ChildStarted>().await.unwrap();
    let _spawner = ground.spawner(&["--slots", "2"]);
    cluster.registered().await;

    let town = start(&backbone, "town").await.unwrap();
    assert_eq!(
        (town.life.server.as_str(), town.channel, town.port),
        ("s-town-1", Channel(1), 7100)
    );
    assert_eq!(next(&mut starts).await.server, town.life.server);
    let deaf = start(&backbone, "deaf").await.unwrap();
    assert_eq!(start(&backbone, "town").await.unwrap_err().code, Code::NoSpawner);
    let unknown = start(&backbone, "moon").await.unwrap_err();
    assert_eq!(unknown.code, Code::MapUnknown);
    assert!(unknown.message.contains("brief, deaf, fragile, mute, odd, town"), "{unknown}");

    stop(&backbone, "s-town-1").await.unwrap();
    assert_eq!(ground.note("stopped"), "s-town-1\n");
    let again = stop(&backbone, "s-town-1").await.unwrap_err();
    assert_eq!(again.code, Code::ServerUnknown);
    // It does not heed SIGTERM, so it is killed after its grace of 2 s.
    let pid = children(&backbone).await[0].pid.unwrap();
    let told = Instant::now();
    stop(&backbone, deaf.life.server.as_str()).await.unwrap();
    assert!(told.elapsed() >= Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(!is_running(pid));
    assert!(children(&backbone).await.is_empty());
}

#[tokio::test]
async fn a_map_that_never_registers_fails_the_command_by_its_deadline() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let mut ends = backbone.subscribe::<ChildEnded>().await.unwrap();
    let _spawner = ground.spawner(&[]);
    cluster.registered().await;

    let asked = Instant::now();
    let brief = start(&backbone, "brief").await.unwrap_err();
    assert_eq!(brief.code, Code::SpawnFailed);
    assert!(brief.message.contains("status 3 before it had registered"), "{brief}");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(next(&mut ends).await.restart_in_ms, None);

    let asked = Instant::now();
    let mute = start(&backbone, "mute").await.unwrap_err();
    assert_eq!(mute.code, Code::SpawnFailed);
    let took = asked.elapsed();
    assert!((1.0..2.0).contains(&took.as_secs_f64()), "{took:?}");
    let end = next(&mut ends).await;
    assert!(end.how.starts_with("never registered within 1 s"), "{end:?}");
    assert_eq!(end.restart_in_ms, None);
    children_when(&backbone, <[_]>::is_empty).await;
}

#[tokio::test]
async fn a_map_of_the_settings_that_never_registers_is_tried_again() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    FakeCluster::start(&backbone).await;
    let _spawner = ground.spawner(&["--spawn-maps", "mute"]);
    children_when(&backbone, |all| all.iter().any(|child| child.restarts == 2)).await;
}

#[tokio::test]
async fn sigterm_stops_the_newest_map_first_and_leaves_the_cluster_last() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let mut spawner = ground.spawner(&["--spawn-maps", "town:3"]);
    let up = all_ready(&backbone, 3).await;

    spawner.signal(Signal::TERM);
    assert!(spawner.end().await.success());
    assert_eq!(ground.note("stopped"), "s-town-3\ns-town-2\ns-town-1\n");
    assert!(up.iter().all(|child| !is_running(child.pid.unwrap())));
    let told = cluster.told();
    let Some(Told::Left(left)) = told.last() else { panic!("no farewell at last: {told:?}") };
    assert_eq!(left.incarnation, cluster.registered().await.incarnation);
    let maps = told.iter().filter(|told| matches!(told, Told::MapLeft(_))).count();
    assert_eq!(maps, 3);
}

#[tokio::test]
async fn a_drain_ends_in_time_with_a_map_that_does_not_heed_it() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    FakeCluster::start(&backbone).await;
    let mut spawner = ground.spawner(&["--spawn-maps", "deaf:3"]);
    let up = all_ready(&backbone, 3).await;
    spawner.signal(Signal::TERM);
    assert!(spawner.end().await.success(), "{}", spawner.log());
    assert!(up.iter().all(|child| !is_running(child.pid.unwrap())));
}

#[tokio::test]
async fn settings_that_do_not_fit_the_maps_are_refused_with_status_2() {
    let ground = Ground::new().await;
    let missing = missing_program(ground.folder.path());
    for (flags, words) in [
        (["--spawn-maps", "town,moon"], vec!["`moon`", "brief, deaf, fragile, mute, odd, town"]),
        (["--spawn-maps", "town:0"], vec!["`0` is no number of channels"]),
        (["--maps", "moon"], vec!["no map is left", "`maps` allows moon"]),
        (["--map-command", &missing], vec![&missing, "give another `map_command`"]),
        (["--map-command", "/bin/false"], vec!["`/bin/false --list-maps` exited with status 1"]),
        (["--map-command", "/bin/true"], vec!["JSON array of map names"]),
    ] {
        let mut spawner = ground.spawner(&flags);
        let status = spawner.end().await;
        let log = spawner.log();
        assert_eq!(status.code(), Some(2), "{flags:?}: {log}");
        assert!(words.iter().all(|word| log.contains(word)), "{words:?} not in {log}");
    }
}

#[tokio::test]
async fn a_cluster_that_lost_its_registry_is_told_again() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    // It comes before the Cluster, and waits for it.
    let spawner = ground.spawner(&[]);
    eventually("a vain try", async || {
        spawner.log().contains("trying until it works").then_some(())
    })
    .await;
    let cluster = FakeCluster::start(&backbone).await;
    let first = cluster.registered().await;

    cluster.forget();
    let registered = |times| {
        let cluster = cluster.clone();
        async move {
            let is_so = async || (cluster.registrations() == times).then_some(());
            eventually("a further registration", is_so).await;
        }
    };
    registered(2).await;
    let up = ClusterUp { central: "c".parse().unwrap(), incarnation: Incarnation::new(), epoch: 1 };
    let said = Instant::now();
    backbone.publish(&up).await.unwrap();
    registered(3).await;
    assert!(said.elapsed() < Duration::from_millis(500), "{:?}", said.elapsed());
    let lives = cluster.told().into_iter().filter_map(|told| match told {
        Told::Registered(spawner) => Some(spawner.incarnation),
        _ => None,
    });
    assert!(lives.into_iter().all(|incarnation| incarnation == first.incarnation));
}

#[tokio::test]
async fn a_second_spawner_with_the_same_id_is_refused_and_does_nothing() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    cluster.refuse();
    let mut spawner = ground.spawner(&["--spawn-maps", "town"]);
    let asking = async {
        loop {
            // It must not take a share of the first one's commands: nobody is there, then.
            let answer = start(&backbone, "town").await.unwrap_err();
            assert_eq!(answer.code, Code::Unavailable);
            assert!(answer.message.contains("nobody serves"), "{answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let status = tokio::select! {
        status = spawner.end() => status,
        () = asking => unreachable!("it asks for ever"),
    };
    assert_eq!(status.code(), Some(1));
    let words = "another spawner with the id `s` is running (it lives on 10.1.1.1); give this one";
    assert!(spawner.log().contains(words), "{}", spawner.log());
    assert_eq!(ground.note("s-town-1.flags"), "", "a map was started");
}

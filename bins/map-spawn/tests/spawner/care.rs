//! Maps that crash or hang, and who may say what is done about them.

use std::{
    fs,
    time::{Duration, Instant},
};

use nats::{Backbone, Request};
use protocol::{
    Code, Failure, Incarnation,
    backbone::{
        Life,
        desired::RestartPolicy,
        events::{ChildEnded, ClusterUp},
        spawners::{ChildState, ClearChild, EndHungChild, MapSpawned, StartChild, StopChild},
    },
};
use rustix::process::Signal;

use crate::{
    all_ready,
    fake_cluster::FakeCluster,
    harness::{Ground, PATIENCE, children_when, eventually, is_running, next, send},
};

async fn ask<R: Request<To = protocol::SpawnerId> + Clone>(
    backbone: &Backbone,
    request: R,
) -> Result<R::Reply, Failure> {
    backbone.call_within(&"s".parse().unwrap(), request, PATIENCE).await
}

fn order(map: &str) -> StartChild {
    StartChild::new(map.parse().unwrap(), None)
}

#[tokio::test]
async fn a_map_that_crashes_too_often_is_held_until_it_is_cleared() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let mut ends = backbone.subscribe::<ChildEnded>().await.unwrap();
    let spawner = ground.spawner(&[]);
    cluster.registered().await;
    let restart = Some(RestartPolicy { first_ms: 20, longest_ms: 40, crashes_a_minute: 4 });
    let fragile = StartChild { restart, cost: Some(2), ..order("fragile") };
    ask(&backbone, fragile).await.unwrap();
    for crash in 1..=4 {
        let end = next(&mut ends).await;
        assert_eq!(end.held, crash == 4, "{end:?}");
        assert_eq!(end.restart_in_ms.is_some(), crash < 4, "{end:?}");
    }
    let held = children_when(&backbone, |all| all[0].state == ChildState::Held).await;
    assert_eq!((held[0].pid, held[0].restarts), (None, 3));
    let beat = cluster.beat(|beat| beat.pending.iter().any(|p| p.state == ChildState::Held)).await;
    assert_eq!((beat.used, beat.pending[0].server.as_str()), (2, "s-fragile-1"));
    let says = "it crashed too often and is held until somebody clears it";
    eventually("an error in the log", async || {
        spawner
            .log()
            .lines()
            .any(|line| line.contains("ERROR") && line.contains(says))
            .then_some(())
    })
    .await;

    let clear = ClearChild { server: "s-fragile-1".parse().unwrap() };
    fs::write(ground.folder.path().join("mended"), "").unwrap();
    ask(&backbone, clear.clone()).await.unwrap();
    all_ready(&backbone, 1).await;
    let refused = ask(&backbone, clear).await.unwrap_err();
    assert_eq!(refused.code, Code::NotAllowed);
    assert!(refused.message.contains("ready"), "{refused}");
    let unknown = ClearChild { server: "s-moon-1".parse().unwrap() };
    assert_eq!(ask(&backbone, unknown).await.unwrap_err().code, Code::ServerUnknown);
}

#[tokio::test]
async fn a_map_that_hangs_is_killed_and_returns() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let _spawner = ground.spawner(&[]);
    cluster.registered().await;
    let MapSpawned { life, .. } = ask(&backbone, order("town")).await.unwrap();
    let pid = all_ready(&backbone, 1).await[0].pid.unwrap();

    let another = Life { incarnation: Incarnation::new(), ..life.clone() };
    ask(&backbone, EndHungChild { life: another, epoch: None }).await.unwrap();
    assert!(is_running(pid));
    send(pid, Signal::STOP);
    let said = Instant::now();
    ask(&backbone, EndHungChild { life: life.clone(), epoch: None }).await.unwrap();
    assert!(said.elapsed() < Duration::from_millis(500), "{:?}", said.elapsed());
    let left = cluster.map_left().await;
    assert_eq!((left.life, left.reason.as_str()), (life, "hung: was ended by signal 9"));
    let took = said.elapsed().as_secs_f64();
    assert!((0.9..2.0).contains(&took), "{took}");
    let back = children_when(&backbone, |all| {
        all.iter().any(|child| child.state == ChildState::Ready && child.restarts == 1)
    })
    .await;
    assert_ne!(back[0].pid, Some(pid));
}

#[tokio::test]
async fn a_leader_of_an_older_term_is_not_obeyed() {
    let ground = Ground::new().await;
    let backbone = ground.backbone("central").await;
    let cluster = FakeCluster::start(&backbone).await;
    let _spawner = ground.spawner(&[]);
    cluster.registered().await; // in term 1
    let of = |epoch| StartChild { epoch: Some(epoch), ..order("moon") };
    let refusal = async |epoch| ask(&backbone, of(epoch)).await.unwrap_err();
    assert_eq!(refusal(0).await.code, Code::Fenced);
    assert_eq!(refusal(1).await.code, Code::MapUnknown);
    let up = ClusterUp { central: "c".parse().unwrap(), incarnation: Incarnation::new(), epoch: 7 };
    backbone.publish(&up).await.unwrap();
    eventually("the news of term 7", async || {
        let refused = refusal(1).await;
        refused.message.contains("term 7").then_some(())
    })
    .await;
    assert_eq!(refusal(8).await.code, Code::MapUnknown);
    let stop = StopChild { server: "s-moon-1".parse().unwrap(), epoch: Some(7) };
    assert_eq!(ask(&backbone, stop).await.unwrap_err().code, Code::Fenced);
}

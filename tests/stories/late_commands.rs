//! A command that NATS delivers late, after an outage, is not obeyed late.

use std::time::Duration;

use harness::{Recorder, Rig};
use nats::Backbone;
use protocol::{
    Code,
    backbone::spawners::{SpawnMap, StopMap},
};
use rustix::process::Signal;

/// What was asked for while NATS hung reaches the servers after it, too late, and is not done.
#[tokio::test]
async fn a_command_that_was_queued_does_not_run_late() {
    let mut rig = Rig::with_maps("town,forest").await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let operator = rig.backbone().await;
    let place = heard.all().len();
    rig.nats.hang().await;
    let spawn = SpawnMap { map: "dungeon".parse().unwrap(), channel: None, instance: false };
    let stop = StopMap { server: "spawn-1-forest-1".parse().unwrap() };
    is_late(&operator, spawn).await;
    is_late(&operator, stop).await;
    rig.nats.signal(Signal::CONT);

    for command in ["cluster.spawn", "cluster.stop"] {
        heard.next(place, command, |_| true).await;
    }
    // What the Cluster would do about them, it would have begun before it answers this.
    rig.maps_up(2).await;
    rig.children("spawn-1").await;
    let done = ["start", "stop"].map(|word| format!("mmo.v1.main.spawner.spawn-1.{word}"));
    let late: Vec<_> =
        heard.all().into_iter().skip(place).filter(|said| done.contains(&said.subject)).collect();
    assert!(late.is_empty(), "{late:?}");
}

async fn is_late<R: nats::Request<To = ()>>(operator: &Backbone, command: R) {
    let failure = operator.call_within(&(), command, Duration::from_millis(500)).await;
    assert_eq!(failure.err().map(|failure| failure.code), Some(Code::DeadlinePassed));
}

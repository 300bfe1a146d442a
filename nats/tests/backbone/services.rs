//! Servers as NATS micro services.

use std::{sync::Arc, time::Duration};

use nats::Backbone;
use protocol::{
    Code, SpawnerId,
    backbone::{
        Done,
        maps::ListPeers,
        spawners::{ListChildren, StopChild},
    },
};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    said::{peers, run, serve, serve_peers},
    server::{SOON, Server, Users, on_each, until},
};

async fn ask(client: &async_nats::Client, subject: &str) -> Value {
    let answer = client.request(subject.to_owned(), "".into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

async fn client(nats: &Server) -> async_nats::Client {
    async_nats::connect(nats.options("operator", "o1").url).await.unwrap()
}

#[tokio::test]
async fn ping_info_and_stats_tell_who_serves_what_in_which_version() {
    on_each(Users::Anybody, async |nats| {
        let (backbone, id) = (nats.join("spawner", "s1").await, "s1".parse::<SpawnerId>().unwrap());
        let mut service = backbone.service("starts Map Servers").await.unwrap();
        service.add::<StopChild, _, _>(&id, async |_| Ok(Done {})).await.unwrap();
        let children = async |_| Err(protocol::Failure::new(Code::Busy, "no"));
        service.add::<ListChildren, _, _>(&id, children).await.unwrap();
        let _serving = run(service).await;
        let client = client(&nats).await;

        let ping = ask(&client, "$SRV.PING").await;
        assert_eq!((&ping["name"], &ping["metadata"]["id"]), (&"spawner".into(), &"s1".into()));
        assert_eq!(ping["metadata"]["realm"], "main");

        let info = ask(&client, "$SRV.INFO.spawner").await;
        let mut endpoints: Vec<_> = info["endpoints"].as_array().unwrap().iter().collect();
        endpoints.sort_by_key(|endpoint| endpoint["name"].to_string());
        let expected = [("list", "spawner-list"), ("stop", "spawner-stop")];
        for (endpoint, (word, name)) in endpoints.iter().zip(expected) {
            assert_eq!(endpoint["name"], name);
            assert_eq!(endpoint["subject"], format!("mmo.v1.main.spawner.s1.{word}"));
            assert_eq!(endpoint["metadata"]["version"], "1");
        }
        assert_eq!(endpoints.len(), 2);

        backbone.call(&id, ListChildren {}).await.unwrap_err();
        let stats =
            ask(&client, &format!("$SRV.STATS.spawner.{}", info["id"].as_str().unwrap())).await;
        let list = stats["endpoints"].as_array().unwrap().iter();
        let list = list.clone().find(|endpoint| endpoint["name"] == "spawner-list").unwrap();
        assert_eq!(
            (list["num_requests"].as_u64(), list["num_errors"].as_u64()),
            (Some(1), Some(1))
        );
    })
    .await;
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_has_arrived_and_takes_no_more() {
    on_each(Users::Anybody, async |nats| {
        const ASKED: usize = 100; // more than one endpoint works on at once
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (began, opened) = (begun.clone(), gate.clone());
        let serving = serve::<ListPeers, _, _>(&central, &(), move |_| {
            let (began, opened) = (began.clone(), opened.clone());
            async move {
                began.add_permits(1);
                opened.acquire().await.unwrap().forget();
                Ok(peers(7))
            }
        })
        .await;
        let asked: Vec<_> = (0..ASKED)
            .map(|_| {
                let map: Backbone = map.clone();
                tokio::spawn(async move { map.call_within(&(), ListPeers {}, SOON).await })
            })
            .collect();
        begun.acquire_many(64).await.unwrap().forget();
        // What the map has said before this is answered has reached the server, and then central.
        map.service("a fence").await.unwrap().ready().await.unwrap();
        central.service("a fence").await.unwrap().ready().await.unwrap();

        serving.stop.cancel();
        let nobody =
            async || map.call(&(), ListPeers {}).await.unwrap_err().code == Code::Unavailable;
        until("it takes no more", nobody).await;
        assert!(!serving.task.is_finished());
        gate.add_permits(ASKED);
        for answer in asked {
            assert_eq!(answer.await.unwrap().unwrap().view.sequence, 7);
        }
        serving.task.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_dropped_answers_no_ping() {
    on_each(Users::Anybody, async |nats| {
        let backbone = nats.join("map", "town-1").await;
        let client = client(&nats).await;
        let (serving, _) = serve_peers(&backbone).await;
        ask(&client, "$SRV.PING.map").await;
        serving.task.abort();
        until("nobody is there for pings", async || {
            let ping = client.request("$SRV.PING.map", "".into());
            matches!(tokio::time::timeout(Duration::from_secs(1), ping).await, Ok(Err(_)))
        })
        .await;
        assert_eq!(backbone.call(&(), ListPeers {}).await.unwrap_err().code, Code::Unavailable);
    })
    .await;
}

#[tokio::test]
async fn two_of_a_kind_share_the_requests_and_each_is_answered_once() {
    on_each(Users::Anybody, async |nats| {
        let (one, two) = (nats.join("central", "c1").await, nats.join("central", "c2").await);
        let (_serving_one, first) = serve_peers(&one).await;
        let (_serving_two, second) = serve_peers(&two).await;
        let map = nats.join("map", "town-1").await;
        for _ in 0..100 {
            map.call(&(), ListPeers {}).await.unwrap();
        }
        let load =
            |runs: &std::sync::atomic::AtomicU32| runs.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(load(&first) + load(&second), 100);
        assert!(load(&first) > 0 && load(&second) > 0);
    })
    .await;
}

#[tokio::test]
async fn a_sole_service_that_hangs_takes_nothing_from_the_one_that_follows_it() {
    on_each(Users::Roles, async |nats| {
        let (old, new) = (nats.join("central", "c1").await, nats.join("central", "c2").await);
        let mut hung = old.sole_service("cluster", "the Cluster").await.unwrap();
        hung.add::<ListPeers, _, _>(&(), async |_| std::future::pending().await).await.unwrap();
        let _hung = run(hung).await;
        let mut follows = new.sole_service("cluster", "the Cluster").await.unwrap();
        follows.add::<ListPeers, _, _>(&(), async |_| Ok(peers(2))).await.unwrap();
        let _follows = run(follows).await;
        let map = nats.join("map", "town-1").await;
        for _ in 0..20 {
            assert_eq!(map.call(&(), ListPeers {}).await.unwrap(), peers(2));
        }
    })
    .await;
}

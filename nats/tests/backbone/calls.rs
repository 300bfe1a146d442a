//! Questions and answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::HeaderMap;
use nats::{
    table::{self, EVERYTHING},
    unix_ms,
};
use protocol::{
    Code, Failure, Realm, RequestId, SpawnerId,
    backbone::{
        Done,
        maps::{ListPeers, Peers},
        spawners::StopChild,
    },
};
use tokio::sync::Notify;

use crate::{
    said::{peers, serve, serve_peers},
    server::{SOON, Server, Users, on_each, until},
};

const SHORT: Duration = Duration::from_millis(300);

/// A client of no role, for what only another program would say.
async fn stranger(nats: &Server) -> async_nats::Client {
    async_nats::connect(nats.options("stranger", "1").url).await.unwrap()
}

fn peers_subject() -> String {
    table::request::<ListPeers>(&"main".parse::<Realm>().unwrap(), &())
}

#[tokio::test]
async fn a_typed_request_is_answered_by_the_one_it_is_for() {
    on_each(Users::Anybody, async |nats| {
        let (spawner, central) =
            (nats.join("spawner", "s1").await, nats.join("central", "c1").await);
        let here: SpawnerId = "s1".parse().unwrap();
        let _serving = serve::<StopChild, _, _>(&spawner, &here, async |stop: StopChild| {
            assert_eq!(stop.server.as_str(), "town-1");
            Ok(Done {})
        })
        .await;
        let stop = StopChild { server: "town-1".parse().unwrap(), epoch: None };
        assert_eq!(central.call(&here, stop.clone()).await.unwrap(), Done {});
        let other = central.call(&"s2".parse().unwrap(), stop).await.unwrap_err();
        assert_eq!(other.code, Code::Unavailable, "{other}");
        assert!(other.message.contains("mmo.v1.main.spawner.s2.stop"), "{other}");
    })
    .await;
}

#[tokio::test]
async fn a_failure_keeps_its_code_its_message_and_whether_to_try_again() {
    on_each(Users::Anybody, async |nats| {
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let _serving = serve::<ListPeers, _, _>(&central, &(), async |_| {
            Err(Failure::new(Code::MapFull, "voll: schöne Größe\r\nX-Forged: 1"))
        })
        .await;
        let failure = map.call(&(), ListPeers {}).await.unwrap_err();
        let expected = Failure::new(Code::MapFull, "voll: schöne Größe  X-Forged: 1");
        assert_eq!(failure, expected);
        assert!(failure.retry);

        let answer = stranger(&nats).await.request(peers_subject(), "{}".into()).await.unwrap();
        let headers: HeaderMap = answer.headers.unwrap();
        assert_eq!(headers.get("Nats-Service-Error-Code").unwrap().as_str(), "503");
        assert!(headers.get("X-Forged").is_none());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_malformed() {
    on_each(Users::Anybody, async |nats| {
        let central = nats.join("central", "c1").await;
        let (_serving, runs) = serve_peers(&central).await;
        let answer = stranger(&nats).await.request(peers_subject(), "{oops".into()).await.unwrap();
        let headers: HeaderMap = answer.headers.unwrap();
        let error = headers.get("Nats-Service-Error").unwrap().as_str();
        assert!(error.starts_with("malformed: cluster.peers cannot be read"), "{error}");
        assert_eq!(headers.get("Nats-Service-Error-Code").unwrap().as_str(), "400");
        assert_eq!(runs.load(Ordering::SeqCst), 0);
    })
    .await;
}

#[tokio::test]
async fn where_nobody_serves_it_is_told_at_once_but_an_onlooker_makes_it_wait() {
    on_each(Users::Anybody, async |nats| {
        let map = nats.join("map", "town-1").await;
        let start = Instant::now();
        let failure = map.call_within(&(), ListPeers {}, SOON).await.unwrap_err();
        assert_eq!(failure.code, Code::Unavailable, "{failure}");
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());

        let onlooker = nats.join("operator", "o1").await;
        let mut watch = onlooker.watch(EVERYTHING).await.unwrap();
        let ready = onlooker.service("proves that it listens").await.unwrap();
        ready.ready().await.unwrap();
        let start = Instant::now();
        let failure = map.call_within(&(), ListPeers {}, SHORT).await.unwrap_err();
        assert_eq!(failure.code, Code::DeadlinePassed, "{failure}");
        assert!((SHORT..SHORT * 3).contains(&start.elapsed()), "{:?}", start.elapsed());
        let (subject, payload) = watch.next().await.unwrap();
        assert_eq!(subject, peers_subject());
        assert!(payload.starts_with(b"{\"request_id\":"), "{payload:?}");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_the_work_is_done_once() {
    on_each(Users::Anybody, async |nats| {
        let central = nats.join("central", "c1").await;
        let (_serving, runs) = serve_peers(&central).await;
        let (client, id) = (stranger(&nats).await, RequestId::new());
        let request = |id: RequestId| format!("{{\"request_id\":\"{id}\"}}");
        // The first answer is lost: nobody hears this reply subject.
        let lost = request(id).into();
        client.publish_with_reply(peers_subject(), "_INBOX.lost", lost).await.unwrap();
        for (id, expected) in [(id, 1), (id, 1), (RequestId::new(), 2)] {
            let answer = client.request(peers_subject(), request(id).into()).await.unwrap();
            let answer: Peers = serde_json::from_slice(&answer.payload).unwrap();
            assert_eq!(answer.view.sequence, expected);
        }
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test]
async fn asked_again_after_silence_the_work_is_still_done_once() {
    on_each(Users::Anybody, async |nats| {
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let (runs, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (counter, gate) = (runs.clone(), go.clone());
        let _serving = serve::<ListPeers, _, _>(&central, &(), move |_| {
            let (count, gate) = (counter.fetch_add(1, Ordering::SeqCst) + 1, gate.clone());
            async move {
                gate.notified().await;
                Ok(peers(count))
            }
        })
        .await;
        let asked = map.call_again(&(), ListPeers {}, SHORT, 20);
        let (answer, ()) = tokio::join!(asked, async {
            // The first try's patience is over by then: its answer finds nobody.
            tokio::time::sleep(SHORT * 2).await;
            go.notify_one();
        });
        assert_eq!(answer.unwrap().view.sequence, 1);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_arrives_after_its_deadline_is_not_done() {
    on_each(Users::Anybody, async |nats| {
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let (_serving, runs) = serve_peers(&central).await;
        nats.pause().await;
        let failure = map.call_within(&(), ListPeers {}, SHORT).await.unwrap_err();
        assert_eq!(failure.code, Code::DeadlinePassed, "{failure}");
        nats.resume();
        // One endpoint begins its requests in order: this one is behind the late one.
        let answer = map.call_within(&(), ListPeers {}, SOON).await.unwrap();
        assert_eq!((answer.view.sequence, runs.load(Ordering::SeqCst)), (1, 1));

        let client = stranger(&nats).await;
        for (deadline, done) in [(unix_ms() - 1, 1), (unix_ms() + 10_000, 2)] {
            let request = format!("{{\"deadline_ms\":{deadline}}}");
            client.publish(peers_subject(), request.into()).await.unwrap();
            client.request("$SRV.PING.central", "".into()).await.unwrap();
            until("the request is done or dropped", async || runs.load(Ordering::SeqCst) == done)
                .await;
        }
    })
    .await;
}

#[tokio::test]
async fn work_that_panics_leaves_its_caller_to_the_deadline_and_the_endpoint_goes_on() {
    on_each(Users::Anybody, async |nats| {
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let first = Arc::new(AtomicU32::new(0));
        let _serving = serve::<ListPeers, _, _>(&central, &(), move |_| {
            let count = first.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(count > 0, "a panic on purpose");
                Ok(peers(count))
            }
        })
        .await;
        let failure = map.call_within(&(), ListPeers {}, SHORT).await.unwrap_err();
        assert_eq!(failure.code, Code::DeadlinePassed, "{failure}");
        assert_eq!(map.call(&(), ListPeers {}).await.unwrap().view.sequence, 1);
    })
    .await;
}

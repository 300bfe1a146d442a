//! NATS is away, hung, or lets nobody in.

use std::time::{Duration, Instant};

use nats::{Backbone, BackboneError, table::PeerEvent};
use protocol::{Code, backbone::maps::ListPeers};

use crate::{
    said::{map_changed, serve_peers},
    server::{SOON, Users, on_each, until},
};

#[tokio::test]
async fn a_server_that_is_absent_at_start_is_waited_for() {
    on_each(Users::Anybody, async |mut nats| {
        nats.kill();
        let connecting = tokio::spawn(Backbone::connect(nats.options("map", "town-1")));
        tokio::time::sleep(Duration::from_millis(700)).await; // some attempts fail
        assert!(!connecting.is_finished());
        nats.restart().await;
        let map = tokio::time::timeout(SOON, connecting).await.unwrap().unwrap().unwrap();
        map.service("a map").await.unwrap().ready().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn while_away_calls_fail_fast_and_afterwards_all_works_again_by_itself() {
    on_each(Users::Anybody, async |mut nats| {
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let (_serving, _) = serve_peers(&central).await;
        let mut peers = map.subscribe::<PeerEvent>().await.unwrap();
        map.call(&(), ListPeers {}).await.unwrap();

        nats.kill();
        let mut up = map.connected();
        tokio::time::timeout(SOON, up.wait_for(|up| !up)).await.unwrap().unwrap();
        let start = Instant::now();
        let failure = map.call_within(&(), ListPeers {}, SOON).await.unwrap_err();
        assert_eq!(failure.code, Code::Unavailable, "{failure}");
        // It may be told to a player, who is to know no addresses; who runs the cluster is to.
        assert!(failure.message.contains("NATS is away"), "{failure}");
        assert!(!failure.message.contains(&map.at()), "{failure}");
        let error = map.publish(&map_changed(1)).await.unwrap_err();
        assert!(error.to_string().contains(&map.at()), "{error}");
        assert!(matches!(error, BackboneError::Unavailable { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());

        nats.restart().await;
        tokio::time::timeout(SOON, up.wait_for(|up| *up)).await.unwrap().unwrap();
        until("calls work again", async || map.call(&(), ListPeers {}).await.is_ok()).await;
        central.publish(&map_changed(2)).await.unwrap();
        let Some(PeerEvent::Changed(changed)) = peers.next().await else { panic!("no event") };
        assert_eq!(changed.view.sequence, 2, "what was not said in time is not said late");
    })
    .await;
}

#[tokio::test]
async fn a_hung_server_is_taken_for_away_after_three_pings() {
    on_each(Users::Anybody, async |nats| {
        let map = nats.join("map", "town-1").await;
        let service = map.service("a map").await.unwrap();
        let pulse = service.pulse();
        pulse.beat(SOON).await.unwrap();
        nats.pause().await;
        let start = Instant::now();
        // A pulse that was just answered is believed for a moment.
        let short = Duration::from_millis(300);
        until("the pulse is missed", async || pulse.beat(short).await.is_err()).await;
        let silence = pulse.beat(short).await.unwrap_err();
        assert_eq!(silence.code, Code::DeadlinePassed, "a pulse tells long before: {silence}");
        let mut up = map.connected();
        tokio::time::timeout(SOON, up.wait_for(|up| !up)).await.unwrap().unwrap();
        assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
        let failure = map.call_within(&(), ListPeers {}, SOON).await.unwrap_err();
        assert_eq!(failure.code, Code::Unavailable, "{failure}");
        nats.resume();
        tokio::time::timeout(SOON, up.wait_for(|up| *up)).await.unwrap().unwrap();
        until("the pulse is back", async || pulse.beat(SOON).await.is_ok()).await;
    })
    .await;
}

#[tokio::test]
async fn closing_ends_soon_also_when_the_server_is_hung_or_gone() {
    on_each(Users::Anybody, async |mut nats| {
        let (one, two) = (nats.join("map", "t1").await, nats.join("map", "t2").await);
        nats.pause().await;
        let start = Instant::now();
        one.close().await;
        nats.kill();
        two.close().await;
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_never_shown() {
    on_each(Users::Roles, async |nats| {
        let mut options = nats.options("map", "town-1");
        for (user, password) in [("map", "wr0ng"), ("nobody", "wr0ng"), ("central", "pw-map")] {
            options.url = nats.url(user, password);
            let error = nats.try_join(options.clone()).await.unwrap_err();
            assert!(matches!(error, BackboneError::Unauthorized { .. }), "{error}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("127.0.0.1") && !shown.contains(password), "{shown}");
        }
    })
    .await;
}

#[tokio::test]
async fn options_that_can_never_work_are_told_at_once() {
    on_each(Users::Anybody, async |nats| {
        let good = nats.options("map", "town-1");
        let file = nats.folder().join("map.creds");
        let mut missing = good.clone();
        missing.credentials = Some(file.clone());
        let error = nats.try_join(missing.clone()).await.unwrap_err();
        assert!(matches!(error, BackboneError::BadOptions(_)), "{error}");
        assert!(error.to_string().contains("map.creds"), "{error}");

        std::fs::write(file, "no credentials at all").unwrap();
        let error = nats.try_join(missing).await.unwrap_err();
        assert!(matches!(error, BackboneError::BadOptions(_)), "{error}");

        for url in ["", "http://127.0.0.1:4222", "nats://127.0.0.1:port"] {
            let mut options = good.clone();
            options.url = url.to_owned();
            let error = nats.try_join(options).await.unwrap_err();
            assert!(matches!(error, BackboneError::BadOptions(_)), "{error}");
        }
    })
    .await;
}

//! What is told to whoever listens.

use nats::{
    Backbone, BackboneError, Subscription,
    table::{self, PeerEvent},
};
use protocol::backbone::events::{MapChanged, MapDown};

use crate::{
    link::slow_link,
    said::{map_changed, map_down},
    server::{SOON, Users, on_each},
};

async fn listen<H: nats::Heard>(backbone: &Backbone) -> Subscription<H> {
    let subscription = backbone.subscribe().await.unwrap();
    backbone.service("proves that it listens").await.unwrap().ready().await.unwrap();
    subscription
}

async fn next<H: nats::Heard>(subscription: &mut Subscription<H>) -> H {
    tokio::time::timeout(SOON, subscription.next()).await.expect("nothing is heard").unwrap()
}

#[tokio::test]
async fn peer_events_of_several_kinds_come_in_the_order_they_were_sent() {
    on_each(Users::Anybody, async |nats| {
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let mut peers = listen::<PeerEvent>(&map).await;
        for sequence in 0..500 {
            match sequence % 2 {
                0 => central.publish(&map_changed(sequence)).await.unwrap(),
                _ => central.publish(&map_down(sequence, "silent".into())).await.unwrap(),
            }
        }
        for sequence in 0..500 {
            let view = match next(&mut peers).await {
                PeerEvent::Changed(changed) => changed.view,
                PeerEvent::Down(down) => down.view,
                PeerEvent::Up(up) => panic!("{up:?}"),
            };
            assert_eq!(view.sequence, sequence);
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_passed_over() {
    on_each(Users::Anybody, async |nats| {
        let (central, map) = (nats.join("central", "c1").await, nats.join("map", "town-1").await);
        let mut peers = listen::<PeerEvent>(&map).await;
        let stranger = async_nats::connect(nats.options("stranger", "1").url).await.unwrap();
        let subject = table::event::<MapChanged>(central.realm());
        stranger.publish(subject, "{\"view\":\"of another version\"}".into()).await.unwrap();
        stranger.publish("mmo.v1.main.event.map.moved", "{}".into()).await.unwrap();
        stranger.request("$SRV.PING.map", "".into()).await.unwrap_err(); // both have arrived
        central.publish(&map_changed(3)).await.unwrap();
        let PeerEvent::Changed(changed) = next(&mut peers).await else { panic!("another event") };
        assert_eq!(changed.view.sequence, 3);
    })
    .await;
}

#[tokio::test]
async fn closing_loses_nothing_that_was_said_before() {
    on_each(Users::Anybody, async |nats| {
        const SAID: u32 = 2000;
        let mut options = nats.options("central", "c1");
        options.url = format!("nats://127.0.0.1:{}", slow_link(nats.port));
        let (central, map) = (nats.try_join(options).await.unwrap(), nats.join("map", "t1").await);
        let mut heard = listen::<MapDown>(&map).await;
        // 8.5 MB: far more than the system's own buffer on a loopback connection.
        let reason = "x".repeat(4000);
        for sequence in 0..SAID {
            central.publish(&map_down(sequence, reason.clone())).await.unwrap();
        }
        central.close().await;
        for sequence in 0..SAID {
            assert_eq!(next(&mut heard).await.view.sequence, u64::from(sequence));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_too_large_for_the_server_is_refused_before_it_breaks_the_connection() {
    on_each(Users::Anybody, async |nats| {
        let central = nats.join("central", "c1").await;
        let error = central.publish(&map_down(1, "x".repeat(2_000_000))).await.unwrap_err();
        assert!(matches!(error, BackboneError::TooLarge(_)), "{error}");
        central.publish(&map_changed(2)).await.unwrap();
    })
    .await;
}

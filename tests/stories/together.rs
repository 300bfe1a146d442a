//! Friends and parties get to the same channel.

use client::Wish;
use harness::{Player, Recorder, Rig, SOON, until};
use protocol::{Channel, Code, MapName, Position};
use serde_json::json;

async fn channel_of(player: &Player, wish: impl Into<Wish>) -> u16 {
    player.back_to_central().await;
    let character = player.character.character;
    player.client.play(character, wish).await.expect("entering").channel.0
}

#[tokio::test]
async fn who_names_a_friend_enters_the_friends_channel() {
    let rig = Rig::with_maps("town:2").await;
    let names = ["Ada", "Bob", "Cyd", "Dan", "Eve", "Fay"];
    let mut players = Vec::new();
    for name in names {
        players.push(rig.player(name).await);
    }
    let [ada, bob, cyd, dan, eve, fay] = &players[..] else { unreachable!() };
    assert_eq!(channel_of(ada, Channel(2)).await, 2);
    assert_eq!(channel_of(bob, Channel(1)).await, 1);
    assert_eq!(channel_of(cyd, Channel(1)).await, 1);
    assert_eq!(channel_of(dan, None).await, 1, "the fullest is filled first");
    assert_eq!(channel_of(eve, Wish::beside("ada")).await, 2);
    eve.sees("Ada").await;

    // A friend who does not play is in nobody's way, one who does not exist is a mistake.
    ada.client.leave().await.unwrap();
    assert_eq!(channel_of(fay, Wish::beside("Ada")).await, 1);
    ada.back_to_central().await;
    let nobody = ada.client.select(ada.character.character, Wish::beside("Zoe")).await;
    let error = nobody.unwrap_err();
    assert_eq!(error.code(), Some(Code::CharacterUnknown), "{error}");
    assert!(error.to_string().contains("nobody is called Zoe"), "{error}");
}

#[tokio::test]
async fn a_party_goes_through_a_portal_together() {
    let rig = Rig::with_maps("town,forest:2").await;
    let heard = Recorder::start(rig.backbone().await, &["mmo.>"]).await;
    let (ada, bob) = (rig.player_on_map("Ada").await, rig.player_on_map("Bob").await);
    for player in [&ada, &bob] {
        player.client.act(json!({ "type": "party", "word": "owls" })).await.unwrap();
    }
    bob.sees("Ada").await;
    let portal = ada.client.surroundings().unwrap().portals[0].at;
    // He waits near the portal; only she walks into it.
    bob.walk_to(Position { x: portal.x - 3.0, ..portal }).await;
    let there = ada.warp_to("forest").await;
    let forest: MapName = "forest".parse().unwrap();
    let along = until(SOON, "Bob to come along", async || {
        bob.client.surroundings().filter(|around| around.map == forest)
    })
    .await;
    assert_eq!(along.channel, there.channel);
    let (_, route) = heard.next(0, "cluster.route", |route| route["map"] == "forest").await;
    assert_eq!(route["party"], 2, "{route}");
}

//! A party goes to another map, as a game asks for it.

use protocol::ServerId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use world::{Context, atlas::PlaceError};

use super::*;

/// A game that sends everybody to the map that somebody names, or to a dungeon of their own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Guide;

impl world::World for Guide {
    type Config = Value;
    type Input = String;
    type Output = Value;
    type Player = Value;

    fn open(_: Value, _: &mut Context<'_, Self>) -> Result<Self, PlaceError> {
        Ok(Self)
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}

    fn input(&mut self, _: EntityId, to: String, ctx: &mut Context<'_, Self>) {
        let party: Vec<EntityId> = ctx.players().collect();
        let map = to.parse().unwrap();
        match to.as_str() {
            "dungeon" => ctx.spawn_instance(&map, &party),
            _ => ctx.warp_party(&party, &map, None),
        }
    }
}

impl Rig<Guide> {
    /// A town with room for so many.
    pub(super) fn guided(capacity: u32) -> Self {
        Self::on(MapServer { capacity, ..server("town-1", "town") }, town())
    }

    /// One of them says where all go.
    pub(super) fn lead(&mut self, client: &Client, to: &str) {
        let act = PlayInput::Act { action: Value::from(to), seq: 1 };
        self.host.input(client.entity, act, self.now);
    }
}

/// Two players on the way to one channel; gives whose warp asks for which seat.
fn on_the_way() -> (Rig<Guide>, [Client; 2], PartyId) {
    let mut world = Rig::guided(2);
    let [ada, bob] = [world.player(), world.player()];
    world.lead(&ada, "forest");
    match world.job() {
        Job::RouteParty(party, map, 2) if map.as_str() == "forest" => (world, [ada, bob], party),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_party_has_one_route_and_each_a_seat_there() {
    let (mut world, [ada, bob], party) = on_the_way();
    world.outcome(Outcome::Placed(party, Ok(Box::new(server("forest-2", "forest")))));
    let seats: Vec<_> = std::mem::take(&mut world.host.jobs)
        .into_iter()
        .map(|job| match job {
            Job::Seat(_, target, seat) if !seat.instance => (target.server, seat.character),
            other => panic!("{other:?}"),
        })
        .collect();
    let there: ServerId = "forest-2".parse().unwrap();
    assert_eq!(seats, [(there.clone(), ada.character), (there, bob.character)]);
}

#[test]
fn who_finds_no_seat_beside_the_party_asks_for_a_route_of_its_own() {
    let (mut world, [ada, bob], party) = on_the_way();
    world.outcome(Outcome::Placed(party, Ok(Box::new(server("forest-2", "forest")))));
    let Job::Seat(warp, target, seat) = world.host.jobs.pop().unwrap() else { panic!() };
    assert_eq!(seat.character, bob.character);
    let Job::Seat(_, _, first) = world.job() else { panic!("one seat each") };
    assert_eq!(first.character, ada.character);
    let (target, character, answer) = (target.server, bob.character, Err(fail(Code::MapFull)));
    world.outcome(Outcome::Reserved { warp, target, character, answer });
    let Job::Route(of, map) = world.job() else { panic!("no route") };
    assert_eq!((of, map.as_str()), (warp, "forest"));
    world.outcome(Outcome::Routed(of, Ok(Box::new(server("forest-1", "forest")))));
    let Job::Seat(_, target, _) = world.job() else { panic!("no seat") };
    assert_eq!(target.server.as_str(), "forest-1");
    // A second refusal is the last word.
    let (target, answer) = (target.server, Err(fail(Code::MapFull)));
    world.outcome(Outcome::Reserved { warp, target, character, answer });
    assert!(world.host.jobs.is_empty());
}

#[test]
fn without_a_route_the_whole_party_is_told_and_plays_on() {
    let (mut world, clients, party) = on_the_way();
    let failure = fail(Code::NoServer);
    let told = clients.map(|mut client| {
        client.read();
        client
    });
    world.outcome(Outcome::Placed(party, Err(failure.clone())));
    for mut client in told {
        let map = "forest".parse().unwrap();
        assert_eq!(client.told(), [PlayMessage::WarpRefused { map, failure: failure.clone() }]);
        assert!(!world.host.stage.entity(client.entity).unwrap().is_frozen());
    }
}

#[test]
fn who_leaves_before_the_route_is_known_is_not_taken_along() {
    let (mut world, [ada, bob], party) = on_the_way();
    world.host.input(bob.entity, PlayInput::Leave, world.now);
    world.released_state();
    world.outcome(Outcome::Placed(party, Ok(Box::new(server("forest-2", "forest")))));
    assert!(matches!(world.job(), Job::Seat(_, _, seat) if seat.character == ada.character));
}

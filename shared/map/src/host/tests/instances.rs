use super::{together::Guide, *};

fn dungeon() -> Box<MapServer> {
    Box::new(server("dungeon-1", "dungeon"))
}

/// Walks a player into the portal of the dungeon; gives which instance was asked for.
fn ask_for_instance(world: &mut Rig, client: &Client) -> PartyId {
    let to = Position { x: 10.0, y: 15.0 };
    world.host.input(client.entity, PlayInput::Walk { to, seq: 0 }, world.now);
    world.ticks(60);
    match world.job() {
        Job::Spawn(instance, template) if template.as_str() == "dungeon" => instance,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_player_goes_to_the_instance_and_what_is_saved_is_where_it_comes_back_to() {
    let mut world = Rig::new();
    let ada = world.player();
    let instance = ask_for_instance(&mut world, &ada);
    world.outcome(Outcome::Placed(instance, Ok(dungeon())));
    let Job::Seat(warp, target, seat) = world.job() else { panic!("no seat was asked for") };
    assert!(seat.instance && target.server.as_str() == "dungeon-1");
    let seat = SeatReserved { ticket: Ticket::from_bytes([7; 32]), kept_ms: 10_000 };
    let (target, character) = (target.server.clone(), ada.character);
    world.outcome(Outcome::Reserved { warp, target, character, answer: Ok(seat) });
    let Job::Write(..) = world.job() else { panic!("nothing is confirmed") };
    let claim = Claim { owner: world.host.own.life(), epoch: 1, version: 2 };
    world.outcome(Outcome::Written(character, Written::Saved(Ok(claim))));
    let Job::Transfer { transfer, .. } = world.job() else { panic!("no transfer") };
    assert_eq!(transfer.state.map.as_str(), "town");
    assert!(transfer.state.position.unwrap().x < 11.1);
}

/// A party of three whose dungeon is up; each has asked for a seat there.
fn three_at_the_door() -> (Rig<Guide>, [Client; 3], Vec<WarpId>) {
    let mut world = Rig::guided(3);
    let mut clients = [world.player(), world.player(), world.player()];
    world.lead(&clients[0], "dungeon");
    let Job::Spawn(party, _) = world.job() else { panic!("no dungeon is asked for") };
    world.outcome(Outcome::Placed(party, Ok(dungeon())));
    let warps = std::mem::take(&mut world.host.jobs).into_iter().map(|job| match job {
        Job::Seat(warp, _, seat) if seat.instance => warp,
        other => panic!("{other:?}"),
    });
    let warps = warps.collect();
    clients.iter_mut().for_each(|client| drop(client.read()));
    (world, clients, warps)
}

fn answered(world: &mut Rig<Guide>, warp: WarpId, client: &Client, answer: Option<Failure>) {
    let seat = SeatReserved { ticket: Ticket::from_bytes([7; 32]), kept_ms: 10_000 };
    let answer = answer.map_or(Ok(seat), Err);
    let (target, character) = ("dungeon-1".parse().unwrap(), client.character);
    world.outcome(Outcome::Reserved { warp, target, character, answer });
}

#[test]
fn a_party_gathers_before_anybody_goes() {
    let (mut world, clients, warps) = three_at_the_door();
    answered(&mut world, warps[0], &clients[0], None);
    answered(&mut world, warps[2], &clients[2], None);
    assert!(world.host.jobs.is_empty(), "{:?}", world.host.jobs);
    answered(&mut world, warps[1], &clients[1], None);
    let saves = world.host.jobs.iter().filter(|job| matches!(job, Job::Write(..)));
    assert_eq!(saves.count(), 3, "{:?}", world.host.jobs);
}

#[test]
fn where_one_of_a_party_finds_no_seat_nobody_goes() {
    let (mut world, mut clients, warps) = three_at_the_door();
    answered(&mut world, warps[0], &clients[0], None);
    let full = fail(Code::MapFull);
    answered(&mut world, warps[1], &clients[1], Some(full.clone()));
    // The seat that there was is given back, and so is one that comes late.
    assert!(matches!(world.job(), Job::CancelSeat(..)));
    answered(&mut world, warps[2], &clients[2], None);
    assert!(matches!(world.job(), Job::CancelSeat(..)));
    for client in &mut clients {
        let (map, failure) = ("dungeon".parse().unwrap(), full.clone());
        assert_eq!(client.told(), [PlayMessage::WarpRefused { map, failure }]);
        assert!(!world.host.stage.entity(client.entity).unwrap().is_frozen());
    }
}

#[test]
fn who_leaves_meanwhile_is_not_waited_for() {
    let (mut world, clients, warps) = three_at_the_door();
    answered(&mut world, warps[0], &clients[0], None);
    answered(&mut world, warps[1], &clients[1], None);
    world.host.input(clients[2].entity, PlayInput::Leave, world.now);
    let saves = world.host.jobs.iter().filter(|job| matches!(job, Job::Write(..)));
    assert_eq!(saves.count(), 3, "two go and one is let go: {:?}", world.host.jobs);
}

#[test]
fn a_party_of_which_one_hears_nothing_stays_within_two_seconds() {
    let (mut world, mut clients, warps) = three_at_the_door();
    answered(&mut world, warps[0], &clients[0], None);
    answered(&mut world, warps[1], &clients[1], None);
    world.pass(40);
    for client in &mut clients {
        let told = client.told();
        assert!(matches!(told.last(), Some(PlayMessage::WarpRefused { .. })), "{told:?}");
        assert!(!world.host.stage.entity(client.entity).unwrap().is_frozen());
    }
}

#[test]
fn without_an_instance_the_player_is_told_and_plays_on() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let instance = ask_for_instance(&mut world, &ada);
    ada.read();
    let failure = Failure::new(Code::NoSpawner, "no spawner is up; start a map-spawn");
    world.outcome(Outcome::Placed(instance, Err(failure.clone())));
    let map = "dungeon".parse().unwrap();
    assert_eq!(ada.told(), [PlayMessage::WarpRefused { map, failure }]);
    let to = Position { x: 20.0, y: 15.0 };
    world.host.input(ada.entity, PlayInput::Walk { to, seq: 0 }, world.now);
    world.ticks(100);
    assert_eq!(world.host.stage.entity(ada.entity).map(world::Entity::position), Some(to));
}

#[test]
fn an_instance_whose_party_has_gone_before_it_was_up_is_ended() {
    let mut world = Rig::new();
    let ada = world.player();
    let instance = ask_for_instance(&mut world, &ada);
    world.host.input(ada.entity, PlayInput::Leave, world.now);
    world.released_state();
    world.outcome(Outcome::Placed(instance, Ok(dungeon())));
    assert!(matches!(world.job(), Job::Retire(server) if server.as_str() == "dungeon-1"));
}

#[test]
fn an_instance_saves_where_its_players_came_from_and_ends_once_they_have_gone() {
    let mut plan = town();
    (plan.name, plan.instance) = ("dungeon".parse().unwrap(), true);
    let mut world = Rig::<Quiet>::on(server("dungeon-1", "dungeon"), plan);
    let (character, account) = (CharacterId::new(), AccountId::new());
    let incarnation = world.host.own.incarnation;
    let name = "Ada".to_owned();
    let seat = ReserveSeat { incarnation, account, character, name, instance: true };
    let ticket = world.host.reserve(&seat, world.now).unwrap().ticket;
    let ada = world.enter_with(character, account, SessionId::new(), ticket).unwrap();
    world.pass(20 * 60);
    world.host.input(ada.entity, PlayInput::Leave, world.now);
    let saved = world.released_state();
    assert_eq!(saved.map.as_str(), "town");
    assert_eq!(saved.position, Some(Position { x: 22.0, y: 15.0 }));
    world.outcome(Outcome::Written(character, Written::Released(Ok(()))));
    world.ticks(20 * 30);
    assert!(world.host.jobs.is_empty(), "it is kept for a while");
    world.ticks(2);
    assert!(matches!(world.job(), Job::Retire(server) if server == world.host.own.server));
}

#[test]
fn a_map_that_is_no_instance_never_ends_by_itself() {
    let mut world = Rig::new();
    world.ticks(20 * 120);
    assert!(world.host.jobs.is_empty());
}

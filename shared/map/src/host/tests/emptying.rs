use protocol::backbone::operations::DrainMap;

use super::*;

fn drain(world: &mut Rig, countdown_ms: Option<u64>) {
    let incarnation = world.host.own.incarnation;
    let drain = DrainMap { incarnation, countdown_ms, reason: "an update".to_owned() };
    let now = world.now;
    world.host.empty(&drain, now).unwrap();
}

fn told_of_emptying(client: &mut Client) -> Vec<Option<u64>> {
    let told = client.told().into_iter();
    told.filter_map(|message| match message {
        PlayMessage::Emptying { countdown_ms, .. } => Some(countdown_ms),
        _ => None,
    })
    .collect()
}

#[test]
fn players_are_told_and_moved_to_another_channel_once_the_countdown_is_over() {
    let mut world = Rig::new();
    let mut ada = world.player();
    drain(&mut world, Some(1000));
    assert_eq!(told_of_emptying(&mut ada), [Some(1000)]);
    world.ticks(10);
    let mut late = world.enter(CharacterId::new(), SessionId::new()).unwrap();
    assert_eq!(told_of_emptying(&mut late), [Some(500)], "who comes meanwhile is told the rest");
    world.host.input(late.entity, PlayInput::Leave, world.now);
    world.released_state();
    world.ticks(9);
    assert!(world.host.jobs.is_empty(), "{:?}", world.host.jobs);
    world.ticks(1);
    let here = world.host.stage.entity(ada.entity).map(world::Entity::position);
    let Job::Route(warp, map) = world.job() else { panic!("nobody is moved") };
    assert_eq!(map.as_str(), "town");

    // No other channel is up yet: tried again.
    world.outcome(Outcome::Routed(warp, Err(fail(Code::NoServer))));
    assert!(world.host.jobs.is_empty());
    world.ticks(41);
    let Job::Route(warp, _) = world.job() else { panic!("not tried again") };
    world.outcome(Outcome::Routed(warp, Ok(Box::new(server("town-2", "town")))));
    let Job::Seat(_, target, seat) = world.job() else { panic!("no seat was asked for") };
    let seat_kept = SeatReserved { ticket: Ticket::from_bytes([7; 32]), kept_ms: 10_000 };
    let (target, character) = (target.server, seat.character);
    world.outcome(Outcome::Reserved { warp, target, character, answer: Ok(seat_kept) });
    let Job::Write(..) = world.job() else { panic!("nothing is confirmed") };
    let claim = Claim { owner: world.host.own.life(), epoch: 1, version: 2 };
    world.outcome(Outcome::Written(character, Written::Saved(Ok(claim))));
    let Job::Transfer { transfer, .. } = world.job() else { panic!("no transfer") };
    assert_eq!((transfer.state.map.as_str(), transfer.state.position), ("town", here));
}

#[test]
fn a_drain_that_is_called_off_moves_nobody_and_one_of_an_earlier_life_is_refused() {
    let mut world = Rig::new();
    let mut ada = world.player();
    drain(&mut world, Some(500));
    drain(&mut world, None);
    assert_eq!(told_of_emptying(&mut ada), [Some(500), None]);
    world.ticks(30);
    assert!(world.host.jobs.is_empty(), "{:?}", world.host.jobs);

    let incarnation = protocol::Incarnation::new();
    let other = DrainMap { incarnation, countdown_ms: Some(0), reason: String::new() };
    let now = world.now;
    assert_eq!(world.host.empty(&other, now).unwrap_err().code, Code::ServerUnknown);
}

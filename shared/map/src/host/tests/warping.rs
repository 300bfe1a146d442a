//! Warps as the host carries them out.

use super::*;

#[test]
fn a_warp_hands_over_then_forgets_without_a_save() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let mut bob = world.player();
    let warp = world.walk_into_portal(&ada);
    let transfer = world.reach_transfer(warp);
    assert_eq!(transfer.state.map.as_str(), "forest");
    assert_eq!(transfer.state.position, Some(Position { x: 8.0, y: 20.0 }));
    assert_eq!((transfer.claim.version, transfer.to.server.as_str()), (2, "forest-1"));
    bob.read();
    ada.read();
    world.outcome(Outcome::Transferred(warp, Ok(())));
    assert!(matches!(ada.read()[..], [PlayMessage::WarpTo { .. }]));
    world.ticks(1);
    assert!(matches!(bob.told()[..], [PlayMessage::Vanished { .. }]));
    assert_eq!((world.host.population(), world.host.leftovers().characters.len()), (1, 1));
    world.ticks(400);
    let is_hers =
        |job: &Job| matches!(job, Job::Write(character, _) if *character == ada.character);
    assert!(!world.host.jobs.iter().any(is_hers), "{:?}", world.host.jobs);
}

#[test]
fn a_refused_warp_is_told_and_the_player_walks_and_is_saved_again() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let warp = world.walk_into_portal(&ada);
    world.outcome(Outcome::Routed(warp, Err(fail(Code::NoServer))));
    let told = ada.told();
    assert!(
        matches!(&told[..], [PlayMessage::WarpRefused { map, failure }]
            if map.as_str() == "forest" && failure.code == Code::NoServer),
        "{told:?}"
    );
    let to = Position { x: 20.0, y: 15.0 };
    world.host.input(ada.entity, PlayInput::Walk { to, seq: 0 }, world.now);
    world.ticks(200);
    assert_eq!(world.host.stage.entity(ada.entity).map(world::Entity::position), Some(to));
    let saves =
        |job: &Job| matches!(job, Job::Write(_, write) if matches!(**write, Write::Save { .. }));
    assert!(world.host.jobs.iter().any(saves), "{:?}", world.host.jobs);
}

#[test]
fn a_warp_is_refused_when_saving_does_not_work_and_nothing_is_begun() {
    let mut world = Rig::new();
    let mut ada = world.player();
    let warp = world.walk_into_portal(&ada);
    let (character, _) = world.reach_settling(warp);
    world.outcome(Outcome::Written(character, Written::Saved(Err(fail(Code::Unavailable)))));
    assert!(matches!(world.job(), Job::CancelSeat(server, _) if server.as_str() == "forest-1"));
    let told = ada.told();
    assert!(
        matches!(&told[..], [PlayMessage::WarpRefused { failure, .. }] if failure.retry),
        "{told:?}"
    );
}

#[test]
fn a_warp_waits_for_the_save_in_flight_and_hands_over_its_claim() {
    let mut world = Rig::new();
    let ada = world.player();
    let to = Position { x: 22.5, y: 15.0 };
    world.host.input(ada.entity, PlayInput::Walk { to, seq: 0 }, world.now);
    world.ticks(200);
    assert!(world.host.jobs.iter().any(|job| matches!(job, Job::Write(..))));
    world.host.jobs.clear();
    let warp = world.walk_into_portal(&ada);
    world.reach_seat(warp);
    assert!(world.host.jobs.is_empty(), "{:?}", world.host.jobs);
    let claim = Claim { owner: world.host.own.life(), epoch: 1, version: 2 };
    world.outcome(Outcome::Written(ada.character, Written::Saved(Ok(claim))));
    let Job::Transfer { transfer, .. } = world.job() else { panic!() };
    assert_eq!(transfer.claim.version, 2);
}

#[test]
fn who_is_lost_during_a_transfer_is_released_only_when_it_was_refused() {
    for done in [true, false] {
        let mut world = Rig::new();
        let ada = world.player();
        let warp = world.walk_into_portal(&ada);
        world.reach_transfer(warp);
        world.host.depart(ada.entity, "reset".to_owned(), None, world.now);
        assert!(world.host.jobs.is_empty(), "its owner is not known: {:?}", world.host.jobs);
        let answer = if done { Ok(()) } else { Err(fail(Code::ServerUnknown)) };
        world.outcome(Outcome::Transferred(warp, answer));
        if done {
            assert!(world.host.is_empty() && world.host.jobs.is_empty());
        } else {
            assert!(matches!(world.host.jobs.remove(0), Job::CancelSeat(..)));
            assert_eq!(world.released_state().map.as_str(), "town");
        }
    }
}

#[test]
fn a_seat_that_comes_after_the_warp_is_over_is_cancelled() {
    let mut world = Rig::new();
    let ada = world.player();
    let warp = world.walk_into_portal(&ada);
    world.outcome(Outcome::Routed(warp, Ok(Box::new(server("forest-1", "forest")))));
    let Job::Seat(_, target, _) = world.job() else { panic!() };
    world.host.depart(ada.entity, "reset".to_owned(), None, world.now);
    world.released_state();
    let answer = Ok(SeatReserved { ticket: protocol::Ticket::from_bytes([5; 32]), kept_ms: 9 });
    let (target, character) = (target.server, ada.character);
    world.outcome(Outcome::Reserved { warp, target, character, answer });
    assert!(matches!(world.job(), Job::CancelSeat(server, _) if server.as_str() == "forest-1"));
}

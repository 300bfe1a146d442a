use protocol::{Position, backbone::Life};

use super::*;

const EVERY: Duration = Duration::from_secs(10);

fn claim(version: u64) -> Claim {
    let incarnation = "0198c0de-0000-7000-8000-000000000001".parse().unwrap();
    let owner = Life { server: "town-1".parse().unwrap(), incarnation };
    Claim { owner, epoch: 3, version }
}

fn at(x: f32) -> CharacterState {
    let position = Some(Position { x, y: 1.0 });
    CharacterState { map: "town".parse().unwrap(), position, data: serde_json::Value::Null }
}

fn away() -> Failure {
    Failure::new(Code::Unavailable, "Central is away")
}

fn keeper(now: Instant) -> (Keeper, CharacterId) {
    let (mut keeper, character) = (Keeper::new(EVERY), CharacterId::new());
    keeper.adopt(character, claim(1), at(0.0), now);
    (keeper, character)
}

#[test]
fn the_newest_state_is_saved_every_ten_seconds_if_it_changed_and_versions_are_chained() {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    assert_eq!(keeper.due(now + EVERY - Duration::from_millis(1)), []);
    let now = now + EVERY;
    assert_eq!(keeper.due(now), [ada]);
    let write = keeper.write(ada, Some(at(2.0)), now);
    assert_eq!(write, Some(Write::Save { claim: claim(1), state: at(2.0), ledger: vec![] }));
    assert_eq!((keeper.due(now + EVERY), keeper.write(ada, Some(at(3.0)), now)), (vec![], None));

    assert_eq!(keeper.written(ada, Written::Saved(Ok(claim(2))), now), Verdict::Kept);
    let now = now + EVERY;
    assert_eq!(keeper.write(ada, Some(at(2.0)), now), None, "nothing has changed");
    assert_eq!(keeper.due(now), []);
    let now = now + EVERY;
    let write = keeper.write(ada, Some(at(4.0)), now);
    assert_eq!(write, Some(Write::Save { claim: claim(2), state: at(4.0), ledger: vec![] }));
}

#[test]
fn a_release_waits_for_the_save_in_flight_and_carries_its_claim() {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    keeper.write(ada, Some(at(2.0)), now).unwrap();
    keeper.release(ada, at(5.0), now);
    assert_eq!(keeper.due(now), []);
    keeper.written(ada, Written::Saved(Ok(claim(2))), now);
    assert_eq!(keeper.due(now), [ada]);
    let write = keeper.write(ada, None, now);
    assert_eq!(write, Some(Write::Release { claim: claim(2), state: at(5.0), ledger: vec![] }));
    assert_eq!(keeper.written(ada, Written::Released(Ok(())), now), Verdict::Released);
    assert_eq!(keeper.len(), 0);
}

#[test]
fn while_central_is_away_it_is_tried_again_ever_less_often_and_the_claim_is_read_anew() {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    keeper.write(ada, Some(at(2.0)), now).unwrap();
    let mut now = now;
    for wait_ms in [250, 500, 1000, 2000, 2000, 2000] {
        assert_eq!(keeper.written(ada, Written::Saved(Err(away())), now), Verdict::Kept);
        assert_eq!(keeper.due(now + Duration::from_millis(wait_ms - 1)), []);
        now += Duration::from_millis(wait_ms);
        assert_eq!(keeper.due(now), [ada]);
        assert_eq!(keeper.write(ada, Some(at(3.0)), now), Some(Write::Check));
    }
    // The lost save was done after all: the claim has moved on, and the next save follows it.
    keeper.written(ada, Written::Checked(Ok(claim(2))), now);
    let write = keeper.write(ada, Some(at(6.0)), now);
    assert_eq!(write, Some(Write::Save { claim: claim(2), state: at(6.0), ledger: vec![] }));
}

#[test]
fn what_may_be_stored_of_a_failed_save_is_written_over_even_by_what_was_there_before() {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    keeper.write(ada, Some(at(2.0)), now).unwrap();
    keeper.written(ada, Written::Saved(Err(away())), now);
    assert_eq!(keeper.write(ada, Some(at(0.0)), now), Some(Write::Check));
    keeper.written(ada, Written::Checked(Ok(claim(2))), now);
    let write = keeper.write(ada, Some(at(0.0)), now);
    assert_eq!(write, Some(Write::Save { claim: claim(2), state: at(0.0), ledger: vec![] }));
    keeper.written(ada, Written::Saved(Ok(claim(3))), now);
    assert_eq!(keeper.write(ada, Some(at(0.0)), now), None);
}

#[test]
fn who_stands_still_is_looked_for_and_is_dropped_when_owned_elsewhere() {
    let mut now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    for _ in 0..3 {
        for _ in 1..IDLE_SAVES {
            now += EVERY;
            assert_eq!(keeper.due(now), [ada]);
            assert_eq!(keeper.write(ada, Some(at(0.0)), now), None);
        }
        now += EVERY;
        assert_eq!(keeper.write(ada, Some(at(0.0)), now), Some(Write::Check));
        assert_eq!(keeper.written(ada, Written::Checked(Ok(claim(1))), now), Verdict::Kept);
        assert_eq!(keeper.write(ada, Some(at(0.0)), now), None, "it was stored");
        now += EVERY;
        let moved = Some(Write::Save { claim: claim(1), state: at(1.0), ledger: vec![] });
        assert_eq!(keeper.write(ada, Some(at(1.0)), now), moved);
        keeper.written(ada, Written::Saved(Ok(claim(1))), now);
        keeper.adopt(ada, claim(1), at(0.0), now);
    }
    for _ in 0..IDLE_SAVES {
        now += EVERY;
        keeper.write(ada, Some(at(0.0)), now);
    }
    let fenced = Failure::new(Code::Fenced, "somebody else's");
    let verdict = keeper.written(ada, Written::Checked(Err(fenced)), now);
    assert!(matches!(verdict, Verdict::Fenced(_)), "{verdict:?}");
}

#[test]
fn a_claim_is_read_anew_only_when_a_save_that_was_not_heard_of_can_no_longer_be_done() {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    keeper.write(ada, Some(at(2.0)), now).unwrap();
    let unheard = Failure::new(Code::DeadlinePassed, "no answer");
    keeper.written(ada, Written::Saved(Err(unheard)), now);
    // Neither a commit that waits nor a player that leaves makes it read sooner.
    keeper.hasten(ada, now);
    keeper.release(ada, at(3.0), now);
    assert_eq!(keeper.write(ada, None, now + LATE - Duration::from_millis(1)), None);
    assert!(!keeper.is_free(ada));
    assert_eq!(keeper.due(now + LATE), [ada]);
    assert_eq!(keeper.write(ada, None, now + LATE), Some(Write::Check));
}

/// What becomes of a release that failed like this and is fenced the next time.
fn fenced_after(first: Failure) -> Verdict {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    keeper.release(ada, at(5.0), now);
    let release = Some(Write::Release { claim: claim(1), state: at(5.0), ledger: vec![] });
    assert_eq!(keeper.write(ada, None, now), release);
    assert_eq!(keeper.written(ada, Written::Released(Err(first)), now), Verdict::Kept);
    assert_eq!(keeper.write(ada, None, now), release);
    let fenced = Failure::new(Code::Fenced, "gone");
    let verdict = keeper.written(ada, Written::Released(Err(fenced)), now);
    assert!(!keeper.keeps(ada));
    verdict
}

#[test]
fn a_release_whose_answer_was_lost_is_sent_again_and_ends_when_fenced() {
    let unheard = Failure::new(Code::DeadlinePassed, "no answer");
    assert_eq!(fenced_after(unheard), Verdict::Released);
}

#[test]
fn a_release_that_never_arrived_and_is_fenced_is_a_loss_and_told_as_one() {
    assert!(matches!(fenced_after(away()), Verdict::Fenced(_)));
}

#[test]
fn a_copy_that_is_fenced_or_owned_anew_is_dropped() {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    keeper.write(ada, Some(at(2.0)), now).unwrap();
    keeper.written(ada, Written::Saved(Err(away())), now);
    assert_eq!(keeper.write(ada, Some(at(2.0)), now), Some(Write::Check));
    let other = Claim { epoch: 4, ..claim(2) };
    let verdict = keeper.written(ada, Written::Checked(Ok(other)), now);
    assert!(matches!(verdict, Verdict::Fenced(_)), "{verdict:?}");
    assert!(!keeper.keeps(ada));
}

#[test]
fn a_warp_holds_saves_back_and_gets_the_claim_once_none_is_in_flight() {
    let now = Instant::now();
    let (mut keeper, ada) = keeper(now);
    keeper.write(ada, Some(at(2.0)), now).unwrap();
    keeper.hold(ada);
    assert_eq!(keeper.settled(ada), Settled::NotYet);
    keeper.written(ada, Written::Saved(Ok(claim(2))), now);
    assert_eq!(keeper.settled(ada), Settled::Yes(claim(2)));
    assert_eq!((keeper.due(now + EVERY), keeper.write(ada, Some(at(9.0)), now)), (vec![], None));
    keeper.unhold(ada);
    assert_eq!(keeper.due(now + EVERY), [ada]);
    keeper.write(ada, Some(at(9.0)), now).unwrap();
    keeper.written(ada, Written::Saved(Err(away())), now);
    assert_eq!(keeper.settled(ada), Settled::InDoubt);
}

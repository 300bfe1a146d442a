use proptest::prelude::*;
use protocol::{Channel, ConnectionKey, Incarnation, Position, backbone::Life};

use super::*;

fn target() -> Box<MapServer> {
    Box::new(MapServer {
        server: "forest-1".parse().unwrap(),
        incarnation: Incarnation::new(),
        map: "forest".parse().unwrap(),
        channel: Channel(2),
        address: "10.0.0.7".to_owned(),
        port: 7101,
        connection_key: ConnectionKey::from_bytes([1; 32]),
        population: 0,
        capacity: 9,
        spawner: None,
        version: "0".to_owned(),
        claimed: false,
    })
}

fn seat() -> SeatReserved {
    SeatReserved { ticket: Ticket::from_bytes([2; 32]), kept_ms: 10_000 }
}

fn claim() -> Claim {
    let owner = Life { server: "town-1".parse().unwrap(), incarnation: Incarnation::new() };
    Claim { owner, epoch: 1, version: 4 }
}

fn fail(code: Code) -> Failure {
    Failure::new(code, "as it is")
}

/// A warp that has come as far as `answers` lead.
fn warp(now: Instant, answers: Vec<Answer>) -> (Handoff, Vec<Step>) {
    let arrive = Some(Position { x: 1.0, y: 2.0 });
    let (mut handoff, mut steps) =
        Handoff::begin(Passage { to: "forest".parse().unwrap(), arrive }, now);
    for answer in answers {
        steps = handoff.handle(answer, now);
    }
    (handoff, steps)
}

fn is_over(handoff: &Handoff) -> bool {
    matches!(handoff.phase, Phase::Over)
}

fn transferring(now: Instant) -> Handoff {
    let answers =
        vec![Answer::Routed(Ok(target())), Answer::Reserved(Ok(seat())), Answer::Settled(claim())];
    let (handoff, steps) = warp(now, answers);
    assert!(matches!(steps[..], [Step::Transfer { .. }]), "{steps:?}");
    handoff
}

#[test]
fn a_warp_goes_by_route_seat_and_transfer_and_tells_the_client_where() {
    let now = Instant::now();
    let mut handoff = transferring(now);
    let steps = handoff.handle(Answer::Transferred(Ok(())), now);
    let [Step::End(End::HandedOver(info))] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((info.server.as_str(), info.port, info.channel), ("forest-1", 7101, Channel(2)));
    assert_eq!((info.ticket.clone(), info.seat_kept_ms), (seat().ticket, 10_000));
    assert!(is_over(&handoff));
}

#[test]
fn a_refusal_before_the_transfer_leaves_the_character_here() {
    let now = Instant::now();
    let stays = |code| vec![Step::End(End::Stays(fail(code)))];
    let (_, steps) = warp(now, vec![Answer::Routed(Err(fail(Code::NoServer)))]);
    assert_eq!(steps, stays(Code::NoServer));
    let full = Answer::Reserved(Err(fail(Code::MapFull)));
    let (_, steps) = warp(now, vec![Answer::Routed(Ok(target())), full]);
    assert_eq!(steps, stays(Code::MapFull));
    let reserved = Answer::Reserved(Ok(seat()));
    let (_, steps) = warp(now, vec![Answer::Routed(Ok(target())), reserved, Answer::InDoubt]);
    assert!(
        matches!(&steps[..], [Step::CancelSeat(_), Step::End(End::Stays(f))] if f.retry),
        "{steps:?}"
    );
}

#[test]
fn a_sure_refusal_of_the_transfer_gives_the_seat_up_and_the_character_stays() {
    let now = Instant::now();
    let refused = Answer::Transferred(Err(fail(Code::ServerUnknown)));
    let steps = transferring(now).handle(refused, now);
    let [Step::CancelSeat(place), Step::End(End::Stays(_))] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert_eq!(place.ticket, seat().ticket);
}

#[test]
fn a_fenced_transfer_drops_the_copy() {
    let now = Instant::now();
    let steps = transferring(now).handle(Answer::Transferred(Err(fail(Code::Fenced))), now);
    let dropped = Step::End(End::Dropped(fail(Code::Fenced)));
    assert!(matches!(&steps[..], [Step::CancelSeat(_), end] if *end == dropped), "{steps:?}");
}

#[test]
fn an_unknown_outcome_is_asked_for_again_and_then_the_copy_is_dropped_never_kept() {
    let now = Instant::now();
    for code in [Code::DeadlinePassed, Code::Unavailable, Code::Busy, Code::Internal] {
        let mut handoff = transferring(now);
        let unknown = || Answer::Transferred(Err(fail(code)));
        assert_eq!(handoff.handle(unknown(), now), [Step::TransferAgain]);
        assert_eq!(handoff.handle(Answer::Tick, now + UNKNOWN), []);
        let steps = handoff.handle(unknown(), now + UNKNOWN);
        assert!(
            matches!(&steps[..], [Step::End(End::Dropped(failure))] if failure.retry),
            "{steps:?}"
        );
    }
}

#[test]
fn a_silent_target_is_given_up_in_time_to_tell_the_player_within_two_seconds() {
    let now = Instant::now();
    let (mut handoff, _) = warp(now, vec![Answer::Routed(Ok(target()))]);
    assert_eq!(handoff.handle(Answer::Tick, now + BEGIN - Duration::from_millis(1)), []);
    let steps = handoff.handle(Answer::Tick, now + BEGIN);
    assert!(matches!(&steps[..], [Step::End(End::Stays(failure))] if failure.retry), "{steps:?}");
    assert!(BEGIN < Duration::from_secs(2));
}

#[test]
fn who_leaves_during_the_transfer_is_released_only_if_it_was_refused() {
    let now = Instant::now();
    let left = || {
        let mut handoff = transferring(now);
        assert_eq!(handoff.handle(Answer::Left, now), []);
        handoff
    };
    let refused = Answer::Transferred(Err(fail(Code::ServerUnknown)));
    let steps = left().handle(refused, now);
    assert!(matches!(&steps[..], [Step::CancelSeat(_), Step::End(End::Released)]), "{steps:?}");
    let steps = left().handle(Answer::Transferred(Ok(())), now);
    assert!(matches!(&steps[..], [Step::End(End::HandedOver(_))]), "{steps:?}");
}

fn code() -> impl Strategy<Value = Code> {
    prop::sample::select(Code::ALL)
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(()).prop_map(|()| Answer::Routed(Ok(target()))),
        1 => code().prop_map(|code| Answer::Routed(Err(fail(code)))),
        4 => Just(()).prop_map(|()| Answer::Reserved(Ok(seat()))),
        1 => code().prop_map(|code| Answer::Reserved(Err(fail(code)))),
        4 => Just(()).prop_map(|()| Answer::Settled(claim())),
        1 => Just(()).prop_map(|()| Answer::InDoubt),
        3 => Just(()).prop_map(|()| Answer::Transferred(Ok(()))),
        3 => code().prop_map(|code| Answer::Transferred(Err(fail(code)))),
        1 => code().prop_map(|code| Answer::Fenced(fail(code))),
        1 => Just(()).prop_map(|()| Answer::Left),
        2 => Just(()).prop_map(|()| Answer::Tick),
    ]
}

proptest! {
    /// In whatever order answers come, and however late: one end, no more and no less, and the
    /// character is never kept here once the transfer has been done, nor while it may have been.
    #[test]
    fn a_warp_ends_once_and_never_in_two_places(
        answers in prop::collection::vec((answer(), 0_u64..1500), 0..40),
    ) {
        let mut now = Instant::now();
        let (mut handoff, _) = warp(now, vec![]);
        let (mut ends, mut begun) = (Vec::new(), false);
        let mut cancelled = 0;
        // Time passes by itself in the end, and whoever asked for a transfer hears something.
        let rest = (0..40).map(|_| (Answer::Transferred(Err(fail(Code::Unavailable))), 1000))
            .chain((0..3).map(|_| (Answer::Tick, 1000)));
        for (answer, pause) in answers.into_iter().chain(rest) {
            now += Duration::from_millis(pause);
            let asked = matches!(handoff.phase, Phase::Transferring(_));
            let refused = matches!(&answer, Answer::Transferred(Err(f)) if is_refusal(f));
            let done = matches!(&answer, Answer::Transferred(Ok(())));
            for step in handoff.handle(answer, now) {
                match step {
                    Step::Transfer { .. } => { prop_assert!(!begun); begun = true; }
                    Step::CancelSeat(_) => cancelled += 1,
                    Step::End(end) => {
                        let stays = matches!(end, End::Stays(_) | End::Released);
                        let over = matches!(end, End::HandedOver(_));
                        prop_assert!(!(stays && begun && !refused), "kept without a refusal");
                        prop_assert!(!(stays && done && asked), "kept although handed over");
                        prop_assert_eq!(over, asked && done, "handed over without a transfer");
                        ends.push(end);
                    }
                    _ => {}
                }
            }
        }
        prop_assert_eq!(ends.len(), 1, "{:?}", ends);
        prop_assert!(is_over(&handoff) && cancelled <= 1);
    }
}

//! Children that crash, hang or cost more, and whose commands are obeyed.

use std::time::Duration;

use protocol::{
    Code, Incarnation,
    backbone::{
        Life,
        desired::RestartPolicy,
        spawners::{ChildState, EndHungChild, StartChild},
    },
};

use super::{Story, stop, term};
use crate::nursery::{Effect, Event, Sign};

#[test]
fn a_child_that_crashes_too_often_is_held_until_it_is_cleared() {
    let mut story = Story::new();
    story.stand("town", 1).crash("s-town-1", 4);
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Waiting)]);
    story.crash("s-town-1", 1);
    let Some(Effect::Ended(end)) = story.effects.first() else { panic!("{:?}", story.effects) };
    assert!(end.held && end.restart_in_ms.is_none(), "{end:?}");
    assert_eq!((story.nursery.used(), story.nursery.next_deadline()), (1, None));
    assert_eq!(story.after(3600.0).launches(), []);
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Held)]);
    let refusal = story.start("town", Some(1), 8).refusal();
    assert!(refusal.message.contains("held") && refusal.message.contains("clear"), "{refusal}");

    story.clear("s-town-1", 9);
    assert_eq!(story.done(), [(9, Ok(()))]);
    assert_eq!(story.launches(), [("s-town-1".to_owned(), 1, 5)]);
    // Its counters are new: it may crash as often again, and waits no longer than at first.
    story.ended("s-town-1");
    assert!(matches!(story.ends().as_slice(), [(_, Some(100..=200))]), "{:?}", story.effects);
    story.crash("s-town-1", 3);
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Waiting)]);
}

#[test]
fn crashes_over_more_than_a_minute_hold_nobody() {
    let mut story = Story::new();
    story.stand("town", 1);
    for _ in 0..20 {
        story.ready("s-town-1", 1).after(15.0).ended("s-town-1").told("s-town-1").next();
        assert_eq!(story.launches().len(), 1);
    }
}

#[test]
fn a_cluster_that_is_away_holds_nobody() {
    let mut story = Story::new();
    story.nursery.limits.start_deadline = Duration::from_secs(1);
    story.stand("town", 1);
    for _ in 0..20 {
        story.next();
        assert_eq!(story.signals(), [term("s-town-1")]);
        story.ended("s-town-1");
        assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Waiting)]);
        story.next();
    }
}

#[test]
fn a_held_child_is_cleared_only_after_the_cluster_was_told_of_its_end() {
    let mut story = Story::new();
    story.stand("town", 1).crash("s-town-1", 4).next();
    story.ready("s-town-1", 1).ended("s-town-1");
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Held)]);
    assert_eq!(story.clear("s-town-1", 1).launches(), []);
    assert_eq!(story.told("s-town-1").launches().len(), 1);
}

#[test]
fn a_held_child_is_removed_by_a_stop_and_by_a_drain() {
    for drain in [false, true] {
        let mut story = Story::new();
        story.stand("town", 1).crash("s-town-1", 5);
        if drain {
            story.handle(Event::Drain { patience: Duration::from_secs(9) });
            assert!(story.nursery.is_drained());
        } else {
            assert_eq!(story.stop("s-town-1", 3).done(), [(3, Ok(()))]);
            assert_eq!(story.nursery.used(), 0);
        }
    }
}

#[test]
fn who_is_not_held_is_not_cleared() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1").clear("s-town-1", 1);
    let done = story.done();
    let [(1, Err(failure))] = done.as_slice() else { panic!("{done:?}") };
    assert_eq!(failure.code, Code::NotAllowed);
    assert!(failure.message.contains("ready"), "{failure}");
    assert!(matches!(story.clear("s-moon-1", 2).done().as_slice(),
        [(2, Err(failure))] if failure.code == Code::ServerUnknown));
}

#[test]
fn a_policy_is_that_of_the_order_and_holds_for_all_lives() {
    let mut story = Story::new();
    let restart = RestartPolicy { first_ms: 10, longest_ms: 15, crashes_a_minute: 3 };
    let order = StartChild {
        restart: Some(restart),
        capacity: Some(40),
        ..StartChild::new("town".parse().unwrap(), None)
    };
    story.handle(Event::Start { order, waiter: 1 }).ready("s-town-1", 1).ended("s-town-1");
    assert!(matches!(story.ends().as_slice(), [(_, Some(5..=10))]), "{:?}", story.effects);
    story.told("s-town-1").next();
    assert!(matches!(story.effects.as_slice(),
        [Effect::Launch(launch)] if launch.upkeep.capacity == Some(40)));
    story.ended("s-town-1");
    assert!(matches!(story.ends().as_slice(), [(_, Some(7..=15))]), "{:?}", story.effects);
    story.crash("s-town-1", 1);
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Held)]);
}

#[test]
fn a_child_takes_as_many_slots_as_it_costs() {
    let mut story = Story::new();
    let costing =
        |cost| StartChild { cost: Some(cost), ..StartChild::new("town".parse().unwrap(), None) };
    story.handle(Event::Start { order: costing(3), waiter: 1 });
    assert_eq!(story.nursery.used(), 3);
    let refusal = story.handle(Event::Start { order: costing(2), waiter: 2 }).refusal();
    assert_eq!(refusal.code, Code::NoSpawner);
    assert!(refusal.message.contains("1 of its 4 slots left"), "{refusal}");
    // Nothing is for nothing.
    story.handle(Event::Start { order: costing(0), waiter: 3 });
    assert_eq!(story.nursery.used(), 4);
    story.handle(Event::Start { order: costing(u32::MAX), waiter: 4 }).refusal();
    story.stop("s-town-1", 5).ended("s-town-1");
    assert_eq!(story.nursery.used(), 1);
}

#[test]
fn a_life_that_hangs_is_ended_and_returns_as_after_a_crash() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1");
    let order = EndHungChild { life: story.life("s-town-1"), epoch: None };
    story.handle(Event::Hung { order: order.clone(), waiter: 1 });
    assert_eq!((story.done(), story.signals()), (vec![(1, Ok(()))], vec![term("s-town-1")]));
    assert_eq!(story.next(), Duration::from_secs(1));
    assert_eq!(story.signals(), [("s-town-1".to_owned(), Sign::Kill)]);
    story.ended("s-town-1");
    let ends = story.ends();
    let [(how, Some(100..=200))] = ends.as_slice() else { panic!("{ends:?}") };
    assert_eq!(how, "hung: was ended by signal 9");
    assert!(matches!(story.effects.first(),
        Some(Effect::Leave(leave)) if leave.life == order.life));
    // Said again of the next life, it is of no concern to it.
    story.told("s-town-1").next();
    story.ready("s-town-1", 1).handle(Event::Hung { order, waiter: 2 });
    assert_eq!((story.done(), story.signals()), (vec![(2, Ok(()))], vec![]));
    let stranger = Life { server: "s-moon-1".parse().unwrap(), incarnation: Incarnation::new() };
    let order = EndHungChild { life: stranger, epoch: None };
    assert_eq!(story.handle(Event::Hung { order, waiter: 3 }).done(), [(3, Ok(()))]);
}

#[test]
fn a_child_that_hangs_again_and_again_is_held() {
    let mut story = Story::new();
    story.stand("town", 1);
    for _ in 0..5 {
        if story.launches().is_empty() {
            story.next();
        }
        story.ready("s-town-1", 1);
        let order = EndHungChild { life: story.life("s-town-1"), epoch: None };
        story.handle(Event::Hung { order, waiter: 1 }).ended("s-town-1").told("s-town-1");
    }
    assert_eq!(story.states(), [("s-town-1".to_owned(), ChildState::Held)]);
}

#[test]
fn commands_of_an_older_term_are_refused() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1").handle(Event::Term(4));
    let order = StartChild { epoch: Some(3), ..StartChild::new("town".parse().unwrap(), None) };
    assert_eq!(story.handle(Event::Start { order, waiter: 1 }).refusal().code, Code::Fenced);
    let fenced = |story: &Story| {
        matches!(story.done().as_slice(), [(_, Err(failure))] if failure.code == Code::Fenced)
            && story.signals().is_empty()
    };
    story.handle(Event::Stop { order: stop("s-town-1", Some(3)), waiter: 2 });
    assert!(fenced(&story), "{:?}", story.effects);
    let life = story.life("s-town-1");
    story.handle(Event::Hung { order: EndHungChild { life, epoch: Some(3) }, waiter: 3 });
    assert!(fenced(&story), "{:?}", story.effects);
    // A newer one is heard of by its command; people are obeyed at any time.
    let order = StartChild { epoch: Some(5), ..StartChild::new("town".parse().unwrap(), None) };
    assert_eq!(story.handle(Event::Start { order, waiter: 4 }).launches().len(), 1);
    story.handle(Event::Stop { order: stop("s-town-1", Some(4)), waiter: 5 });
    assert!(fenced(&story), "{:?}", story.effects);
    assert_eq!(story.stop("s-town-1", 6).signals(), [term("s-town-1")]);
}

#[test]
fn who_does_not_serve_is_pending() {
    let mut story = Story::new();
    story.with_ready("town", "s-town-1").with_ready("forest", "s-forest-1");
    assert_eq!(story.nursery.pending().count(), 0);
    story.find("town", 9).ended("s-town-1").stop("s-forest-1", 1);
    let pending: Vec<_> =
        story.nursery.pending().map(|p| (p.server.to_string(), p.state)).collect();
    assert_eq!(pending, story.states());
    let states: Vec<_> = pending.iter().map(|(_, state)| *state).collect();
    assert_eq!(states, [ChildState::Stopping, ChildState::Waiting, ChildState::Starting]);
}

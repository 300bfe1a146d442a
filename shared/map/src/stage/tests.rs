use super::*;

const DT: f32 = 0.05;

fn stage() -> Stage {
    let plan = MapPlan::parse(
        "test",
        "name = 'town'\nwidth = 40\nheight = 30\nspawn = { x = 20, y = 15 }\n\
         portals = [{ at = { x = 26, y = 15 }, radius = 1, to = 'forest', arrive = { x = 6, y = 10 } }]",
    );
    Stage::new(plan.unwrap())
}

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

/// Ticks until something other than a movement happens, for ten seconds of the world at most.
fn until_event(stage: &mut Stage) -> Option<Effect> {
    (0..200).flat_map(|_| stage.tick(DT)).find(|effect| !matches!(effect, Effect::Moved(_)))
}

#[test]
fn one_walks_five_tiles_a_second_in_a_straight_line_and_stops_there() {
    let mut stage = stage();
    let (id, _) = stage.enter("Ada", None);
    assert!(stage.walk(id, at(17.0, 11.0)));
    for _ in 0..10 {
        stage.tick(DT);
    }
    let half = stage.position(id).unwrap();
    assert!(half.distance(at(18.5, 13.0)) < 1e-3, "{half:?}");
    for _ in 0..11 {
        stage.tick(DT);
    }
    assert_eq!(stage.position(id), Some(at(17.0, 11.0)));
    assert_eq!(stage.tick(DT), [], "who stands does not move");
}

#[test]
fn nobody_leaves_the_map_whatever_is_asked_or_was_saved() {
    let mut stage = stage();
    let (id, _) = stage.enter("Ada", Some(at(-5.0, 1e9)));
    assert_eq!(stage.position(id), Some(at(0.0, 30.0)));
    let (lost, _) = stage.enter("Bob", Some(at(f32::NAN, 1.0)));
    assert_eq!(stage.position(lost), Some(at(20.0, 15.0)));
    assert!(!stage.walk(id, at(f32::NAN, 1.0)));
    for wild in [at(f32::INFINITY, f32::NEG_INFINITY), at(-1e30, 1e30)] {
        assert!(stage.walk(id, wild));
        for _ in 0..400 {
            stage.tick(DT);
        }
        let there = stage.position(id).unwrap();
        assert_eq!(there, stage.plan().nearest(wild));
    }
}

#[test]
fn a_portal_freezes_who_walks_in_and_takes_it_again_only_after_a_step_out() {
    let mut stage = stage();
    let (id, _) = stage.enter("Ada", None);
    stage.walk(id, at(26.0, 15.0));
    let passage = Passage { to: "forest".parse().unwrap(), arrive: at(6.0, 10.0) };
    assert_eq!(until_event(&mut stage), Some(Effect::AtPortal { entity: id, passage }));
    let there = stage.position(id);
    stage.walk(id, at(1.0, 1.0));
    assert_eq!((stage.tick(DT), stage.say(id, "hi".to_owned())), (vec![], None));

    stage.unfreeze(id);
    assert_eq!((stage.tick(DT), stage.position(id)), (vec![], there));
    stage.walk(id, at(26.0, 15.0));
    assert_eq!(until_event(&mut stage), None, "still within the radius");
    stage.walk(id, at(20.0, 15.0));
    assert_eq!(until_event(&mut stage), None);
    stage.walk(id, at(26.0, 15.0));
    assert!(matches!(until_event(&mut stage), Some(Effect::AtPortal { .. })));
}

#[test]
fn who_arrives_within_a_portal_is_not_taken_along() {
    let mut stage = stage();
    let (id, _) = stage.enter("Ada", Some(at(26.0, 15.0)));
    stage.walk(id, at(26.5, 15.0));
    assert_eq!(until_event(&mut stage), None);
}

#[test]
fn everybody_sees_everybody_but_not_itself_and_ids_are_not_used_again() {
    let mut stage = stage();
    let (ada, _) = stage.enter("Ada", None);
    let (bob, appeared) = stage.enter("Bob", Some(at(1.0, 1.0)));
    let sight = Sight {
        entity: bob,
        name: "Bob".to_owned(),
        look: "player".to_owned(),
        position: at(1.0, 1.0),
    };
    assert_eq!(appeared, [Effect::Appeared(sight.clone())]);
    assert_eq!(stage.in_sight(ada), [sight]);
    assert_eq!(stage.leave(bob), Some(Effect::Vanished(bob)));
    assert_eq!(stage.leave(bob), None);
    assert!(stage.in_sight(ada).is_empty());
    let (again, _) = stage.enter("Bob", None);
    assert_ne!(again, bob);
}

#[test]
fn the_same_inputs_give_the_same_effects() {
    let run = || {
        let mut stage = stage();
        let ids: Vec<_> = (0..9).map(|n| stage.enter(&format!("P{n}"), None).0).collect();
        for (n, id) in (0_u8..).zip(&ids) {
            stage.walk(*id, at(f32::from(n) * 5.0, 30.0 - f32::from(n)));
        }
        (0..100).flat_map(|_| stage.tick(DT)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

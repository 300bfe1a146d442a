use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use protocol::{Position, snapshot::Snapshot};

use super::*;
use crate::{
    Input, Stage,
    stage::tests::{Dig, plan},
};

/// A client that believes what it is told.
#[derive(Default)]
struct Client {
    sees: BTreeMap<EntityId, Position>,
    /// Whom snapshots have told of, seen or not.
    told_of: BTreeSet<EntityId>,
    own: Option<Position>,
    snapshots: u32,
    bytes: usize,
}

/// Clients, some of which cannot take a snapshot at times.
#[derive(Default)]
struct Clients {
    all: BTreeMap<EntityId, Client>,
    stuck: BTreeSet<EntityId>,
}

impl Outlets for Clients {
    fn show(&mut self, player: EntityId, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        if self.stuck.contains(&player) {
            return false;
        }
        let mut snapshot = Vec::new();
        if !write(&mut snapshot) {
            return true;
        }
        let client = self.all.get_mut(&player).unwrap();
        client.snapshots += 1;
        client.bytes += snapshot.len();
        for step in Snapshot::decode(&snapshot).unwrap().moves {
            client.told_of.insert(step.entity);
            if step.entity == player {
                client.own = Some(step.position);
            } else if let Some(seen) = client.sees.get_mut(&step.entity) {
                *seen = step.position;
            }
        }
        true
    }

    fn tell(&mut self, player: EntityId, message: PlayMessage) {
        let client = self.all.get_mut(&player).unwrap();
        match message {
            PlayMessage::Appeared { sights } => {
                client.sees.extend(sights.iter().map(|sight| (sight.entity, sight.position)));
            }
            PlayMessage::Vanished { entities } => {
                for entity in entities {
                    assert!(client.sees.remove(&entity).is_some(), "{entity} was not in sight");
                }
            }
            _ => {}
        }
    }
}

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

fn field(neighbours: u16) -> Stage<Dig> {
    let mut plan = MapPlan::field("field".parse().unwrap(), 80.0, 60.0);
    (plan.view, plan.neighbours) = (10.0, neighbours);
    Stage::open(Arc::new(plan), 3).unwrap()
}

fn join(stage: &mut Stage<Dig>, clients: &mut Clients, at: Position) -> EntityId {
    let player = stage.enter("P", Some(at), serde_json::Value::Null).unwrap();
    let sees = stage.look_on(player).into_iter().map(|sight| (sight.entity, sight.position));
    clients.all.insert(player, Client { sees: sees.collect(), own: Some(at), ..Client::default() });
    player
}

fn tick(stage: &mut Stage<Dig>, clients: &mut Clients) {
    stage.apply(&Input::Tick, &mut Vec::new());
    stage.show(clients);
}

fn walk(stage: &mut Stage<Dig>, player: EntityId, to: Position) {
    stage.apply(&Input::Walk { player, to, seq: 1 }, &mut Vec::new());
}

/// How far what a client was told may be from the truth, in tiles, on each axis.
fn is_about(told: Position, truth: Position, step: f32) -> bool {
    let near = |told: f32, truth: f32| (0.0..=step).contains(&(truth - told));
    near(told.x, truth.x) && near(told.y, truth.y)
}

#[derive(Debug, Clone)]
enum Act {
    Join(f32, f32),
    Leave(usize),
    Walk(usize, f32, f32),
    Stick(usize),
    Free(usize),
    Hurry(Pace),
    Ticks(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (x, y, who) = (|| 0.0_f32..80.0, || 0.0_f32..60.0, || 0..40_usize);
    let act = prop_oneof![
        3 => (x(), y()).prop_map(|(x, y)| Act::Join(x, y)),
        1 => who().prop_map(Act::Leave),
        4 => (who(), x(), y()).prop_map(|(who, x, y)| Act::Walk(who, x, y)),
        1 => who().prop_map(Act::Stick),
        1 => who().prop_map(Act::Free),
        1 => prop_oneof![Just(Pace::Full), Just(Pace::Eased), Just(Pace::Sparse)].prop_map(Act::Hurry),
        4 => (1..30_u8).prop_map(Act::Ticks),
    ];
    prop::collection::vec(act, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Once all stand still and read, everybody has been shown what is there: everybody near, at
    /// the place where it stands, no more than fit, and the nearest where not all do.
    #[test]
    fn what_is_shown_is_what_is_there(acts in acts(), neighbours in prop_oneof![Just(4_u16), Just(100)]) {
        let (mut stage, mut clients) = (field(neighbours), Clients::default());
        for act in acts {
            let nth = |who: usize| clients.all.keys().nth(who % clients.all.len().max(1)).copied();
            match act {
                Act::Join(x, y) => drop(join(&mut stage, &mut clients, at(x, y))),
                Act::Leave(who) => if let Some(player) = nth(who) {
                    stage.apply(&Input::Leave(player), &mut Vec::new());
                    clients.all.remove(&player);
                },
                Act::Walk(who, x, y) => if let Some(player) = nth(who) {
                    walk(&mut stage, player, at(x, y));
                },
                Act::Stick(who) => clients.stuck.extend(nth(who)),
                Act::Free(who) => if let Some(player) = nth(who) {
                    clients.stuck.remove(&player);
                },
                Act::Hurry(pace) => stage.set_pace(pace),
                Act::Ticks(ticks) => (0..ticks).for_each(|_| tick(&mut stage, &mut clients)),
            }
        }
        clients.stuck.clear();
        // Across the map at five tiles a second, and then a look around.
        (0..500).for_each(|_| tick(&mut stage, &mut clients));

        let step = snapshot::side_of(2) / 256.0;
        for (player, client) in &clients.all {
            let own = stage.entity(*player).unwrap().position();
            prop_assert!(is_about(client.own.unwrap(), own, step), "{own:?}, told {:?}", client.own);
            for (seen, told) in &client.sees {
                let truth = stage.entity(*seen).unwrap().position();
                prop_assert!(is_about(*told, truth, step), "{truth:?}, told {told:?}");
            }
            let others = stage.entities().filter(|other| other.id() != *player);
            let mut near: Vec<f32> = others.map(|other| other.position().distance(own)).collect();
            near.sort_by(f32::total_cmp);
            near.truncate(usize::from(neighbours));
            near.retain(|distance| *distance <= 10.0);
            let seen = client.sees.keys().map(|seen| stage.entity(*seen).unwrap().position());
            let mut seen: Vec<f32> = seen.map(|seen| seen.distance(own)).collect();
            seen.sort_by(f32::total_cmp);
            prop_assert!(seen.len() <= usize::from(neighbours));
            prop_assert!(seen.len() >= near.len(), "{near:?}, seen {seen:?}");
            for (near, seen) in near.iter().zip(&seen) {
                // Whoever is seen already counts as a little nearer.
                prop_assert!(*seen <= near / look::KEPT.sqrt() + 1e-3, "{near} is nearer than {seen}");
            }
        }
    }
}

#[test]
fn what_many_see_is_written_once() {
    let (mut stage, mut clients) = (field(100), Clients::default());
    let players: Vec<_> = (0..50_u16)
        .map(|n| join(&mut stage, &mut clients, at(40.0 + f32::from(n) * 0.02, 30.0)))
        .collect();
    (0..10).for_each(|_| tick(&mut stage, &mut clients));
    players.iter().for_each(|player| walk(&mut stage, *player, at(42.0, 33.0)));
    let before: usize = clients.all.values().map(|client| client.bytes).sum();
    tick(&mut stage, &mut clients);
    let told: usize = clients.all.values().map(|client| client.bytes).sum::<usize>() - before;
    let written = stage.viewers.shared_bytes();
    assert!(written > 0 && told > 30 * written, "{told} bytes were told, {written} written");
}

#[test]
fn what_is_near_is_shown_every_tick_and_what_is_far_less_often() {
    let (mut stage, mut clients) = (field(100), Clients::default());
    let viewer = join(&mut stage, &mut clients, at(41.0, 31.0));
    for (distance, least, most) in [(1.0_f32, 39, 40), (5.0, 19, 21), (11.0, 9, 11)] {
        let walker = join(&mut stage, &mut clients, at(41.0 + distance, 31.0));
        (0..10).for_each(|_| tick(&mut stage, &mut clients));
        let before = clients.all[&viewer].snapshots;
        for n in 0..40_u8 {
            // To and fro within a cell.
            let x = 41.0 + distance + if n % 2 == 0 { 0.2 } else { 0.0 };
            walk(&mut stage, walker, at(x, 31.0));
            tick(&mut stage, &mut clients);
        }
        let shown = clients.all[&viewer].snapshots - before;
        assert!((least..=most).contains(&shown), "{shown} at {distance}");
        stage.apply(&Input::Leave(walker), &mut Vec::new());
        clients.all.remove(&walker);
    }
}

#[test]
fn a_crowd_on_one_spot_is_shown_the_nearest_and_each_its_own_steps() {
    let (mut stage, mut clients) = (field(30), Clients::default());
    let players: Vec<_> = (0..300_u16)
        .map(|n| join(&mut stage, &mut clients, at(40.0 + f32::from(n % 20) * 0.05, 30.0)))
        .collect();
    (0..40).for_each(|_| tick(&mut stage, &mut clients));
    assert!(clients.all.values().all(|client| client.sees.len() == 30));
    let before = clients.all[&players[7]].snapshots;
    for n in 0..20_u8 {
        walk(&mut stage, players[7], at(40.0, 30.0 + f32::from(n % 2)));
        tick(&mut stage, &mut clients);
    }
    assert_eq!(clients.all[&players[7]].snapshots - before, 20);
}

/// Snapshots that each of two players is shown in 72 ticks, of whom the first takes a step every
/// `pause` ticks, and the other none.
fn shown_to_two(pace: Pace, pause: u32) -> [u32; 2] {
    let (mut stage, mut clients) = (field(100), Clients::default());
    let two = [at(41.0, 31.0), at(41.5, 31.0)].map(|at| join(&mut stage, &mut clients, at));
    // Somebody walks all the time, so that there is something to show.
    let walker = join(&mut stage, &mut clients, at(42.0, 31.0));
    stage.set_pace(pace);
    (0..20).for_each(|_| tick(&mut stage, &mut clients));
    let shown = |clients: &Clients| two.map(|player| clients.all[&player].snapshots);
    let before = shown(&clients);
    for n in 0..72_u32 {
        walk(&mut stage, walker, at(42.0, if n % 2 == 0 { 31.2 } else { 31.0 }));
        if n.is_multiple_of(pause) {
            let to = at(41.0, if n % (2 * pause) == 0 { 31.2 } else { 31.0 });
            stage.apply(&Input::Walk { player: two[0], to, seq: 1 + n }, &mut Vec::new());
        }
        tick(&mut stage, &mut clients);
        let is_told = stage.viewers.viewer(two[0]).is_some_and(|own| own.ack == own.told_ack);
        assert!(pace == Pace::Sparse || is_told, "a step is told of at once");
    }
    let after = shown(&clients);
    std::array::from_fn(|who| after[who] - before[who])
}

#[test]
fn where_there_is_too_much_to_do_players_are_shown_less_often_but_what_they_did_at_once() {
    assert_eq!(shown_to_two(Pace::Full, 2), [72, 72]);
    for (pause, doing) in [(1, 72), (2, 36), (3, 48)] {
        assert_eq!(shown_to_two(Pace::Eased, pause), [doing, 36], "a step every {pause} ticks");
    }
    assert_eq!(shown_to_two(Pace::Sparse, 1), [18, 18]);
}

#[test]
fn players_who_are_shown_something_less_often_take_turns() {
    let (mut stage, mut clients) = (field(100), Clients::default());
    let corner = |n: u16| at(40.0 + f32::from(n) * 0.02, 30.0);
    let players: Vec<_> = (0..50).map(|n| join(&mut stage, &mut clients, corner(n))).collect();
    for (pace, about) in [(Pace::Full, 50), (Pace::Eased, 25), (Pace::Sparse, 12)] {
        stage.set_pace(pace);
        for n in 0..12_u8 {
            let shown: u32 = clients.all.values().map(|client| client.snapshots).sum();
            walk(&mut stage, players[0], at(40.0, 31.0 - f32::from(n % 2)));
            tick(&mut stage, &mut clients);
            let shown = clients.all.values().map(|client| client.snapshots).sum::<u32>() - shown;
            assert!(shown.abs_diff(about) < 3, "{shown} in tick {n}, {pace:?}");
        }
    }
}

#[test]
fn who_looks_different_is_shown_to_those_who_see_it_and_who_is_gone_at_once() {
    let mut stage = Stage::<Dig>::open(Arc::new(plan()), 1).unwrap();
    let mut clients = Clients::default();
    let ada = join(&mut stage, &mut clients, at(20.0, 15.0));
    let bob = join(&mut stage, &mut clients, at(22.0, 15.0));
    tick(&mut stage, &mut clients);
    assert!(clients.all[&ada].sees.contains_key(&bob) && clients.all[&bob].sees.contains_key(&ada));
    stage.apply(&Input::Leave(bob), &mut Vec::new());
    clients.all.remove(&bob);
    tick(&mut stage, &mut clients);
    assert!(clients.all[&ada].sees.is_empty());
}

/// Whoever comes takes the seat of who left last. A player that knew that one, and has not looked
/// around since it walked out of sight, must not take one for the other.
#[test]
fn who_takes_the_seat_of_somebody_known_is_somebody_else() {
    for ticks in 0..LOOK {
        let (mut stage, mut clients) = (field(50), Clients::default());
        let viewer = join(&mut stage, &mut clients, at(41.0, 30.0));
        let known = join(&mut stage, &mut clients, at(55.9, 30.0));
        for _ in 0..LOOK + ticks {
            tick(&mut stage, &mut clients);
        }
        assert!(clients.all[&viewer].sees.contains_key(&known));
        walk(&mut stage, known, at(60.0, 30.0));
        tick(&mut stage, &mut clients);
        stage.leave(known).unwrap();
        let next = join(&mut stage, &mut clients, at(42.0, 30.0));
        tick(&mut stage, &mut clients);
        let sees: Vec<_> = clients.all[&viewer].sees.keys().copied().collect();
        assert_eq!(sees, [next], "{ticks} ticks later");
    }
}

/// As above, in a crowd, where snapshots tell of those who are known: not of who has the seat now, and
/// stands where nobody could see it.
#[test]
fn in_a_crowd_nobody_is_told_of_somebody_far_away_who_has_the_seat_of_who_left() {
    for ticks in 0..LOOK_CROWDED {
        let (mut stage, mut clients) = (field(2), Clients::default());
        let viewer = join(&mut stage, &mut clients, at(41.0, 30.0));
        let known = join(&mut stage, &mut clients, at(55.9, 30.0));
        for y in [22.0, 38.0] {
            join(&mut stage, &mut clients, at(55.0, y));
        }
        for _ in 0..LOOK_CROWDED + ticks {
            tick(&mut stage, &mut clients);
        }
        assert!(clients.all[&viewer].sees.contains_key(&known));
        walk(&mut stage, known, at(60.0, 30.0));
        tick(&mut stage, &mut clients);
        stage.leave(known).unwrap();
        let far = join(&mut stage, &mut clients, at(2.0, 2.0));
        for _ in 0..SHOW_CROWDED {
            tick(&mut stage, &mut clients);
        }
        assert!(!clients.all[&viewer].told_of.contains(&far), "{ticks} ticks later");
    }
}

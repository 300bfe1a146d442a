use proptest::prelude::*;
use protocol::{LedgerEntry, play::PlayMessage};
use serde_json::json;

use super::*;
use crate::{Scenario, recording};

/// A game in which a player digs, with chance and a memory of its own.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dig {
    pub(crate) log: Vec<String>,
    holes: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Dig,
    Save,
    Dash,
    Jump(f32, f32),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Digger {
    coins: u32,
}

impl World for Dig {
    type Config = Settings;
    type Input = Act;
    type Output = String;
    type Player = Digger;

    fn open(config: Settings, ctx: &mut Context<'_, Self>) -> Result<Self, PlaceError> {
        for _ in 0..config.rocks {
            let at = ctx.map().spawn;
            ctx.spawn("rock", "Rock", at);
        }
        for quarry in ctx.map().places_of("quarry") {
            for _ in 0..quarry.read::<Settings>()?.rocks {
                ctx.spawn("rock", &quarry.name, quarry.middle());
            }
        }
        Ok(Self { log: Vec::new(), holes: 0 })
    }

    fn tick(&mut self, ctx: &mut Context<'_, Self>) {
        use rand::RngExt;
        let (width, height) = (ctx.map().width, ctx.map().height);
        if ctx.rng().random_ratio(1, 20) {
            let to = Position {
                x: ctx.rng().random_range(0.0..width),
                y: ctx.rng().random_range(0.0..height),
            };
            let rocks: Vec<EntityId> =
                ctx.near(to, 20.0).filter(|near| !near.is_player()).map(Entity::id).collect();
            rocks.into_iter().for_each(|rock| ctx.walk(rock, to));
        }
    }

    fn input(&mut self, player: EntityId, input: Act, ctx: &mut Context<'_, Self>) {
        match input {
            Act::Dig => {
                self.holes += 1;
                let coins = ctx.player_mut(player).map(|digger| {
                    digger.coins += 1;
                    digger.coins
                });
                ctx.send(player, &format!("coin {}", coins.unwrap_or(0)));
            }
            Act::Save => {
                ctx.commit([player], |[digger]| {
                    digger.coins += 10;
                    Some(vec![(player, LedgerEntry::new("coins", 10, "saved"))])
                });
            }
            Act::Dash => ctx.set_speed(player, 20.0),
            Act::Jump(x, y) => ctx.place(player, Position { x, y }),
        }
    }

    fn admit(&self, name: &str, data: &Digger) -> Result<(), Failure> {
        let full = || Failure::new(Code::NotAllowed, format!("{name} is too rich; spend some"));
        if data.coins > 99 { Err(full()) } else { Ok(()) }
    }

    fn enter(&mut self, player: EntityId, _: &mut Context<'_, Self>) {
        self.log.push(format!("enter {player}"));
    }

    fn link_lost(&mut self, player: EntityId, _: &mut Context<'_, Self>) {
        self.log.push(format!("lost {player}"));
    }

    fn resumed(&mut self, player: EntityId, _: &mut Context<'_, Self>) {
        self.log.push(format!("back {player}"));
    }

    fn leave(&mut self, player: EntityId, ctx: &mut Context<'_, Self>) {
        let coins = ctx.player(player).map(|digger| digger.coins);
        self.log.push(format!("leave {player} {coins:?}"));
    }

    /// An instance takes along whoever else stands near.
    fn warp_out(
        &mut self,
        player: EntityId,
        portal: &crate::atlas::PortalPlan,
        ctx: &mut Context<'_, Self>,
    ) {
        self.log.push(format!("out {player}"));
        if portal.instance {
            let near = ctx.near(portal.at, 3.0).filter(|near| near.is_player());
            let party: Vec<EntityId> = near.map(Entity::id).collect();
            ctx.spawn_instance(&portal.to, &party);
        } else {
            ctx.warp(player, &portal.to, portal.arrive);
        }
    }

    fn committed(
        &mut self,
        commit: CommitId,
        result: Result<(), Failure>,
        ctx: &mut Context<'_, Self>,
    ) {
        let players: Vec<EntityId> = ctx.players().collect();
        for player in players {
            ctx.send(player, &format!("{commit:?} {}", result.is_ok()));
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Settings {
    #[serde(default)]
    rocks: u32,
}

fn at(x: f32, y: f32) -> Position {
    Position { x, y }
}

/// A field with a portal in the east and a wall in the north.
pub(crate) fn plan() -> MapPlan {
    let mut plan = MapPlan::field("town".parse().unwrap(), 40.0, 30.0);
    let portal = |x, to: &str, instance| crate::atlas::PortalPlan {
        at: at(x, 15.0),
        radius: 1.0,
        to: to.parse().unwrap(),
        arrive: Some(at(6.0, 10.0)),
        instance,
    };
    plan.portals = vec![portal(26.0, "forest", false), portal(10.0, "dungeon", true)];
    let ground = Arc::make_mut(&mut plan.ground);
    (0..40).for_each(|x| ground.block(x, 5));
    plan
}

fn town() -> Scenario<Dig> {
    Scenario::on(plan())
}

#[test]
fn one_walks_five_tiles_a_second_in_a_straight_line_and_stops_there() {
    let mut town = town();
    town.join("Ada").walk("Ada", 17.0, 11.0).tick(10);
    let half = town.entity("Ada").position();
    assert!(half.distance(at(18.5, 13.0)) < 1e-3, "{half:?}");
    town.tick(11);
    assert_eq!(town.entity("Ada").position(), at(17.0, 11.0));
    assert!(!town.entity("Ada").is_walking());
}

#[test]
fn nobody_leaves_the_map_or_walks_through_walls_whatever_is_asked_or_was_saved() {
    let mut town = town();
    town.join_as("Ada", at(-5.0, 1e9), &Digger::default());
    assert_eq!(town.entity("Ada").position(), at(0.0, 30.0));
    town.join_as("Bob", at(f32::NAN, 1.0), &Digger::default());
    assert_eq!(town.entity("Bob").position(), at(20.0, 15.0));
    town.walk("Bob", f32::NAN, 1.0).tick(3);
    assert_eq!(town.entity("Bob").position(), at(20.0, 15.0));
    for (x, y) in [(f32::INFINITY, f32::NEG_INFINITY), (-1e30, 1e30), (3.0, 0.0)] {
        town.walk("Bob", x, y).tick(400);
        let there = town.entity("Bob").position();
        assert!(there.y > 5.9 && town.stage().plan().ground.is_free(there), "{there:?}");
    }
    town.send("Bob", Act::Jump(3.0, 5.5));
    assert!(town.stage().plan().ground.is_free(town.entity("Bob").position()));
}

#[test]
fn a_portal_takes_along_who_walks_in_and_again_only_after_a_step_out() {
    let mut town = town();
    town.join("Ada").walk("Ada", 26.0, 15.0).tick(40);
    let ada = town.id("Ada");
    let warp = |effect: &Effect| matches!(effect, Effect::Warp { party, to, arrive: Some(_) } if *party == [ada] && to.as_str() == "forest");
    town.expect_effect("the warp", warp);
    let there = town.entity("Ada").position();
    town.walk("Ada", 1.0, 1.0).say("Ada", "hi").send("Ada", Act::Dig).tick(5);
    assert_eq!(town.entity("Ada").position(), there, "who is frozen does not move");
    assert_eq!(town.player("Ada").coins, 0, "nor act");

    town.happen(&Input::Stay(ada)).walk("Ada", 26.0, 15.0).tick(40);
    town.walk("Ada", 20.0, 15.0).tick(60);
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        town.expect_effect("a second warp", warp);
    }));
    assert!(asked.is_err(), "still within the radius, it asked again");
    town.walk("Ada", 26.0, 15.0).tick(60).expect_effect("the warp after a step out", warp);
}

#[test]
fn who_arrives_within_a_portal_is_not_taken_along_and_an_instance_is_asked_for_as_one() {
    let mut town = town();
    town.join_as("Ada", at(10.0, 15.0), &Digger::default());
    town.walk("Ada", 10.5, 15.0).tick(10).walk("Ada", 14.0, 15.0).tick(30);
    assert!(town.entity("Ada").position().x > 13.0);
    town.walk("Ada", 10.0, 15.0).tick(30).expect_effect("an instance", |effect| {
        matches!(effect, Effect::Instance { template, party, .. }
            if template.as_str() == "dungeon" && party.len() == 1)
    });
}

#[test]
fn who_was_taken_along_is_not_asked_for_again_in_the_same_tick() {
    let mut town = town();
    town.join_as("Ada", at(13.0, 15.0), &Digger::default());
    town.join_as("Bob", at(10.0, 12.0), &Digger::default());
    town.walk("Ada", 10.0, 15.0).walk("Bob", 10.0, 15.0).tick(30);
    assert_eq!(town.stage().world().log, ["enter 1", "enter 2", "out 1"]);
}

#[test]
fn who_is_near_hears_and_who_is_far_does_not() {
    let mut plan = plan();
    plan.view = 4.0;
    let mut town = Scenario::<Dig>::on(plan);
    town.join("Ada").join_as("Bob", at(22.0, 15.0), &Digger::default());
    town.join_as("Cy", at(30.0, 15.0), &Digger::default()).say("Ada", "hello");
    let said = |message: &PlayMessage| matches!(message, PlayMessage::Said { text, .. } if text == "hello");
    town.expect_message("Ada", "its own word", said).expect_message("Bob", "the word", said);
    let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        town.expect_message("Cy", "the word", said);
    }));
    assert!(heard.is_err());
}

#[test]
fn a_game_keeps_what_is_stored_and_is_told_of_what_comes_and_goes() {
    let mut town = town();
    town.join("Ada").send("Ada", Act::Dig).expect("Ada", &"coin 1".to_owned());
    town.send("Ada", Act::Save).tick(1).expect("Ada", &"CommitId(1) true".to_owned());
    assert_eq!(town.stage().stored(town.id("Ada")), Some(json!({"coins": 11})));
    town.leave("Ada").join_as("Ada", at(1.0, 10.0), &Digger { coins: 7 });
    town.send("Ada", Act::Dig).expect("Ada", &"coin 8".to_owned());
    assert_eq!(town.stage().world().log, ["enter 1", "leave 1 Some(11)", "enter 2"]);
    let refused = town.try_join("Eve", None, &Digger { coins: 100 }).unwrap_err();
    assert_eq!(refused.code, Code::NotAllowed);
}

#[test]
fn what_is_committed_is_of_all_or_of_nobody_and_until_then_as_it_was() {
    let mut town = town();
    town.join("Ada").send("Ada", Act::Dig).send("Ada", Act::Save).send("Ada", Act::Save);
    town.send("Ada", Act::Dig).expect("Ada", &"coin 0".to_owned());
    assert_eq!(town.player("Ada").coins, 1, "neither the commit nor what came after it");
    let failure = Failure::new(Code::Unavailable, "SQL is away");
    town.happen(&Input::Committed(CommitId(1), Err(failure)));
    assert_eq!(town.player("Ada").coins, 1);
    town.send("Ada", Act::Dig).expect("Ada", &"coin 2".to_owned());
    town.send("Ada", Act::Save).tick(1);
    assert_eq!(town.player("Ada").coins, 12, "the second was refused as long as the first went on");
}

#[test]
fn who_loses_its_connection_stands_still_and_is_seen_and_goes_on_when_it_is_back() {
    let mut town = town();
    town.join("Ada").join("Bob").walk("Ada", 17.0, 11.0).tick(10);
    let there = town.entity("Ada").position();
    town.happen(&Input::LinkLost(town.id("Ada"))).tick(40);
    assert_eq!(town.entity("Ada").position(), there);
    assert!(town.sees("Bob", "Ada"));
    town.happen(&Input::Resumed(town.id("Ada"))).walk("Ada", 17.0, 11.0).tick(40);
    assert_eq!(town.entity("Ada").position(), at(17.0, 11.0));
    assert_eq!(town.stage().world().log, ["enter 1", "enter 2", "lost 1", "back 1"]);
}

#[test]
fn who_looks_away_is_shown_nothing() {
    struct Nobody;
    impl Outlets for Nobody {
        fn show(&mut self, player: EntityId, _: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
            panic!("{player} is shown something")
        }
        fn tell(&mut self, player: EntityId, message: PlayMessage) {
            panic!("{player} is told {message:?}")
        }
    }
    let mut stage = Stage::<Dig>::open(Arc::new(plan()), 1).unwrap();
    let ada = stage.enter("Ada", None, Value::Null).unwrap();
    stage.look_on(ada);
    stage.look_away(ada);
    stage.enter("Bob", None, Value::Null).unwrap();
    stage.apply(&Input::Tick, &mut Vec::new());
    stage.show(&mut Nobody);
}

#[test]
fn what_is_not_this_games_is_refused_and_said_so() {
    let mut town = town();
    town.join("Ada").send("Ada", json!({"fly": 3}));
    town.expect_message("Ada", "a refusal", |message| {
        matches!(message, PlayMessage::Refused { failure } if failure.message.contains("fly"))
    });
    let mut stage = Stage::<Dig>::open(Arc::new(plan()), 1).unwrap();
    let failure = stage.enter("Eve", None, json!("a string")).unwrap_err();
    assert!(failure.message.contains("what is stored of Eve"), "{failure}");
    let mut plan = plan();
    plan.properties.insert("rocks".to_owned(), json!("many"));
    let error = Stage::<Dig>::open(Arc::new(plan), 1).unwrap_err().to_string();
    assert!(error.contains("map `town`") && error.contains("many"), "{error}");
}

#[test]
fn a_game_reads_places_and_what_it_cannot_read_is_told_with_the_place() {
    let quarry = |rocks| crate::atlas::Place {
        name: "Old pit".to_owned(),
        kind: "quarry".to_owned(),
        at: at(10.0, 10.0),
        size: (4.0, 2.0),
        properties: [("rocks".to_owned(), rocks), ("depth".to_owned(), json!(3))]
            .into_iter()
            .collect(),
    };
    let stage = |rocks| {
        let mut plan = plan();
        plan.places =
            vec![quarry(rocks), crate::atlas::Place { kind: "den".into(), ..quarry(json!(9)) }];
        Stage::<Dig>::open(Arc::new(plan), 1)
    };
    let stood: Vec<_> = stage(json!(2)).unwrap().entities().map(Entity::position).collect();
    assert_eq!(stood, [at(12.0, 11.0); 2]);
    let error = stage(json!("many")).unwrap_err().to_string();
    assert!(error.starts_with("map `town`, place `Old pit` of class `quarry`: "), "{error}");
}

#[test]
fn inputs_are_acknowledged_in_the_next_snapshot() {
    let mut town = town();
    town.join("Ada").walk("Ada", 3.0, 20.0).walk("Ada", 4.0, 20.0).tick(1);
    assert_eq!(town.acknowledged("Ada"), 2);
    town.walk("Ada", 4.0, 20.0).tick(200).send("Ada", Act::Dig).tick(1);
    assert_eq!(town.acknowledged("Ada"), 4, "who stands is told too");
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let player = || (1..12_u32).prop_map(EntityId);
    let point = || (0.0_f32..40.0, 0.0_f32..30.0).prop_map(|(x, y)| at(x, y));
    let action =
        prop::sample::select(["dig", "save", "dash", "nonsense"].map(|it| json!(it)).to_vec());
    let commit = (1..9_u64, any::<bool>()).prop_map(|(id, is_done)| {
        let failure = || Failure::new(Code::Fenced, "as it is");
        Input::Committed(CommitId(id), is_done.then_some(()).ok_or_else(failure))
    });
    let input = prop_oneof![
        4 => Just(Input::Tick),
        1 => point().prop_map(|at| Input::Enter { name: "P".to_owned(), at: Some(at), data: Value::Null }),
        2 => (player(), point()).prop_map(|(player, to)| Input::Walk { player, to, seq: 1 }),
        1 => (player(), action).prop_map(|(player, action)| Input::Act { player, action, seq: 2 }),
        1 => player().prop_map(Input::Leave),
        1 => player().prop_map(Input::Stay),
        1 => commit,
        1 => player().prop_map(Input::LinkLost),
        1 => player().prop_map(Input::Resumed),
    ];
    prop::collection::vec(input, 1..300)
}

fn rocky() -> Stage<Dig> {
    let mut plan = plan();
    plan.properties.insert("rocks".to_owned(), json!(20));
    Stage::open(Arc::new(plan), 7).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A state that was written and read goes on exactly as the one it was taken from.
    #[test]
    fn the_same_inputs_give_the_same_effects_and_states(inputs in inputs(), cut in 0..300_usize) {
        let mut stage = rocky();
        let (mut again, mut effects) = (None::<Stage<Dig>>, (Vec::new(), Vec::new()));
        for (number, input) in inputs.iter().enumerate() {
            if number == cut.min(inputs.len() / 2) {
                let state = stage.state().unwrap();
                again = Some(Stage::restore(Arc::new(stage.plan().clone()), &state).unwrap());
                effects.0.clear();
            }
            stage.apply(input, &mut effects.0);
            if let Some(again) = &mut again {
                again.apply(input, &mut effects.1);
                prop_assert_eq!(recording::hash(&stage).unwrap(), recording::hash(again).unwrap());
            }
        }
        prop_assert_eq!(&effects.0, &effects.1);
    }

    /// A recording runs again to the same states, may end anywhere, and tells where it differs.
    #[test]
    fn a_recording_runs_again(inputs in inputs(), cut in 0..3_usize) {
        use recording::Entry;

        let mut stage = rocky();
        let mut bytes = recording::header(&stage, "test").unwrap();
        for input in &inputs {
            stage.apply(input, &mut Vec::new());
            recording::put(&mut bytes, Entry::Input(input)).unwrap();
            if *input == Input::Tick {
                let hash = recording::hash(&stage).unwrap();
                recording::put(&mut bytes, Entry::Hash(hash)).unwrap();
            }
        }
        let run = |bytes: &[u8]| {
            let mut bytes = bytes;
            let header = recording::read_header(&mut bytes).unwrap();
            recording::replay::<Dig>(Arc::new(stage.plan().clone()), &header, &mut bytes).unwrap()
        };
        let replayed = run(&bytes);
        prop_assert_eq!((replayed.ticks, replayed.differs), (stage.tick(), None));
        prop_assert_eq!(replayed.compared, stage.tick());
        prop_assert!(!replayed.is_cut);
        prop_assert_eq!(run(&bytes[..bytes.len() - cut]).is_cut, cut > 0);
    }
}

#[test]
fn a_replay_tells_the_first_tick_that_differs() {
    use recording::Entry;

    let stage = rocky();
    let mut bytes = recording::header(&stage, "test").unwrap();
    for hash in [None, Some(1), Some(2)] {
        recording::put(&mut bytes, Entry::Input(&Input::Tick)).unwrap();
        if let Some(hash) = hash {
            recording::put(&mut bytes, Entry::Hash(hash)).unwrap();
        }
    }
    let mut from = &bytes[..];
    let header = recording::read_header(&mut from).unwrap();
    let replayed = recording::replay::<Dig>(Arc::new(stage.plan().clone()), &header, &mut from);
    assert_eq!(replayed.unwrap().differs, Some(2));
    for nonsense in [&b""[..], b"\x02hi", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff"] {
        assert!(recording::read_header(&mut &nonsense[..]).is_err());
    }
}

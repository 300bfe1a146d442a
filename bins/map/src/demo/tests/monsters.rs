use super::*;

/// A wolf at home at 10, 10, far from where one comes in.
fn den() -> MapPlan {
    let den = json!({ "monsters": 1, "look": "wolf", "strange": true });
    field([place("den", at(10.0, 10.0), (0.0, 0.0), den)])
}

fn wolf(field: &Scenario<Demo>) -> Position {
    looks(field, "wolf").next().unwrap().position()
}

fn is_hunting(field: &Scenario<Demo>) -> bool {
    let world = serde_json::to_value(field.stage().world()).unwrap();
    world["monsters"].as_array().unwrap().iter().any(|monster| !monster["prey"].is_null())
}

fn stays_calm(field: &mut Scenario<Demo>) {
    for _ in 0..30 * SECOND {
        assert!(!is_hunting(field.tick(1)), "it hunts at {:?}", wolf(field));
    }
}

#[test]
fn it_roams_near_its_den_slowly() {
    let mut field = Scenario::<Demo>::on(den());
    let mut ways = 0.0;
    for _ in 0..60 * SECOND {
        let before = wolf(&field);
        let step = wolf(field.tick(1)).distance(before);
        assert!(step <= 0.11, "{step} tiles in a tick");
        assert!(wolf(&field).distance(at(10.0, 10.0)) < 4.5);
        ways += step;
    }
    assert!(ways > 10.0, "it went {ways} tiles in a minute");
}

#[test]
fn it_catches_who_stands_and_takes_three_coins_and_lets_go() {
    let mut field = Scenario::<Demo>::on(den());
    field.join_as("Ada", at(10.0, 15.0), &rich(5));
    field.tick_until("a hunt", |field| field.player("Ada").coins < 5);
    field.expect("Ada", &Output::Caught { lost: 3, total: 2 }).tick(5 * SECOND);
    assert_eq!(field.player("Ada").coins, 2, "it rests");
    field.tick_until("another hunt", |field| field.player("Ada").coins == 0);
    field.expect("Ada", &Output::Caught { lost: 2, total: 0 });
}

#[test]
fn a_pack_takes_no_more_than_one() {
    let mut plan = den();
    plan.places[0].properties.insert("monsters".to_owned(), json!(5));
    let mut field = Scenario::<Demo>::on(plan);
    field.join_as("Ada", at(10.0, 14.0), &rich(50));
    field.tick_until("a hunt", |field| field.player("Ada").coins < 50).tick(3 * SECOND);
    assert!(field.player("Ada").coins >= 44, "{:?}", field.player("Ada"));
}

#[test]
fn it_gives_chase_around_a_wall() {
    let mut plan = den();
    let ground = Arc::make_mut(&mut plan.ground);
    (0..20).for_each(|y| ground.block(12, y));
    let mut field = Scenario::<Demo>::on(plan);
    field.join_as("Ada", at(14.0, 10.0), &rich(5));
    stays_calm(&mut field);
    field.join_as("Bob", at(11.0, 15.0), &rich(5)).tick_until("a hunt", is_hunting);
    let bob = |field: &Scenario<Demo>| field.entity("Bob").position();
    let mut follows_unseen = false;
    for (x, y) in [(11.5, 21.0), (13.5, 20.5), (13.5, 12.0)] {
        field.walk("Bob", x, y);
        while field.tick(1).entity("Bob").is_walking() {
            let sees = field.stage().plan().ground.line_is_free(wolf(&field), bob(&field));
            follows_unseen |= is_hunting(&field) && !sees;
        }
    }
    assert!(follows_unseen);
    field.tick_until("the end", |field| field.player("Bob").coins < 5);
    assert!(wolf(&field).x > 13.0);
}

#[test]
fn it_gives_up_far_from_home_and_goes_back() {
    let mut field = Scenario::<Demo>::on(den());
    field.join_as("Ada", at(14.0, 10.0), &rich(5)).tick_until("a hunt", is_hunting);
    field.walk("Ada", 40.0, 10.0).tick_until("an end", |field| !is_hunting(field));
    assert_eq!(field.player("Ada").coins, 5, "who runs gets away");
    assert!(field.entity("Ada").position().x > 24.0);
    assert!(wolf(&field).x > 14.0);
    field.tick_until("the way home", |field| wolf(field).distance(at(10.0, 10.0)) < 4.5);
}

#[test]
fn nobody_is_hunted_near_a_spawn_point_or_on_the_way_to_another_map() {
    let mut plan = den();
    plan.spawns[0].at = at(14.0, 10.0);
    let mut field = Scenario::<Demo>::on(plan);
    field.join_as("Ada", at(14.0, 10.0), &rich(5));
    stays_calm(&mut field);
    let mut plan = den();
    plan.portals.push(portal(at(13.0, 10.0), false));
    let mut field = Scenario::<Demo>::on(plan);
    field.join_as("Ada", at(16.0, 13.0), &rich(5)).walk("Ada", 13.0, 10.0);
    field.tick_until("a warp", |field| field.entity("Ada").is_frozen()).tick(10);
    stays_calm(&mut field);
    assert_eq!(field.player("Ada").coins, 5);
}

#[test]
fn the_map_says_how_fast_and_a_den_that_says_nonsense_is_named() {
    let mut plan = den();
    plan.properties.insert("monster_speed".to_owned(), json!(0.0));
    plan.properties.insert("view".to_owned(), json!(12.0));
    let mut field = Scenario::<Demo>::on(plan);
    field.join_as("Ada", at(10.0, 15.0), &rich(5)).tick(20 * SECOND);
    assert_eq!((wolf(&field), field.player("Ada").coins), (at(10.0, 10.0), 5));
    let mut plan = den();
    plan.places[0].properties.insert("monsters".to_owned(), json!("many"));
    let error = Stage::<Demo>::open(Arc::new(plan), 1).unwrap_err().to_string();
    assert!(error.contains("place `den` of class `den`") && error.contains("many"), "{error}");
}

use super::*;

fn heap(count: u16) -> Scenario<Demo> {
    let coins = place("coins", at(10.0, 10.0), (8.0, 4.0), json!({ "count": count }));
    let mut field = Scenario::on(field([coins]));
    field.tick(1);
    field
}

fn step_on(field: &mut Scenario<Demo>, name: &str) {
    let Position { x, y } = looks(field, "coin").next().unwrap().position();
    field.walk(name, x, y);
}

#[test]
fn a_coin_is_taken_once_counted_and_kept() {
    let mut field = heap(1);
    field.join("Ada").tick(1).expect("Ada", &Output::Coins { total: 0 });
    step_on(&mut field, "Ada");
    field.tick_until("a coin", |field| looks(field, "coin").next().is_none());
    field.expect("Ada", &Output::Coins { total: 1 }).tick(5 * SECOND);
    assert_eq!(field.player("Ada").coins, 1);
    let stored = field.stage().stored(field.id("Ada")).unwrap();
    assert_eq!(stored["coins"], 1);
}

#[test]
fn two_who_walk_over_one_coin_do_not_both_have_it() {
    let mut field = heap(1);
    for name in ["Ada", "Bob"] {
        field.join(name);
        step_on(&mut field, name);
    }
    field.tick_until("a coin", |field| looks(field, "coin").next().is_none()).tick(5);
    assert_eq!(field.player("Ada").coins + field.player("Bob").coins, 1);
}

#[test]
fn another_coin_lies_in_the_area_after_a_while() {
    let mut field = heap(3);
    field.join_as("Ada", at(5.0, 12.0), &Player::default());
    step_on(&mut field, "Ada");
    field.tick_until("a coin", |field| looks(field, "coin").count() < 3);
    let left = looks(&field, "coin").count();
    field.walk("Ada", 1.0, 1.0).tick(18 * SECOND);
    assert_eq!(looks(&field, "coin").count(), left, "too early");
    field.tick(3 * SECOND);
    assert_eq!(looks(&field, "coin").count(), 3);
    for coin in looks(&field, "coin") {
        let Position { x, y } = coin.position();
        assert!((10.0..=18.0).contains(&x) && (10.0..=14.0).contains(&y), "{x}, {y}");
    }
}

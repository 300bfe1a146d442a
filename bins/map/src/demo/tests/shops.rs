use super::*;

fn market() -> Scenario<Demo> {
    let goods = json!({ "goods": "herbs", "price": 5, "stock": 2, "restock_seconds": 60 });
    Scenario::on(field([place("shop", at(30.0, 30.0), (0.0, 0.0), goods)]))
}

fn buy() -> Value {
    json!({ "type": "buy" })
}

fn not_bought(why: &str) -> Output {
    Output::NotBought { why: why.to_owned() }
}

#[test]
fn what_is_bought_is_worn_and_told_of_once_it_is_stored() {
    let mut market = market();
    market.join_as("Ada", at(31.0, 30.0), &rich(7)).join("Bob").send("Ada", buy());
    assert_eq!(market.player("Ada").coins, 7, "it is not stored yet");
    assert_eq!(market.entity("Ada").look(), "player");
    let busy = not_bought("you are at another deal, or leaving");
    market.send("Ada", buy()).expect("Ada", &busy);
    market.tick(1).expect("Ada", &Output::Bought { total: 2 });
    let is_dressed = |market: &Scenario<Demo>| {
        market.in_sight("Bob").any(|sight| sight.name == "Ada" && sight.look == "player-herbs")
    };
    market.tick(1).expect_message(
        "Bob",
        "praise",
        |message| matches!(message, PlayMessage::Said { name, .. } if name == "shop"),
    );
    assert!(is_dressed(&market));
    let stored = market.player("Ada").clone();
    market.leave("Ada").join_as("Ada", at(31.0, 30.0), &stored).tick(1);
    assert!(is_dressed(&market), "it is still worn the next time");
}

#[test]
fn nobody_buys_from_afar_or_with_too_few_coins() {
    let mut market = market();
    market.join_as("Ada", at(31.0, 30.0), &rich(4)).send("Ada", buy());
    market.expect("Ada", &not_bought("you have too few coins"));
    market.join_as("Bob", at(30.0, 33.1), &rich(50)).send("Bob", buy());
    market.expect("Bob", &not_bought("there is no shop near")).tick(2);
    assert_eq!((market.player("Ada").coins, market.player("Bob").coins), (4, 50));
    assert!(looks(&market, "player-herbs").next().is_none());
}

#[test]
fn what_cannot_be_stored_is_not_bought_and_may_be_tried_again() {
    let mut market = market();
    market.join_as("Ada", at(31.0, 30.0), &rich(7)).send("Ada", buy());
    let failure = Failure::new(Code::Unavailable, "SQL is away");
    market.happen(&Happening::Committed(CommitId(1), Err(failure)));
    market.expect("Ada", &not_bought("SQL is away"));
    assert_eq!((market.player("Ada").coins, market.entity("Ada").look()), (7, "player"));
    assert_eq!(market.player("Ada").wears, None);
    market.send("Ada", buy()).tick(2).expect("Ada", &Output::Bought { total: 2 });
}

#[test]
fn what_is_sold_out_comes_in_again() {
    let mut market = market();
    for buyer in ["Ada", "Bob", "Cy"] {
        market.join_as(buyer, at(31.0, 30.0), &rich(5)).send(buyer, buy()).tick(1);
    }
    market.expect("Cy", &not_bought("it is sold out; come back later"));
    assert_eq!(market.player("Cy").coins, 5);
    market.tick(20 * 60).send("Cy", buy()).tick(1).expect("Cy", &Output::Bought { total: 0 });
}

#[test]
fn what_older_games_stored_can_be_played() {
    let old = [Value::Null, json!({}), json!({ "coins": 3, "hp": 9 })];
    let stage = || Stage::<Demo>::open(Arc::new(field([])), 1).unwrap();
    let coins = old.map(|old| {
        let mut stage = stage();
        let player = stage.enter("Ada", None, old).unwrap();
        stage.player(player).unwrap().coins
    });
    assert_eq!(coins, [0, 0, 3]);
}

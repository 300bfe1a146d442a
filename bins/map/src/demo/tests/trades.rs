use super::*;

/// Ada has coins, Bob wears herbs, and both stand together.
fn two() -> Scenario<Demo> {
    let mut two = Scenario::on(field([]));
    let bob = Player { coins: 1, wears: Some("herbs".to_owned()), ..Player::default() };
    two.join_as("Ada", at(30.0, 30.0), &rich(7)).join_as("Bob", at(31.0, 30.0), &bob);
    two
}

fn offer(two: &Scenario<Demo>, coins: u32, goods: Option<&str>) -> Value {
    json!({ "type": "offer", "to": two.id("Bob"), "coins": coins, "goods": goods })
}

fn accept(two: &Scenario<Demo>, from: &str) -> Value {
    json!({ "type": "accept", "from": two.id(from) })
}

fn not_traded(why: &str) -> Output {
    Output::NotTraded { why: why.to_owned() }
}

#[test]
fn coins_and_goods_change_hands_once_both_are_stored() {
    let mut two = two();
    let (offered, accepted) = (offer(&two, 4, Some("herbs")), accept(&two, "Ada"));
    two.send("Ada", offered);
    let (from, goods) = (two.id("Ada"), Some("herbs".to_owned()));
    two.expect("Bob", &Output::Offered { from, coins: 4, goods });
    two.send("Bob", accepted);
    assert_eq!((two.player("Ada").coins, two.player("Bob").coins), (7, 1), "not stored yet");
    two.tick(1).expect("Ada", &Output::Traded { total: 3 });
    two.expect("Bob", &Output::Traded { total: 5 });
    assert_eq!(two.player("Ada").wears.as_deref(), Some("herbs"));
    assert_eq!((two.entity("Ada").look(), two.entity("Bob").look()), ("player-herbs", "player"));
    let again = accept(&two, "Ada");
    two.send("Bob", again).expect("Bob", &not_traded("nothing is offered to you"));
}

#[test]
fn nobody_trades_what_it_has_not_got_or_from_afar() {
    let mut two = two();
    for (coins, goods) in [(8, None), (1, Some("lamp"))] {
        let (offered, accepted) = (offer(&two, coins, goods), accept(&two, "Ada"));
        two.send("Ada", offered).send("Bob", accepted);
        two.expect("Bob", &not_traded("one of you has not got it, or is busy"));
    }
    let (to_bob, accepted) = (offer(&two, 1, None), accept(&two, "Ada"));
    two.join_as("Cy", at(30.0, 30.0), &rich(0)).send("Ada", to_bob).send("Cy", accepted.clone());
    two.expect("Cy", &not_traded("nothing is offered to you"));
    two.walk("Bob", 38.0, 30.0).tick(30).send("Bob", accepted);
    two.expect("Bob", &not_traded("you stand too far apart"));
    assert_eq!((two.player("Ada").coins, two.player("Bob").coins), (7, 1));
}

#[test]
fn a_trade_that_cannot_be_stored_leaves_both_what_they_had() {
    let mut two = two();
    let (offered, accepted) = (offer(&two, 4, Some("herbs")), accept(&two, "Ada"));
    two.send("Ada", offered).send("Bob", accepted);
    let failure = Failure::new(Code::Unavailable, "SQL is away");
    two.happen(&Happening::Committed(CommitId(1), Err(failure)));
    two.expect("Ada", &not_traded("SQL is away")).expect("Bob", &not_traded("SQL is away"));
    assert_eq!((two.player("Ada").coins, two.player("Bob").coins), (7, 1));
    assert_eq!(two.player("Bob").wears.as_deref(), Some("herbs"));
}

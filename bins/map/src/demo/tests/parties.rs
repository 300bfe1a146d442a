use super::*;

fn forest() -> Scenario<Demo> {
    let mut plan = field([]);
    plan.portals = vec![portal(at(40.0, 32.0), true), portal(at(20.0, 32.0), false)];
    let mut forest = Scenario::on(plan);
    for (name, x) in [("Ada", 37.0), ("Bob", 35.0), ("Cy", 25.0), ("Eve", 36.0)] {
        forest.join_as(name, at(x, 32.0), &Player::default());
    }
    forest
}

fn agree(word: &str) -> Value {
    json!({ "type": "party", "word": word })
}

fn goes(forest: &mut Scenario<Demo>, wanted: &[&str]) {
    let mut wanted: Vec<EntityId> = wanted.iter().map(|name| forest.id(name)).collect();
    wanted.sort_unstable();
    forest.expect_effect("an instance for the party", |effect| {
        let Effect::Instance { template, party } = effect else { return false };
        let mut party = party.clone();
        party.sort_unstable();
        template.as_str() == "dungeon" && party == wanted
    });
}

#[test]
fn who_is_near_goes_along_into_one_dungeon_and_who_is_far_does_not() {
    let mut forest = forest();
    forest.send("Ada", agree("owls")).send("Bob", agree("owls")).send("Cy", agree("owls"));
    let members = vec!["Bob".to_owned(), "Ada".to_owned()];
    forest.expect("Ada", &Output::Party { members });
    forest.send("Eve", agree("eels")).walk("Ada", 40.0, 32.0).tick(SECOND);
    goes(&mut forest, &["Ada", "Bob"]);
    assert!(forest.entity("Bob").is_frozen());
    assert!(!forest.entity("Cy").is_frozen() && !forest.entity("Eve").is_frozen());
}

#[test]
fn those_who_step_in_together_get_one_dungeon_between_them() {
    let mut forest = forest();
    for name in ["Ada", "Bob", "Eve"] {
        forest.send(name, agree("owls")).walk(name, 41.0, 31.0);
    }
    forest.tick(2 * SECOND);
    goes(&mut forest, &["Ada", "Bob", "Eve"]);
    forest.walk("Cy", 40.0, 32.0).tick(4 * SECOND);
    goes(&mut forest, &["Cy"]);
}

#[test]
fn alone_or_after_a_parting_one_goes_alone_and_other_portals_take_the_party_too() {
    let mut forest = forest();
    forest.send("Ada", agree("owls")).send("Bob", agree("owls"));
    forest.send("Bob", json!({ "type": "party" }));
    let members = vec!["Bob".to_owned()];
    forest.expect("Bob", &Output::Party { members }).walk("Ada", 40.0, 32.0).tick(SECOND);
    goes(&mut forest, &["Ada"]);
    forest.send("Cy", agree("owls")).send("Eve", agree("owls")).walk("Eve", 24.0, 32.0);
    forest.tick(3 * SECOND).walk("Cy", 20.0, 32.0).tick(2 * SECOND);
    let both = [forest.id("Cy"), forest.id("Eve")];
    forest.expect_effect(
        "a warp",
        |effect| matches!(effect, Effect::Warp { party, .. } if *party == both),
    );
}

#[test]
fn a_word_that_is_none_is_refused() {
    let mut forest = forest();
    for word in ["", "a\nb", &"x".repeat(256)] {
        forest.send("Ada", agree(word)).expect_message("Ada", "a refusal", |message| {
            matches!(message, PlayMessage::Refused { failure } if failure.code == Code::TextInvalid)
        });
    }
    assert_eq!(forest.player("Ada").party, None);
}

//! Names, passwords and words that cannot be: each is refused with the rule, and nothing else
//! changes.

use client::{Client, ClientError, ClientEvent, Events};
use harness::{Rig, SOON, player::PASSWORD};
use protocol::{
    CharacterId, Code,
    names::{ACCOUNT_RULE, CHARACTER_RULE, PASSWORD_RULE, TEXT_RULE},
};
use tokio::task::JoinSet;

async fn guest(rig: &Rig) -> (Client, Events) {
    let (client, events) = rig.client();
    client.connect().await.unwrap();
    (client, events)
}

/// The call was refused with this code, and with words that say the rule.
fn refused<T: std::fmt::Debug>(outcome: Result<T, ClientError>, code: Code, rule: &str) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, ClientError::Failed(_)), "{error:?}");
    assert_eq!(error.code(), Some(code), "{error}");
    assert!(error.to_string().contains(rule), "{error}");
}

/// Exactly one of these won, and all others were refused with this code.
fn one_won<T>(outcomes: &[Result<T, ClientError>], code: Code) {
    let lost = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()?.code());
    let lost: Vec<Code> = lost.collect();
    assert_eq!(lost, vec![code; outcomes.len() - 1]);
}

#[tokio::test]
async fn an_account_name_or_password_that_breaks_the_rules_is_refused_with_them() {
    let rig = Rig::with_central().await;
    let (client, _events) = guest(&rig).await;
    let (short, long) = ("a".repeat(2), "a".repeat(33));
    for name in ["", &short, &long, "ada lovelace", "ada\u{7}", "ada\n", "ada\0", "ädä", "a*da>"]
    {
        refused(client.register(name, PASSWORD).await, Code::NameInvalid, ACCOUNT_RULE);
        // A login does not tell which names can be.
        let login = client.login(name, PASSWORD).await;
        assert_eq!(login.unwrap_err().code(), Some(Code::BadCredentials), "{name:?}");
    }
    for password in ["", "seven77", &"x".repeat(129)] {
        refused(client.register("ada", password).await, Code::PasswordInvalid, PASSWORD_RULE);
    }
    // The refusals left nothing behind, and the longest name and password are good.
    client.register(&"a".repeat(32), &"ö".repeat(128)).await.unwrap();
    client.logout().await.unwrap();
    client.register("ada", "eight888").await.unwrap();
}

#[tokio::test]
async fn an_account_name_is_taken_once_whatever_the_case() {
    let rig = Rig::with_central().await;
    let mut players = JoinSet::new();
    for name in ["race", "Race", "RACE", "rAcE", "racE", "RaCe"] {
        let (client, _events) = guest(&rig).await;
        let password = format!("{PASSWORD} {name}");
        players.spawn(async move { client.register(name, &password).await.map(|_| password) });
    }
    let outcomes = players.join_all().await;
    one_won(&outcomes, Code::NameTaken);

    // The winner's password is the one that holds, in any case of the name.
    let password = outcomes.into_iter().find_map(Result::ok).unwrap();
    let (client, _events) = guest(&rig).await;
    client.login("RACE", &password).await.unwrap();
    client.logout().await.unwrap();
    refused(client.register("race", PASSWORD).await, Code::NameTaken, "");
    let login = client.login("race", PASSWORD).await;
    assert_eq!(login.unwrap_err().code(), Some(Code::BadCredentials));
}

#[tokio::test]
async fn a_character_name_is_taken_once_whatever_the_case() {
    let rig = Rig::with_central().await;
    let mut players = JoinSet::new();
    for (number, name) in ["Race", "race", "RACE", "rAcE"].into_iter().enumerate() {
        let (client, _events) = guest(&rig).await;
        players.spawn(async move {
            client.register(&format!("racer.{number}"), PASSWORD).await.unwrap();
            client.create_character(name).await.map(|character| (number, character))
        });
    }
    let outcomes = players.join_all().await;
    one_won(&outcomes, Code::NameTaken);

    let (winner, character) = outcomes.into_iter().find_map(Result::ok).unwrap();
    for number in 0..4 {
        let (client, _events) = guest(&rig).await;
        client.login(&format!("racer.{number}"), PASSWORD).await.unwrap();
        let own = client.list_characters().await.unwrap();
        let expected = if number == winner { vec![character.clone()] } else { vec![] };
        assert_eq!(own, expected);
    }
}

#[tokio::test]
async fn a_character_name_that_breaks_the_rules_is_refused_with_them() {
    let rig = Rig::with_central().await;
    let player = rig.player("Ada").await;
    let long = "A".repeat(21);
    let endless = "A".repeat(60_000);
    for name in [
        "",
        "Al",
        &long,
        &endless,
        " Ada",
        "Ada ",
        "A  da",
        "9lives",
        "Ad\u{0}a",
        "Ada\n",
        "Ad\u{1b}[2J",
        "Ädä",
        "Ada>*",
    ] {
        refused(player.client.create_character(name).await, Code::NameInvalid, CHARACTER_RULE);
    }
    assert_eq!(player.client.list_characters().await.unwrap(), [player.character]);
    player.client.create_character("Mary Ann O'Neil-Jr 2").await.unwrap();
}

#[tokio::test]
async fn an_account_has_a_limited_number_of_characters_even_when_they_are_made_at_once() {
    let mut rig = Rig::empty().await;
    rig.start_central_as(rig.central_program().args(["--characters-per-account", "3"])).await;
    let player = rig.player("Ada").await;
    let (account, token) = (player.session.account, player.session.access_token.clone());
    let mut makers = JoinSet::new();
    for name in ["Bea", "Cleo", "Dora", "Eve", "Fay"] {
        let ((client, _events), token) = (guest(&rig).await, token.clone());
        makers.spawn(async move {
            client.validate(account, token).await.unwrap();
            client.create_character(name).await
        });
    }
    let outcomes = makers.join_all().await;
    let refusals = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()?.code());
    assert_eq!(refusals.collect::<Vec<_>>(), [Code::CharacterLimit; 3]);
    refused(player.client.create_character("Gwen").await, Code::CharacterLimit, "3");
    assert_eq!(player.client.list_characters().await.unwrap().len(), 3);

    // A deleted one makes room, and its name is free.
    player.client.delete_character(player.character.character).await.unwrap();
    player.client.create_character("Ada").await.unwrap();
}

#[tokio::test]
async fn only_the_owner_selects_or_deletes_a_character() {
    let rig = Rig::with_maps("town").await;
    let ada = rig.player_on_map("Ada").await;
    let eve = rig.player("Eve").await;
    for other in [ada.character.character, CharacterId::new()] {
        let advice = "list your characters";
        refused(eve.client.select(other, None).await, Code::CharacterUnknown, advice);
        refused(eve.client.delete_character(other).await, Code::CharacterUnknown, advice);
    }
    // Ada has noticed nothing, and her character is still hers.
    ada.client.ping().await.unwrap();
    ada.client.leave().await.unwrap();
    ada.enter().await;
    eve.enter().await;
}

#[tokio::test]
async fn words_that_cannot_be_said_are_refused_and_play_goes_on() {
    let rig = Rig::with_maps("town").await;
    let mut ada = rig.player_on_map("Ada").await;
    let mut bob = rig.player_on_map("Bob").await;
    let (long, endless) = ("x".repeat(256), "x".repeat(60_000));
    for text in ["", "a\u{1b}[2Jb", "two\nlines", "\u{0}", "\u{9b}1m", &long, &endless] {
        ada.client.say(text).await.unwrap();
        let failure = ada
            .event(SOON, "a refusal", |event| match event {
                ClientEvent::Refused { failure } => Some(failure),
                _ => None,
            })
            .await;
        assert_eq!(failure.code, Code::TextInvalid, "{failure}");
        assert!(failure.message.contains(TEXT_RULE), "{failure}");
    }
    // A line beyond any frame does not even leave the client, which stays on the map.
    let unsendable = ada.client.say(&"x".repeat(70_000)).await.unwrap_err();
    assert_eq!(unsendable.code(), Some(Code::FrameTooLarge), "{unsendable}");
    ada.client.ping().await.unwrap();

    // Bob hears none of it, and then what can be said.
    let longest = "ö".repeat(255);
    ada.client.say(&longest).await.unwrap();
    let said = |event| match event {
        ClientEvent::Said { name, text, .. } => Some((name, text)),
        _ => None,
    };
    assert_eq!(bob.event(SOON, "hearing Ada", said).await, ("Ada".to_owned(), longest));
}

use serde::{Deserialize, Serialize};
use world::{CommitId, Context, atlas::PlaceError};

use super::*;

/// A game that saves a player whenever it says so, and tells what came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bank;

impl world::World for Bank {
    type Config = serde_json::Value;
    type Input = u32;
    type Output = String;
    type Player = u32;

    fn open(_: serde_json::Value, _: &mut Context<'_, Self>) -> Result<Self, PlaceError> {
        Ok(Self)
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}

    fn input(&mut self, player: EntityId, coins: u32, ctx: &mut Context<'_, Self>) {
        if coins == 99 {
            return ctx.kick(player, "greed");
        }
        assert_ne!(coins, 13, "unlucky");
        if let Some(purse) = ctx.player_mut(player) {
            *purse += coins;
        }
        ctx.commit(player);
    }

    fn committed(
        &mut self,
        _: CommitId,
        player: EntityId,
        result: Result<(), Failure>,
        ctx: &mut Context<'_, Self>,
    ) {
        let coins = ctx.player(player).copied();
        ctx.send(player, &format!("{coins:?} {}", result.is_ok()));
    }
}

fn bank() -> (Rig<Bank>, Client) {
    let mut bank = Rig::<Bank>::on(server("town-1", "town"), town());
    let mut ada = bank.player_with(serde_json::json!(5));
    bank.ticks(1);
    ada.read();
    (bank, ada)
}

fn put(bank: &mut Rig<Bank>, client: &Client, coins: u32) {
    let action = serde_json::json!(coins);
    bank.host.input(client.entity, PlayInput::Act { action, seq: 0 }, bank.now);
}

fn saved(bank: &mut Rig<Bank>, client: &Client, result: Result<u64, Failure>) {
    let owner = bank.host.own.life();
    let claim = result.map(|version| Claim { owner, epoch: 1, version });
    bank.outcome(Outcome::Written(client.character, Written::Saved(claim)));
}

fn told(client: &mut Client) -> Vec<String> {
    let text = |message| match message {
        PlayMessage::Game { output } => output.as_str().unwrap().to_owned(),
        other => format!("{other:?}"),
    };
    client.told().into_iter().map(text).collect()
}

#[test]
fn a_commit_is_told_once_it_is_saved_and_not_before() {
    let (mut bank, mut ada) = bank();
    put(&mut bank, &ada, 2);
    let Job::Write(_, write) = bank.job() else { panic!("nothing is saved") };
    assert!(matches!(*write, Write::Save { state, .. } if state.data == 7));
    bank.ticks(3);
    assert!(told(&mut ada).is_empty());
    saved(&mut bank, &ada, Ok(2));
    assert_eq!(told(&mut ada), ["Some(7) true"]);
}

#[test]
fn what_was_asked_for_while_a_save_is_in_flight_goes_with_the_next_one() {
    let (mut bank, mut ada) = bank();
    put(&mut bank, &ada, 2);
    bank.job();
    put(&mut bank, &ada, 3);
    saved(&mut bank, &ada, Ok(2));
    assert_eq!(told(&mut ada).len(), 1);
    let Job::Write(_, write) = bank.job() else { panic!("the second is not saved") };
    assert!(matches!(*write, Write::Save { state, .. } if state.data == 10));
    saved(&mut bank, &ada, Ok(3));
    assert_eq!(told(&mut ada), ["Some(10) true"]);
}

#[test]
fn a_commit_that_fails_is_told_as_that() {
    let (mut bank, mut ada) = bank();
    put(&mut bank, &ada, 2);
    bank.job();
    saved(&mut bank, &ada, Err(Failure::new(Code::Unavailable, "SQL is away")));
    assert_eq!(told(&mut ada), ["Some(7) false"]);
}

#[test]
fn the_game_sends_a_player_away_saved() {
    let (mut bank, mut ada) = bank();
    put(&mut bank, &ada, 99);
    assert_eq!(bank.released_state().data, 5);
    bank.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
    assert_eq!(goodbye_code(&ada.read()), Some(Code::Kicked));
}

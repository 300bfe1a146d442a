use protocol::{LedgerEntry, backbone::characters::SaveCharacter};
use serde::{Deserialize, Serialize};
use world::{CommitId, Context, atlas::PlaceError};

use super::*;

/// A game that saves a player whenever it says so, and tells what came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bank {
    /// Why the last commit that was not done was not.
    last: Option<Code>,
}

impl world::World for Bank {
    type Config = serde_json::Value;
    type Input = u32;
    type Output = String;
    type Player = u32;

    fn open(_: serde_json::Value, _: &mut Context<'_, Self>) -> Result<Self, PlaceError> {
        Ok(Self { last: None })
    }

    fn tick(&mut self, _: &mut Context<'_, Self>) {}

    fn input(&mut self, player: EntityId, coins: u32, ctx: &mut Context<'_, Self>) {
        if coins == 99 {
            return ctx.kick(player, "greed");
        }
        assert_ne!(coins, 13, "unlucky");
        // Whoever has one coin or two shares with the next player.
        let other = ctx.players().find(|other| *other != player);
        if let (1 | 2, Some(other)) = (coins, other) {
            ctx.commit([player, other], |[mine, theirs]| {
                *mine = mine.checked_sub(coins)?;
                *theirs += coins;
                let amount = i64::from(coins);
                let line = |player, amount| (player, LedgerEntry::new("coins", amount, "share"));
                Some(vec![line(player, -amount), line(other, amount)])
            });
            return;
        }
        if coins >= 50 {
            if let Some(purse) = ctx.player_mut(player) {
                *purse += coins;
            }
            return ctx.book(player, LedgerEntry::new("coins", coins.into(), "found"));
        }
        ctx.commit([player], |[purse]| {
            *purse += coins;
            Some(vec![(player, LedgerEntry::new("coins", coins.into(), "bank"))])
        });
    }

    fn committed(&mut self, _: CommitId, result: Result<(), Failure>, ctx: &mut Context<'_, Self>) {
        self.last = result.as_ref().err().map(|failure| failure.code);
        let players: Vec<EntityId> = ctx.players().collect();
        for player in players {
            let coins = ctx.player(player).copied();
            ctx.send(player, &format!("{coins:?} {}", result.is_ok()));
        }
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

/// The commit that was asked for.
fn asked(bank: &mut Rig<Bank>) -> (CommitId, Vec<SaveCharacter>) {
    match bank.job() {
        Job::Commit(id, saves) => (id, saves),
        other => panic!("{other:?}"),
    }
}

fn claim(bank: &Rig<Bank>, version: u64) -> Claim {
    Claim { owner: bank.host.own.life(), epoch: 1, version }
}

/// All of a commit is on the disk.
fn done(bank: &mut Rig<Bank>, id: CommitId, saves: &[SaveCharacter]) {
    let after = |save: &SaveCharacter| claim(bank, save.claim.version + 1);
    let claims = saves.iter().map(after).collect();
    bank.outcome(Outcome::Committed(id, Ok(claims)));
}

/// To where what has changed is saved by and by.
fn until_saved(bank: &mut Rig<Bank>) {
    bank.ticks(200);
    bank.host.jobs.retain(|job| !matches!(job, Job::Sweep(_)));
}

/// Nothing is heard of a commit; gives what is asked for again.
fn unheard(bank: &mut Rig<Bank>, id: CommitId) -> (CommitId, Vec<SaveCharacter>) {
    bank.outcome(Outcome::Committed(id, Err(fail(Code::DeadlinePassed))));
    bank.ticks(11);
    asked(bank)
}

/// The claim of a character is read anew.
fn checked(bank: &mut Rig<Bank>, client: &Client, found: Result<u64, Failure>) {
    let found = found.map(|version| claim(bank, version));
    bank.outcome(Outcome::Written(client.character, Written::Checked(found)));
}

fn checks(bank: &mut Rig<Bank>) -> usize {
    let jobs = bank.host.jobs.drain(..);
    let is_check = |job: &Job| matches!(job, Job::Write(_, write) if **write == Write::Check);
    jobs.inspect(|job| assert!(is_check(job), "{job:?}")).count()
}

fn lines(save: &SaveCharacter) -> Vec<(i64, &str)> {
    save.ledger.iter().map(|entry| (entry.amount, &*entry.reason)).collect()
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
    put(&mut bank, &ada, 7);
    let (id, saves) = asked(&mut bank);
    assert_eq!((&saves[0].state.data, lines(&saves[0])), (&12.into(), vec![(7, "bank")]));
    put(&mut bank, &ada, 7);
    bank.ticks(3);
    assert_eq!(bank.host.jobs.len(), 0, "one at a time");
    assert!(told(&mut ada).is_empty());
    assert_eq!(bank.host.stage.player(ada.entity), Some(&5), "nobody has what may not last");
    done(&mut bank, id, &saves);
    assert_eq!(told(&mut ada), ["Some(12) true"]);
}

#[test]
fn what_changes_hands_is_saved_of_both_at_once() {
    let (mut bank, mut ada) = bank();
    let mut bob = bank.player_with(serde_json::json!(3));
    put(&mut bank, &ada, 2);
    let (id, saves) = asked(&mut bank);
    assert_eq!((&saves[0].state.data, lines(&saves[0])), (&3.into(), vec![(-2, "share")]));
    assert_eq!((&saves[1].state.data, lines(&saves[1])), (&5.into(), vec![(2, "share")]));
    done(&mut bank, id, &saves);
    assert!(told(&mut ada).contains(&"Some(3) true".to_owned()));
    assert_eq!(told(&mut bob), ["Some(5) true"]);
    // The next saves go on from there.
    put(&mut bank, &bob, 1);
    let (_, saves) = asked(&mut bank);
    assert!(saves.iter().all(|save| save.claim.version == 2));
}

#[test]
fn a_commit_waits_for_the_save_in_flight_and_lines_are_written_once() {
    let (mut bank, mut ada) = bank();
    put(&mut bank, &ada, 50);
    until_saved(&mut bank);
    let Job::Write(_, write) = bank.job() else { panic!("nothing is saved by and by") };
    let Write::Save { ledger, .. } = *write else { panic!("{write:?}") };
    assert_eq!(ledger, [LedgerEntry::new("coins", 50, "found")]);
    put(&mut bank, &ada, 7);
    assert!(bank.host.jobs.is_empty());
    let saved = Written::Saved(Ok(claim(&bank, 2)));
    bank.outcome(Outcome::Written(ada.character, saved));
    let (id, saves) = asked(&mut bank);
    assert_eq!((&saves[0].state.data, lines(&saves[0])), (&62.into(), vec![(7, "bank")]));
    done(&mut bank, id, &saves);
    assert_eq!(told(&mut ada), ["Some(62) true"]);
}

#[test]
fn a_commit_that_is_refused_has_changed_nothing() {
    let (mut bank, mut ada) = bank();
    put(&mut bank, &ada, 50);
    put(&mut bank, &ada, 7);
    let (id, saves) = asked(&mut bank);
    assert_eq!(lines(&saves[0]), [(50, "found"), (7, "bank")]);
    bank.outcome(Outcome::Committed(id, Err(fail(Code::Fenced))));
    assert!(told(&mut ada).is_empty(), "an earlier try may have been done");
    assert_eq!(checks(&mut bank), 1);
    checked(&mut bank, &ada, Ok(1));
    assert_eq!(told(&mut ada), ["Some(55) false"]);
    bank.ticks(1);
    let Job::Write(_, write) = bank.job() else { panic!("what was found is not saved") };
    let Write::Save { ledger, state, .. } = *write else { panic!("{write:?}") };
    assert_eq!((state.data, ledger.len()), (55.into(), 1));
}

#[test]
fn a_commit_that_was_done_unheard_is_found_to_be_done() {
    let (mut bank, mut ada) = bank();
    let mut bob = bank.player_with(serde_json::json!(3));
    put(&mut bank, &ada, 2);
    let (id, first) = asked(&mut bank);
    let (again, saves) = unheard(&mut bank, id);
    assert_eq!((again, &saves), (id, &first), "the same words");
    // Meanwhile Bob is on another map, so this cannot be answered as the first time any more.
    bank.outcome(Outcome::Committed(id, Err(fail(Code::Fenced))));
    assert_eq!(checks(&mut bank), 2);
    checked(&mut bank, &bob, Err(fail(Code::Fenced)));
    assert_eq!(goodbye_code(&bob.told()), Some(Code::Fenced));
    checked(&mut bank, &ada, Ok(2));
    assert!(told(&mut ada).contains(&"Some(3) true".to_owned()));
}

#[test]
fn a_commit_of_those_who_are_all_elsewhere_is_refused() {
    let (mut bank, ada) = bank();
    let mut bob = bank.player_with(serde_json::json!(3));
    put(&mut bank, &ada, 7);
    let (id, _) = asked(&mut bank);
    bank.outcome(Outcome::Committed(id, Err(fail(Code::Fenced))));
    checks(&mut bank);
    checked(&mut bank, &ada, Err(fail(Code::Fenced)));
    assert_eq!(told(&mut bob).last().unwrap(), "Some(3) false");
    assert!(bank.host.commits.is_empty());
}

#[test]
fn who_was_away_and_is_to_come_again_does_not_tell_what_came_of_a_commit() {
    let (mut bank, mut ada) = bank();
    let bob = bank.player_with(serde_json::json!(3));
    put(&mut bank, &ada, 2);
    let (id, _) = asked(&mut bank);
    unheard(&mut bank, id);
    bank.outcome(Outcome::Committed(id, Err(fail(Code::Fenced))));
    checks(&mut bank);
    let again = Claim { epoch: 3, ..claim(&bank, 2) };
    bank.outcome(Outcome::Written(bob.character, Written::Checked(Ok(again))));
    assert!(!told(&mut ada).iter().any(|told| told.starts_with("Some")), "nothing is known yet");
    checked(&mut bank, &ada, Ok(2));
    assert_eq!(told(&mut ada), ["Some(3) true"]);
}

#[test]
fn of_a_commit_that_was_perhaps_done_and_whose_players_are_all_elsewhere_the_game_is_told_just_that()
 {
    for (is_unheard, code) in [(true, Code::DeadlinePassed), (false, Code::Fenced)] {
        let (mut bank, ada) = bank();
        put(&mut bank, &ada, 7);
        let (id, _) = asked(&mut bank);
        if is_unheard {
            unheard(&mut bank, id);
        }
        bank.outcome(Outcome::Committed(id, Err(fail(Code::Fenced))));
        checks(&mut bank);
        checked(&mut bank, &ada, Err(fail(Code::Fenced)));
        assert_eq!(bank.host.stage.world().last, Some(code));
    }
}

#[test]
fn whoever_leaves_before_a_commit_was_asked_for_goes_without_it() {
    let (mut bank, ada) = bank();
    put(&mut bank, &ada, 50);
    until_saved(&mut bank);
    bank.job();
    put(&mut bank, &ada, 7);
    bank.host.input(ada.entity, PlayInput::Leave, bank.now);
    assert!(bank.host.commits.is_empty());
    let saved = Written::Saved(Ok(claim(&bank, 2)));
    bank.outcome(Outcome::Written(ada.character, saved));
    assert_eq!(bank.released_state().data, 55);
}

#[test]
fn whoever_leaves_while_a_commit_is_under_way_has_what_came_of_it() {
    for is_done in [true, false] {
        let (mut bank, ada) = bank();
        put(&mut bank, &ada, 7);
        let (id, saves) = asked(&mut bank);
        bank.host.input(ada.entity, PlayInput::Leave, bank.now);
        bank.ticks(3);
        assert!(bank.host.jobs.is_empty(), "it is not known what is to be saved");
        if is_done {
            done(&mut bank, id, &saves);
        } else {
            bank.outcome(Outcome::Committed(id, Err(fail(Code::Malformed))));
            assert_eq!(checks(&mut bank), 1);
            checked(&mut bank, &ada, Ok(1));
        }
        assert_eq!(bank.released_state().data, if is_done { 12 } else { 5 });
    }
}

#[test]
fn a_warp_that_begins_while_a_commit_is_under_way_takes_along_what_came_of_it() {
    let (mut bank, ada) = bank();
    let to = Position { x: 26.0, y: 15.0 };
    bank.host.input(ada.entity, PlayInput::Walk { to, seq: 0 }, bank.now);
    bank.ticks(10);
    put(&mut bank, &ada, 7);
    let (id, saves) = asked(&mut bank);
    bank.ticks(6);
    let Job::Route(warp, _) = bank.job() else { panic!("no warp begins") };
    bank.reach_seat(warp);
    assert!(bank.host.jobs.is_empty(), "the hand-over waits");
    done(&mut bank, id, &saves);
    let Job::Transfer { transfer, .. } = bank.job() else { panic!("no transfer") };
    assert_eq!((transfer.claim.version, transfer.state.data), (2, 12.into()));
}

#[test]
fn a_hand_over_brings_the_lines_that_the_save_in_flight_lacks() {
    let (mut bank, ada) = bank();
    put(&mut bank, &ada, 50);
    until_saved(&mut bank);
    bank.job();
    put(&mut bank, &ada, 60);
    let warp = bank.walk_into_portal(&ada);
    let character = bank.reach_seat(warp);
    let saved = Written::Saved(Ok(claim(&bank, 2)));
    bank.outcome(Outcome::Written(character, saved));
    let Job::Transfer { transfer, .. } = bank.job() else { panic!("no transfer") };
    assert_eq!(transfer.state.data, 115);
    assert_eq!(transfer.ledger, [LedgerEntry::new("coins", 60, "found")]);
}

#[test]
fn the_game_sends_a_player_away_saved() {
    let (mut bank, mut ada) = bank();
    put(&mut bank, &ada, 99);
    assert_eq!(bank.released_state().data, 5);
    bank.outcome(Outcome::Written(ada.character, Written::Released(Ok(()))));
    assert_eq!(goodbye_code(&ada.read()), Some(Code::Kicked));
}

//! What is tried.

use std::{env, ops::Range, thread, time::Instant};

use super::{
    Planted,
    game::Wish,
    run::{self, Faults, Tally},
    schedule::Exhaustive,
};

/// Seeds of a usual test run.
const SEEDS: u64 = 2000;

type Wishes = &'static [fn(u64) -> Wish];
/// What is wished for before the warp, and how much goes wrong then in a usual test run.
const WARPS: [(Wishes, Faults); 4] = [
    (&[Wish::Find], Faults { crashes: 1, losses: 2, delay: 2 }),
    (&[Wish::Find], Faults { crashes: 0, losses: 2, delay: 1 }),
    (&[Wish::Bank], Faults { crashes: 1, losses: 1, delay: 1 }),
    (&[Wish::Find, Wish::Bank, Wish::Find], Faults { crashes: 1, losses: 1, delay: 1 }),
];
/// Where there is time.
const THOROUGH: Faults = Faults { crashes: 1, losses: 2, delay: 1 };

/// Every run of a warp; tells how many there are, or the first that fails.
fn every_warp(planted: Planted, thorough: bool) -> Result<u32, String> {
    thread::scope(|scope| {
        let runs = WARPS.map(|(first, faults)| {
            let faults = if thorough { THOROUGH } else { faults };
            scope.spawn(move || every_warp_after(first, faults, planted))
        });
        runs.into_iter().map(|runs| runs.join().unwrap()).sum()
    })
}

fn every_warp_after(first: Wishes, faults: Faults, planted: Planted) -> Result<u32, String> {
    let (mut choices, mut runs) = (Exhaustive::default(), 0);
    loop {
        runs += 1;
        if let Err(failed) = run::warp(&mut choices, first, faults, planted, false) {
            let path = choices.path();
            choices.again();
            let log = run::warp(&mut choices, first, faults, planted, true).err();
            let log = log.map(|failed| failed.log.join("\n")).unwrap_or_default();
            return Err(format!("run {runs}, {path:?}: {}\n{log}", failed.why));
        }
        if !choices.next_run() {
            return Ok(runs);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// What there was in the runs of all seeds, or the first one that fails.
fn every_seed(seeds: Range<u64>) -> Result<Tally, u64> {
    let half = seeds.start.midpoint(seeds.end);
    thread::scope(|scope| {
        let halves = [seeds.start..half, half..seeds.end];
        let tried = halves.map(|seeds| scope.spawn(|| try_seeds(seeds)));
        let mut all = Tally::default();
        for tried in tried {
            all += tried.join().unwrap()?;
        }
        Ok(all)
    })
}

fn try_seeds(seeds: Range<u64>) -> Result<Tally, u64> {
    let mut all = Tally::default();
    for seed in seeds {
        all += run::seed(seed, Planted::Nothing, false).map_err(|_| seed)?;
    }
    Ok(all)
}

#[test]
fn every_way_a_warp_can_go_with_a_crash_and_two_losses_ends_well() {
    let thorough = number("WAYSTONE_SEEDS").is_some();
    let begun = Instant::now();
    let runs = every_warp(Planted::Nothing, thorough).unwrap_or_else(|failed| panic!("{failed}"));
    println!("{runs} runs of a warp in {:?}", begun.elapsed());
    assert!(runs > 1000, "only {runs}");
}

#[test]
fn players_keep_what_is_theirs_whatever_happens() {
    let seeds = match number("WAYSTONE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WAYSTONE_SEEDS").unwrap_or(SEEDS),
    };
    let (begun, count) = (Instant::now(), seeds.end - seeds.start);
    match every_seed(seeds) {
        Ok(tally) => {
            println!("{count} seeds in {:?}: {tally:?}", begun.elapsed());
            // Where nothing happens, nothing goes wrong.
            let (done, warps) = (tally.done as u64, u64::from(tally.warps));
            assert!(count == 1 || (done > 4 * count && warps > count / 2), "{tally:?}");
        }
        Err(seed) => {
            let failed = run::seed(seed, Planted::Nothing, true).unwrap_err();
            panic!("WAYSTONE_SEED={seed}: {}\n{}", failed.why, failed.log.join("\n"));
        }
    }
}

#[test]
fn whatever_is_made_wrong_on_purpose_is_found_by_seeds() {
    for planted in Planted::ALL {
        let found =
            (0..SEEDS).find_map(|seed| Some((seed, run::seed(seed, planted, false).err()?)));
        println!("{planted:?}: {:?}", found.as_ref().map(|(seed, failed)| (seed, &failed.why)));
        assert!(found.is_some(), "{planted:?} is not found");
    }
}

#[test]
fn what_is_made_wrong_with_a_warp_is_found_by_trying_all() {
    for planted in [Planted::LostTransferIsDone, Planted::SaveAtAnyEpoch] {
        let found = every_warp(planted, false).map_err(|it| it.lines().next().map(str::to_owned));
        println!("{planted:?}: {found:?}");
        assert!(found.is_err(), "{planted:?} is not found");
    }
}

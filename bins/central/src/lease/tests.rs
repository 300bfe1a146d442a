//! Three Centrals and a database, by seed: words are late or lost, Centrals hang, are killed and
//! cut off, and never do two believe that they lead.

use std::collections::BTreeSet;

use proptest::prelude::*;
use protocol::Incarnation;

use super::*;

const CENTRALS: usize = 3;
/// A step of the simulation's time.
const STEP: Duration = Duration::from_millis(10);
/// Another leads at the latest so long after the last sign of life of the one before.
const FOLLOWED: Duration = Duration::from_secs(4);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn life(server: &str) -> Life {
    Life { server: server.parse().unwrap(), incarnation: Incarnation::new() }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// What a Central has asked the database.
#[derive(Debug, Clone)]
struct Asked {
    step: Step,
    at: Duration,
    /// When the database does it, and when the answer is there.
    done_at: Option<Duration>,
    answered_at: Option<Duration>,
    answer: Option<Answer>,
}

#[derive(Debug, Clone)]
enum Answer {
    Lease(Lease),
    Taken(Option<u64>),
    Kept(Kept),
    Done,
}

struct Central {
    me: Life,
    candidate: Candidate,
    asked: Option<Asked>,
    /// It does nothing before this time: it hangs, or is not started again yet.
    idle_until: Duration,
    cut_off_until: Duration,
}

impl Central {
    fn new(server: &str, idle_until: Duration) -> Self {
        let me = life(server);
        let candidate = Candidate::new(me.clone(), idle_until);
        Self { me, candidate, asked: None, idle_until, cut_off_until: Duration::ZERO }
    }
}

struct World {
    dice: Dice,
    now: Duration,
    lease: Lease,
    /// The term whose leader somebody could not reach.
    wanted: u64,
    centrals: Vec<Central>,
    /// Questions whose asker waits no more: the database may do them still.
    orphans: Vec<(Life, Asked)>,
    /// Milliseconds that a word takes at most.
    latency: u64,
    /// Of so many words one is lost, or very late.
    loss: u64,
    epochs: BTreeSet<u64>,
}

impl World {
    fn new(seed: u64, latency: u64, loss: u64) -> Self {
        let centrals = (1..=CENTRALS).map(|n| Central::new(&format!("central-{n}"), ms(0)));
        Self {
            dice: Dice(seed),
            now: Duration::ZERO,
            lease: Lease { holder: None, epoch: 0, beat: 0 },
            wanted: 0,
            centrals: centrals.collect(),
            orphans: Vec::new(),
            latency,
            loss,
            epochs: BTreeSet::new(),
        }
    }

    /// When a word that is said now comes in, if it does.
    fn arrival(&mut self, from: Duration) -> Option<Duration> {
        if self.dice.one_in(self.loss) {
            let late = ms(600 + self.dice.below(6_000));
            return self.dice.one_in(2).then_some(from + late);
        }
        Some(from + ms(1 + self.dice.below(self.latency)))
    }

    fn database(&mut self, me: &Life, step: &Step) -> Answer {
        let is_held =
            |lease: &Lease, epoch: u64| lease.holder.as_ref() == Some(me) && lease.epoch == epoch;
        match step {
            Step::Look { .. } | Step::Wait(_) => Answer::Lease(self.lease.clone()),
            Step::Take { seen, .. } => {
                let fits = (seen.epoch, seen.beat) == (self.lease.epoch, self.lease.beat);
                if fits {
                    let epoch = self.lease.epoch + 1;
                    self.lease = Lease { holder: Some(me.clone()), epoch, beat: 0 };
                }
                Answer::Taken(fits.then_some(self.lease.epoch))
            }
            Step::Keep { epoch, .. } => {
                if !is_held(&self.lease, *epoch) {
                    return Answer::Kept(Kept::Lost);
                }
                self.lease.beat += 1;
                Answer::Kept(if self.wanted == *epoch { Kept::Wanted } else { Kept::Ours })
            }
            Step::Want { epoch, .. } => {
                if self.lease.epoch == *epoch {
                    self.wanted = *epoch;
                }
                Answer::Done
            }
            Step::GiveUp { epoch } => {
                if is_held(&self.lease, *epoch) {
                    self.lease.holder = None;
                    self.lease.beat += 1;
                }
                Answer::Done
            }
        }
    }

    fn pass(&mut self) {
        self.now += STEP;
        for mut orphan in std::mem::take(&mut self.orphans) {
            if orphan.1.done_at.is_some_and(|at| at <= self.now) {
                self.database(&orphan.0, &orphan.1.step.clone());
                orphan.1.done_at = None;
            }
            if orphan.1.done_at.is_some() {
                self.orphans.push(orphan);
            }
        }
        for place in 0..self.centrals.len() {
            self.answer(place);
            if self.centrals[place].idle_until <= self.now {
                self.act(place);
            }
        }
        let leaders = self.leaders();
        assert!(leaders.len() <= 1, "at {:?} all these lead: {leaders:?}", self.now);
    }

    /// What the database does for a Central, whether that hangs or not.
    fn answer(&mut self, place: usize) {
        let Some(mut asked) = self.centrals[place].asked.take() else { return };
        if asked.done_at.is_some_and(|at| at <= self.now) {
            let me = self.centrals[place].me.clone();
            asked.answer = Some(self.database(&me, &asked.step.clone()));
            asked.done_at = None;
            asked.answered_at = self.arrival(self.now);
        }
        self.centrals[place].asked = Some(asked);
    }

    fn act(&mut self, place: usize) {
        let now = self.now;
        let answers = |central: &Central| {
            let can = central.cut_off_until <= now && central.idle_until <= now;
            can && central.candidate.leads(now).is_some()
        };
        let answered = self.centrals.iter().any(answers);
        let central = &mut self.centrals[place];
        let reachable = central.cut_off_until <= now;
        central.candidate.reach(reachable, now);
        central.candidate.answered(answered && reachable);
        if let Some(asked) = central.asked.take() {
            let within = match &asked.step {
                Step::Look { within }
                | Step::Take { within, .. }
                | Step::Keep { within, .. }
                | Step::Want { within, .. } => *within,
                Step::Wait(_) | Step::GiveUp { .. } => WITHIN,
            };
            let answer = match asked.answered_at {
                // One that hung meanwhile may find an answer beside a deadline that is long over.
                Some(at) if at <= now => asked.answer.clone(),
                _ if now >= asked.at + within => None,
                _ => return central.asked = Some(asked),
            };
            if answer.is_none() {
                self.orphans.push((central.me.clone(), asked.clone()));
            }
            let candidate = &mut central.candidate;
            match (&asked.step, answer) {
                (Step::Look { .. }, Some(Answer::Lease(lease))) => {
                    candidate.looked(Some(lease), asked.at, now).unwrap();
                }
                (Step::Look { .. }, _) => candidate.looked(None, asked.at, now).unwrap(),
                (Step::Take { .. }, Some(Answer::Taken(taken))) => {
                    self.epochs.extend(taken);
                    candidate.took(Some(taken), asked.at);
                }
                (Step::Take { .. }, _) => candidate.took(None, asked.at),
                (Step::Keep { .. }, Some(Answer::Kept(kept))) => {
                    candidate.kept(Some(kept), asked.at, now);
                }
                (Step::Keep { .. }, _) => candidate.kept(None, asked.at, now),
                (Step::GiveUp { .. } | Step::Want { .. } | Step::Wait(_), _) => {}
            }
        }
        let step = self.centrals[place].candidate.next(now);
        if matches!(step, Step::Wait(_)) {
            return;
        }
        let done_at = self.arrival(now);
        self.centrals[place].asked =
            Some(Asked { step, at: now, done_at, answered_at: None, answer: None });
    }

    /// Who believes to lead, those that hang included.
    fn leaders(&self) -> Vec<(usize, u64)> {
        let believes = |(place, central): (usize, &Central)| {
            central.candidate.leads(self.now).map(|(epoch, _)| (place, epoch))
        };
        self.centrals.iter().enumerate().filter_map(believes).collect()
    }

    fn kill(&mut self, place: usize, back_after: Duration) {
        let server = self.centrals[place].me.server.to_string();
        let new = Central::new(&server, self.now + back_after);
        let old = std::mem::replace(&mut self.centrals[place], new);
        self.orphans.extend(old.asked.map(|asked| (old.me, asked)));
    }

    fn hurt(&mut self) {
        let place = usize::try_from(self.dice.below(3)).unwrap();
        let time = ms(self.dice.below(9_000));
        match self.dice.below(3) {
            0 => self.kill(place, time),
            1 => self.centrals[place].idle_until = self.now + time,
            _ => self.centrals[place].cut_off_until = self.now + time,
        }
    }

    fn until_somebody_leads(&mut self, limit: Duration) -> usize {
        let start = self.now;
        loop {
            if let [(place, _)] = self.leaders()[..] {
                return place;
            }
            assert!(self.now - start < limit, "nobody leads for {limit:?} at {:?}", self.now);
            self.pass();
        }
    }

    fn pass_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.pass();
        }
    }
}

/// A minute of it; then nothing goes wrong any more, and somebody leads.
fn much_goes_wrong(seed: u64, latency: u64, loss: u64, calm: u64) {
    let mut world = World::new(seed, latency, loss);
    for _ in 0..6_000 {
        if world.dice.one_in(calm + 20) {
            world.hurt();
        }
        world.pass(); // asserts
    }
    (world.latency, world.loss) = (50, u64::MAX);
    for central in &mut world.centrals {
        (central.idle_until, central.cut_off_until) = (world.now, world.now);
    }
    world.until_somebody_leads(ms(12_000));
}

/// Two late renewals of the life before, one after the other, are no other Central with its id.
#[test]
fn who_starts_again_is_not_taken_for_another_by_what_its_life_before_had_asked() {
    much_goes_wrong(3_608_245_268_325_837_248, 23, 9, 316);
    much_goes_wrong(17_846_650_749_278_660_698, 131, 6, 184);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_goes_wrong_two_never_believe_that_they_lead(
        seed: u64, latency in 1..900_u64, loss in 2..40_u64, calm in 1..400_u64,
    ) {
        much_goes_wrong(seed, latency, loss, calm);
    }

    #[test]
    fn a_leader_that_is_killed_or_hangs_is_followed_in_time(seed: u64, hangs: bool) {
        // Words take 100 ms at most, either way.
        let mut world = World::new(seed, 100, u64::MAX);
        world.until_somebody_leads(ms(1_000));
        let time = world.dice.below(20_000);
        world.pass_for(ms(time));
        let [(leader, _)] = world.leaders()[..] else { panic!("it leads for good") };
        if hangs {
            world.centrals[leader].idle_until = ms(u64::MAX);
        } else {
            world.kill(leader, ms(1_000_000));
        }
        let gone = world.now;
        while world.leaders().iter().all(|(place, _)| *place == leader) {
            world.pass();
            prop_assert!(world.now - gone < FOLLOWED, "nobody follows");
        }
        prop_assert!(world.epochs.len() == 2);
    }
}

#[test]
fn a_leader_that_is_cut_off_is_followed_if_another_one_can_be_reached() {
    let mut world = World::new(7, 100, u64::MAX);
    let first = world.until_somebody_leads(ms(1_000));
    for central in &mut world.centrals {
        central.cut_off_until = ms(60_000);
    }
    world.pass_for(ms(9_000));
    assert_eq!(world.leaders(), [(first, 1)], "nobody would do better");
    world.centrals[(first + 1) % CENTRALS].cut_off_until = world.now;
    let cut = world.now;
    while world.leaders() != [((first + 1) % CENTRALS, 2)] {
        world.pass();
        assert!(world.now - cut < FOLLOWED, "{:?}", world.leaders());
    }
}

#[test]
fn a_leader_in_peace_leads_for_good() {
    let mut world = World::new(1, 200, u64::MAX);
    let first = world.until_somebody_leads(ms(2_000));
    for _ in 0..10_000 {
        world.pass();
        assert_eq!(world.leaders(), [(first, 1)]);
    }
}

#[test]
fn what_was_given_up_is_taken_at_the_next_look() {
    let mut candidate = Candidate::new(life("central-2"), ms(0));
    let held = Lease { holder: Some(life("central-1")), epoch: 3, beat: 7 };
    candidate.looked(Some(held), ms(0), ms(0)).unwrap();
    assert_eq!(candidate.next(ms(10)), Step::Wait(LOOK_EVERY));
    let free = Lease { holder: None, epoch: 3, beat: 8 };
    candidate.looked(Some(free.clone()), LOOK_EVERY, LOOK_EVERY).unwrap();
    assert_eq!(candidate.next(LOOK_EVERY), Step::Take { seen: free, within: WITHIN });
}

#[test]
fn a_leader_that_nobody_can_reach_gives_way_to_who_wants_its_place() {
    let mut candidate = Candidate::new(life("central-1"), ms(0));
    candidate.took(Some(Some(4)), ms(0));
    candidate.reach(false, ms(0));
    for now in [700, 1_400, 2_100] {
        assert!(matches!(candidate.next(ms(now)), Step::Keep { epoch: 4, .. }));
        candidate.kept(Some(Kept::Ours), ms(now), ms(now));
    }
    assert_eq!(candidate.next(ms(2_100)), Step::Wait(ms(2_800)), "nobody wants it");
    candidate.kept(Some(Kept::Wanted), ms(2_800), ms(2_800));
    assert_eq!(candidate.next(ms(2_800)), Step::GiveUp { epoch: 4 });
    assert_eq!(candidate.leads(ms(2_800)), None);
    // It does not come back before it can be reached.
    let free = Lease { holder: None, epoch: 4, beat: 3 };
    candidate.looked(Some(free.clone()), ms(2_810), ms(2_810)).unwrap();
    assert_eq!(candidate.next(ms(2_810)), Step::Wait(ms(2_810) + LOOK_EVERY));
    candidate.reach(true, ms(2_900));
    candidate.looked(Some(free), ms(3_210), ms(3_210)).unwrap();
    assert!(matches!(candidate.next(ms(3_210)), Step::Take { .. }));
}

#[test]
fn a_leader_that_is_cut_off_for_a_moment_goes_on() {
    let mut candidate = Candidate::new(life("central-1"), ms(0));
    candidate.took(Some(Some(4)), ms(0));
    candidate.kept(Some(Kept::Wanted), ms(100), ms(100));
    candidate.reach(false, ms(200));
    assert!(matches!(candidate.next(ms(1_000)), Step::Keep { .. }));
    candidate.kept(Some(Kept::Wanted), ms(1_900), ms(1_900));
    assert_eq!(candidate.next(ms(1_900)), Step::Wait(ms(200) + UNREACHABLE));
    candidate.reach(true, ms(2_000));
    assert_eq!(candidate.next(ms(2_300)), Step::Wait(ms(1_900) + KEEP_EVERY));
}

#[test]
fn who_stands_by_asks_once_for_the_place_of_a_leader_that_does_not_answer() {
    let mut candidate = Candidate::new(life("central-2"), ms(0));
    let held = Lease { holder: Some(life("central-1")), epoch: 3, beat: 7 };
    candidate.looked(Some(held.clone()), ms(0), ms(0)).unwrap();
    assert_eq!(candidate.next(ms(10)), Step::Wait(LOOK_EVERY));
    candidate.answered(false);
    assert_eq!(candidate.next(ms(20)), Step::Want { epoch: 3, within: WITHIN });
    assert_eq!(candidate.next(ms(30)), Step::Wait(LOOK_EVERY));
    // One that cannot be reached itself would be no better.
    let mut candidate = Candidate::new(life("central-3"), ms(0));
    candidate.looked(Some(held), ms(0), ms(0)).unwrap();
    candidate.answered(false);
    candidate.reach(false, ms(0));
    assert_eq!(candidate.next(ms(20)), Step::Wait(LOOK_EVERY));
}

#[test]
fn a_leader_that_is_told_that_it_lost_the_lease_leads_no_more_at_once() {
    let mut candidate = Candidate::new(life("central-1"), ms(0));
    candidate.took(Some(Some(4)), ms(0));
    candidate.kept(Some(Kept::Lost), ms(700), ms(710));
    assert_eq!(candidate.leads(ms(710)), None);
    assert_eq!(candidate.next(ms(710)), Step::Look { within: WITHIN });
}

#[test]
fn its_own_lease_is_taken_again_at_once_when_the_database_is_back() {
    let me = life("central-1");
    let mut candidate = Candidate::new(me.clone(), ms(0));
    candidate.took(Some(Some(4)), ms(0));
    candidate.kept(None, ms(700), ms(1_300));
    assert_eq!(candidate.next(ms(1_350)), Step::Wait(ms(1_400)));
    assert_eq!(candidate.next(ms(1_400)), Step::Keep { epoch: 4, within: WITHIN });
    candidate.kept(None, ms(1_400), ms(2_000));
    assert_eq!(candidate.leads(ms(1_999)), Some((4, HOLDS)));
    assert_eq!(candidate.leads(ms(2_000)), None);
    assert_eq!(candidate.next(ms(2_000)), Step::Look { within: WITHIN });
    let mine = Lease { holder: Some(me), epoch: 4, beat: 1 };
    candidate.looked(Some(mine.clone()), ms(9_000), ms(9_000)).unwrap();
    assert_eq!(candidate.next(ms(9_000)), Step::Take { seen: mine, within: WITHIN });
}

#[test]
fn a_namesake_that_lives_is_noticed_and_one_that_has_ended_is_followed() {
    let (me, other) = (life("central-1"), life("central-1"));
    let held = |beat| Some(Lease { holder: Some(other.clone()), epoch: 1, beat });
    let begun = ms(60_000);
    let mut candidate = Candidate::new(me.clone(), begun);
    let mut look = |beat, at| candidate.looked(held(beat), begun + at, begun + at);
    // All this an ended one may have asked for, the last since it came about after a look in time.
    for (beat, at) in [(5, ms(0)), (6, ms(400)), (7, LATE - STEP), (8, LATE), (8, LATE + STEP)] {
        look(beat, at).unwrap();
    }
    assert_eq!(look(9, LATE + LOOK_EVERY), Err(IdInUse(other.clone())));

    let mut candidate = Candidate::new(me, begun);
    candidate.looked(held(5), begun, begun).unwrap();
    // Of what a look showed that was long on its way, nobody knows when it came about.
    candidate.looked(held(6), begun + ms(400), begun + LATE + ms(400)).unwrap();
    let now = begun + LATE + ms(800);
    candidate.looked(held(7), now, now).unwrap();
    let ripe = now + UNCHANGED;
    candidate.looked(held(7), ripe, ripe).unwrap();
    assert!(matches!(candidate.next(ripe), Step::Take { .. }));
}

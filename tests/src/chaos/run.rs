//! The order of a run: play and hurt, mend, come back, leave, and compare.

use std::time::{Duration, Instant};

use nats::Backbone;
use tokio::{task::JoinSet, time::sleep};

use super::{
    audit::{self, Audit},
    bot::Bot,
    echo::Echo,
    plan::{self, Fault},
    report::Report,
    theatre::{State, Theatre},
    watch::Watch,
};
use crate::wait::SOON;

/// Between two looks whether something is due, or has ended.
const TURN: Duration = Duration::from_millis(50);
/// How long the cluster may take to be whole once all is mended. A Map Server that was killed often
/// waits half a minute for its restart.
const WHOLE: Duration = Duration::from_secs(90);
/// How long a player may take to enter a cluster that is whole. Longer than a character is kept for
/// a map that was removed, which may come back.
const ENTERS: Duration = Duration::from_secs(30);
/// How long a copy that was passed over, or a character that nobody came for, may be remembered by
/// a map that all others reach again: a seat's time, and some saves.
const FENCED: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What the plan is made from, and what the players do.
    pub seed: u64,
    /// How long servers are hurt.
    pub length: Duration,
    /// Faults.
    pub faults: usize,
    /// Players.
    pub bots: u64,
}

impl Settings {
    /// What `WAYSTONE_CHAOS_SEED`, `_SECONDS`, `_FAULTS` and `_BOTS` say, or these.
    ///
    /// # Panics
    /// When one of them is no number.
    #[must_use]
    pub fn or_by_environment(self) -> Self {
        let number = |name: &str, otherwise: u64| {
            let told = std::env::var(format!("WAYSTONE_CHAOS_{name}"));
            told.map_or(otherwise, |told| told.parse().expect("a number"))
        };
        let seconds = number("SECONDS", self.length.as_secs());
        // As dense as by default.
        let faults = self.faults as u64 * seconds / self.length.as_secs().max(1);
        Self {
            seed: number("SEED", self.seed),
            length: Duration::from_secs(seconds),
            faults: usize::try_from(number("FAULTS", faults)).expect("a number of faults"),
            bots: number("BOTS", self.bots),
        }
    }
}

/// Runs it all.
///
/// # Panics
/// When it cannot be begun.
pub async fn run(settings: Settings) -> Report {
    let mut theatre = Theatre::start().await;
    let backbone = theatre.rig.backbone().await;
    becomes(&mut theatre, State::AsDesired, &backbone, SOON)
        .await
        .expect("a whole cluster at the start");
    let audit = Audit::start(&theatre.rig.folder().join("waystone.db")).await;
    let watch = Watch::start(&backbone).await;
    let echo = Echo::start(theatre.rig.backbone().await).await;
    let mut report =
        Report { seed: settings.seed, seconds: settings.length.as_secs(), ..Report::default() };
    let mut bots = Vec::new();
    for number in 0..settings.bots {
        let central = &theatre.addresses[number as usize % theatre.addresses.len()];
        bots.push(Box::pin(Bot::new(number, settings.seed, central, &audit)).await);
    }
    report.bots = bots.len();

    let plan = plan::plan(settings.seed, settings.length, settings.faults);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut playing = JoinSet::new();
    for bot in bots {
        playing.spawn(Box::pin(bot.play(stopped.clone())));
    }
    hurt(&mut theatre, &plan, settings.length, &audit, &mut report).await;
    let mended = Instant::now();
    if let Err(missing) = becomes(&mut theatre, State::Whole, &backbone, WHOLE).await {
        report.is_stuck([missing]);
    }
    report.whole_after_ms = mended.elapsed().as_millis();
    stop.send_replace(true);
    let mut bots = Vec::new();
    while let Some(bot) = playing.join_next().await {
        bots.push(bot.expect("a player"));
    }
    watch.forget();
    let bots = come_back(&mut theatre, bots, &mut report).await;
    is_once(&backbone, &watch, &bots, &mut report).await;
    let bots = leave_and_compare(bots, &mut report).await;
    // Nobody is there any more whom one Map Server too many would serve.
    if let Err(missing) = becomes(&mut theatre, State::AsDesired, &backbone, WHOLE).await {
        report.is_stuck([missing]);
    }
    for bot in &bots {
        let changes = audit.of(bot.character).await;
        report.changes += changes.len();
        report.passed_over += audit::passed_over(&changes);
        report.doubles(audit::not_fenced(&changes));
        report.loses(audit::missing(&changes, bot.notes.write().promises.acks()));
    }
    report.loses(audit.unbalanced().await);
    report.take_notes(&bots);
    report.echoes_fenced = echo.fenced();
    report.fenced = theatre.logged("this copy is dropped, unsaved");
    report.ended_by_themselves = theatre.ended_by_themselves.len();
    report.oddities.append(&mut theatre.ended_by_themselves);
    audit.close().await;
    if !report.is_clean() {
        theatre.rig.keep_folder();
        for bot in &bots {
            let file = theatre.rig.folder().join(format!("{}.story", bot.name));
            std::fs::write(file, bot.notes.write().story()).expect("a player's story");
        }
    }
    report
}

/// The plan is carried out.
async fn hurt(
    theatre: &mut Theatre,
    plan: &[Fault],
    length: Duration,
    audit: &Audit,
    report: &mut Report,
) {
    let start = Instant::now();
    let begins = plan.iter().map(|fault| (fault.at, true, fault));
    let ends = plan.iter().map(|fault| (fault.at + fault.lasts, false, fault));
    let mut steps: Vec<(Duration, bool, &Fault)> = begins.chain(ends).collect();
    // The sort is stable: a fault of no length begins before it ends.
    steps.sort_by_key(|(at, ..)| *at);
    let mut steps = steps.into_iter().peekable();
    while start.elapsed() < length || steps.peek().is_some() {
        while let Some((_, begins, fault)) = steps.next_if(|(at, ..)| *at <= start.elapsed()) {
            let at = start.elapsed().as_secs_f32();
            println!("{at:6.1} s: {} {:?}", if begins { "begin" } else { "end  " }, fault.what);
            if !begins {
                theatre.end(fault.what).await;
            } else if theatre.begin(fault.what).await {
                report.faults += 1;
                *report.by_kind.entry(fault.what.to_string()).or_default() += 1;
            } else {
                report.missed += 1;
            }
        }
        // At any time, and not only once all has calmed down.
        report.loses(audit.unbalanced().await);
        theatre.tend();
        sleep(TURN).await;
    }
}

/// # Errors
/// What the Cluster knows instead, in words.
async fn becomes(
    theatre: &mut Theatre,
    state: State,
    backbone: &Backbone,
    limit: Duration,
) -> Result<(), String> {
    let start = Instant::now();
    while !theatre.is(state, backbone).await {
        if start.elapsed() > limit {
            let known = theatre.rig.peers().await;
            let maps = known.maps.iter().map(|map| map.server.to_string());
            let spawners = known.spawners.iter().map(|spawner| spawner.spawner.to_string());
            let known: Vec<String> = maps.chain(spawners).collect();
            return Err(format!("after {limit:?} the Cluster knows {known:?}"));
        }
        theatre.clear_held(backbone).await;
        theatre.tend();
        sleep(TURN).await;
    }
    Ok(())
}

/// Nobody is stuck: everybody leaves, if it was there, and enters anew.
async fn come_back(theatre: &mut Theatre, bots: Vec<Bot>, report: &mut Report) -> Vec<Bot> {
    let mut coming = JoinSet::new();
    for mut bot in bots {
        coming.spawn(Box::pin(async move {
            bot.leaves().await;
            let came = bot.comes_within(ENTERS).await;
            (bot, came.err())
        }));
    }
    let mut bots = Vec::new();
    while !coming.is_empty() {
        tokio::select! {
            Some(came) = coming.join_next() => {
                let (bot, stuck) = came.expect("a player");
                report.is_stuck(stuck);
                bots.push(bot);
            }
            () = sleep(TURN) => theatre.tend(),
        }
    }
    bots
}

/// Each is at one place: by the events, by the count of players, and by the ends of all stays that
/// were given up. See `watch`.
async fn is_once(backbone: &Backbone, watch: &Watch, bots: &[Bot], report: &mut Report) {
    let start = Instant::now();
    loop {
        let population = population(backbone).await;
        let mut wrong: Vec<String> = Vec::new();
        let here = bots.iter().filter(|bot| bot.is_here());
        if population != Some(here.clone().count()) {
            wrong.push(format!(
                "the maps have {population:?} players, not {}",
                here.clone().count()
            ));
        }
        for bot in here {
            let places = watch.of(bot.character);
            if places.len() != 1 {
                wrong.push(format!("{} is at {places:?}", bot.name));
            }
        }
        for bot in bots {
            let leftovers = bot.left_behind.iter().filter(|stay| !stay.is_finished()).count();
            if leftovers > 0 {
                wrong.push(format!("{} has {leftovers} older stays that go on", bot.name));
            }
        }
        if wrong.is_empty() {
            return;
        }
        if start.elapsed() > FENCED {
            return report.doubles(wrong);
        }
        sleep(TURN).await;
    }
}

async fn population(backbone: &Backbone) -> Option<usize> {
    let peers = backbone.call(&(), protocol::backbone::maps::ListPeers {}).await.ok()?;
    let sum: u32 = peers.maps.iter().map(|map| map.population).sum();
    usize::try_from(sum).ok()
}

/// Everybody leaves, saved, logs in anew and looks at what it has. What is wrong with it stands in
/// its notes.
async fn leave_and_compare(bots: Vec<Bot>, report: &mut Report) -> Vec<Bot> {
    let mut comparing = JoinSet::new();
    for mut bot in bots {
        comparing.spawn(Box::pin(async move {
            let mut stuck = None;
            if bot.is_here() && !bot.leaves().await {
                stuck = Some(format!("{} could not leave, saved", bot.name));
            }
            bot.forgets_its_login();
            let came = bot.comes_within(ENTERS).await;
            stuck = stuck.or(came.err());
            if bot.is_here() && !bot.looks(SOON).await {
                stuck = Some(format!("{} was not told what it has", bot.name));
            }
            bot.leaves().await;
            (bot, stuck)
        }));
    }
    let mut bots = Vec::new();
    while let Some(compared) = comparing.join_next().await {
        let (bot, stuck) = compared.expect("a player");
        report.is_stuck(stuck);
        bots.push(bot);
    }
    bots
}

//! The one owner of the stage, the seats and the players.
//!
//! [`Host`] is told things and ticks; it waits for nothing. What needs an answer of another
//! server goes out as a [`Job`] and comes back as an [`Outcome`].
//!
//! # Layout
//! - `run`: the task: tick, commands, outcomes, drain.
//! - `command`: what the host can be told. `inputs`: what clients say, on its way there.
//! - `arrivals`: seats, and entering. `departures`: leaving, evicting, draining.
//! - `emptying`: being emptied while others take over.
//! - `links`: connections that are lost, and taken up again.
//! - `play`: what players do, what the game asks for, and who is told.
//! - `warps`: hand-offs. `parties`: players that go together, and maps of their own. `saves`: what is to be written, and what came of it.
//! - `pace`: how often players are shown what happens.
//! - `outbox`: what waits for a client. `abandon`, `ended`: small memories.

mod abandon;
mod arrivals;
mod command;
mod departures;
mod emptying;
mod ended;
mod inputs;
mod links;
mod outbox;
mod pace;
mod parties;
mod play;
mod run;
mod saves;
mod warps;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use protocol::{
    AccountId, CharacterId, CharacterState, EntityId, Failure, MapName, Position, SessionId,
    backbone::{Done, maps::MapServer},
    play::PlayMessage,
};

pub(crate) use command::Reply;
pub(crate) use command::{
    Admitted, Command, Ending, Entry, HostLink, Resumption, Shown, Told, draining,
};
pub(crate) use links::LinkId;
pub(crate) use outbox::Inbox;
pub(crate) use run::{Channels, Vitals, run};

use self::{
    abandon::Abandons,
    emptying::Emptying,
    ended::EndedSessions,
    links::{Link, Lost, Silence},
    outbox::{Outbox, Spread},
    pace::Pacer,
    parties::{Gathering, Party},
    saves::Commit,
    warps::Warp,
};
use rustc_hash::FxHashMap;
use sessions::Note;
use world::{CommitId, Effect, Input, Pace, Stage, World};

use crate::{
    courier::News,
    jobs::{Held, Job, Outcome, PartyId, WarpId},
    keeper::Keeper,
    recorder::Recorder,
    recovery::Leftovers,
    seats::Seats,
};

/// Between two checks of all sessions, which find what a missed event would have told, and two looks
/// how far saving is behind.
const SWEEP: Duration = Duration::from_secs(5);
/// How long a leaving client waits for its character to be saved before it is told that this goes
/// on without it.
const FAREWELL: Duration = Duration::from_secs(3);

/// What happens on one map.
pub(crate) struct Host<W: World> {
    own: MapServer,
    stage: Stage<W>,
    /// What the last input made the game ask for; done before anything else happens.
    effects: Vec<Effect>,
    recorder: Recorder,
    seats: Seats,
    keeper: Keeper,
    players: Players,
    /// Those of the players whose connections are lost.
    lost: BTreeMap<EntityId, Lost>,
    present: HashMap<CharacterId, EntityId>,
    departing: BTreeMap<CharacterId, Departing>,
    warps: BTreeMap<WarpId, Warp>,
    next_warp: u64,
    parties: BTreeMap<PartyId, Party>,
    gatherings: BTreeMap<PartyId, Gathering>,
    commits: BTreeMap<CommitId, Commit>,
    abandons: Abandons,
    ended: EndedSessions,
    next_sweep: Instant,
    is_draining: bool,
    emptying: Option<Emptying>,
    /// This server was started for a party, and ends when that has gone.
    is_instance: bool,
    empty_since: Option<Instant>,
    instance_idle: Duration,
    link_grace: Duration,
    silence: Silence,
    pacer: Pacer,
    /// What the last call wants done; whoever called takes it.
    pub(crate) jobs: Vec<Job>,
    pub(crate) news: Vec<News>,
}

/// Everybody at play.
type Players = FxHashMap<EntityId, Player>;

/// Somebody at play.
#[derive(Debug)]
struct Player {
    character: CharacterId,
    account: AccountId,
    session: SessionId,
    /// What the session is written down as, should Redis lose it.
    note: Note,
    name: String,
    /// Where it goes on that leaves the game here: where it came from, on a map that is an
    /// instance.
    back: Option<(MapName, Option<Position>)>,
    link: Link,
    warp: Option<WarpId>,
}

/// Somebody that has left the map and is not saved yet.
#[derive(Debug)]
struct Departing {
    name: String,
    reason: String,
    /// The last state of this map, to be saved.
    last: CharacterState,
    /// Still to be told goodbye.
    outbox: Option<Outbox>,
    goodbye: Option<Failure>,
    since: Instant,
    /// Who waits until it is saved.
    waiting: Vec<Reply<Done>>,
}

/// Times that can be set, and how slow the pace may get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) save_every: Duration,
    pub(crate) seat_kept: Duration,
    /// How long an instance whose party has gone is kept for somebody who comes back.
    pub(crate) instance_idle: Duration,
    /// How long a player whose connection is lost stays for its client to come back; zero for not
    /// at all.
    pub(crate) link_grace: Duration,
    /// How long a client may say nothing.
    pub(crate) idle: Duration,
    pub(crate) slowest: Pace,
}

impl<W: World> Host<W> {
    pub(crate) fn new(
        own: MapServer,
        stage: Stage<W>,
        recorder: Recorder,
        times: Times,
        now: Instant,
    ) -> Self {
        Self {
            stage,
            effects: Vec::new(),
            recorder,
            seats: Seats::new(own.capacity, times.seat_kept),
            keeper: Keeper::new(times.save_every),
            players: Players::default(),
            lost: BTreeMap::new(),
            present: HashMap::new(),
            departing: BTreeMap::new(),
            warps: BTreeMap::new(),
            next_warp: 1,
            parties: BTreeMap::new(),
            gatherings: BTreeMap::new(),
            commits: BTreeMap::new(),
            abandons: Abandons::default(),
            ended: EndedSessions::default(),
            next_sweep: now + SWEEP,
            is_draining: false,
            emptying: None,
            is_instance: false,
            empty_since: None,
            instance_idle: times.instance_idle,
            link_grace: times.link_grace,
            silence: Silence::of(times.idle, now),
            pacer: Pacer::new(times.slowest),
            jobs: Vec::new(),
            news: Vec::new(),
            own,
        }
    }

    /// Players on the map.
    pub(crate) fn population(&self) -> u32 {
        u32::try_from(self.players.len()).unwrap_or(u32::MAX)
    }

    /// Places that are taken, by players and by those on their way.
    pub(crate) fn taken(&self) -> u32 {
        u32::try_from(self.seats.taken()).unwrap_or(u32::MAX)
    }

    /// Whether a party has claimed this server for itself.
    pub(crate) fn is_claimed(&self) -> bool {
        self.is_instance
    }

    /// Whether nothing of anybody is left to be saved or given up.
    pub(crate) fn is_empty(&self) -> bool {
        self.players.is_empty()
            && self.departing.is_empty()
            && self.warps.is_empty()
            && self.abandons.is_empty()
    }

    /// What would be lost if the host ended now.
    pub(crate) fn leftovers(&self) -> Leftovers {
        let playing = |character| self.present.get(&character).copied();
        Leftovers {
            commits: self.commits_asked(),
            characters: self.keeper.left(|character| self.state_of(playing(character)?)),
        }
    }

    pub(crate) fn handle(&mut self, command: Command, now: Instant) {
        // A caller that has stopped waiting misses its answer; the work stands.
        match command {
            Command::Reserve(seat, reply) => {
                let _ = reply.send(self.reserve(&seat, now));
            }
            Command::Cancel(cancel, reply) => {
                self.cancel(&cancel, now);
                let _ = reply.send(Ok(Done {}));
            }
            Command::Empty(drain, reply) => {
                let _ = reply.send(self.empty(&drain, now));
            }
            Command::Evict(evict, reply) => self.evict(&evict, reply, now),
            Command::TakeSeat(shown, reply) => {
                let _ = reply.send(self.take_seat(&shown, now));
            }
            Command::Forfeit(character) => self.forfeit(character, now),
            Command::Enter(entry, reply) => {
                if let Err(Ok(unheard)) = reply.send(self.enter(*entry, now)) {
                    // Its client was not told how to come back.
                    let reason = "it took too long to enter".to_owned();
                    self.depart(unheard.link.entity, reason, None, now);
                }
            }
            Command::Resume(back, reply) => {
                let _ = reply.send(self.resume(&back, now));
            }
            Command::Ended(link, ending) => self.link_ended(link, ending, now),
            Command::SessionEnded(ended) => self.end_session(ended.session, ended.why, now),
        }
    }

    pub(crate) fn outcome(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Written(character, written) => self.written(character, written, now),
            Outcome::Committed(commit, answer) => self.committed(commit, answer, now),
            Outcome::Abandoned(character, answer) => {
                self.abandons.answered(character, &answer, now);
            }
            Outcome::Swept(over) => {
                for session in over {
                    self.end_session(session, protocol::Code::TokenInvalid, now);
                }
            }
            outcome => self.warp_outcome(outcome, now),
        }
    }

    /// One step of the world, and whatever is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.happen(Input::Tick, now);
        self.recorder.ticked(&self.stage, now);
        self.show(now);
        for character in self.seats.expire(now) {
            self.abandons.add(character, now);
        }
        self.jobs.extend(self.abandons.ask(now).into_iter().map(Job::Abandon));
        self.move_players(now);
        self.tick_warps(now);
        self.tick_commits(now);
        self.lose_silent(now);
        self.give_up_links(now);
        self.save_due(now);
        self.say_late_goodbyes(now);
        self.sweep(now);
        self.retire(now);
    }

    fn sweep(&mut self, now: Instant) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        self.measure_backlog(now);
        let players = self.players.values();
        let held: Vec<Held> =
            players.map(|player| (player.account, player.session, player.note.clone())).collect();
        if !held.is_empty() {
            self.jobs.push(Job::Sweep(held));
        }
    }

    /// How far saving is behind.
    fn measure_backlog(&self, now: Instant) {
        let (oldest, failed) = self.keeper.backlog(now);
        metrics::gauge!("mmo_map_unsaved_seconds").set(oldest.as_secs_f64());
        metrics::gauge!("mmo_map_saves_failing").set(failed as f64);
    }

    /// The game in it has failed: writes down what led to it.
    pub(crate) fn crashed(&self, what: &str) -> io::Result<Option<PathBuf>> {
        let what = format!("tick {}: {what}", self.stage.tick());
        self.recorder.crashed(self.own.server.as_str(), &what)
    }

    /// What happens on the map, to be looked at.
    #[cfg(test)]
    pub(crate) fn stage(&self) -> &Stage<W> {
        &self.stage
    }

    /// The state of a character that plays here.
    fn state_of(&self, entity: EntityId) -> Option<CharacterState> {
        let player = self.players.get(&entity)?;
        let data = self.stage.stored(entity)?;
        let (map, position) = player.back.clone().unwrap_or_else(|| {
            let here = self.stage.entity(entity).map(world::Entity::position);
            (self.own.map.clone(), here)
        });
        Some(CharacterState { map, position, data })
    }
}

/// The last word to a client.
fn goodbye(failure: Option<Failure>) -> Spread {
    if let Some(failure) = &failure {
        let code = failure.code.as_str();
        metrics::counter!("mmo_map_goodbyes_total", "code" => code).increment(1);
    }
    Spread::new(PlayMessage::Goodbye { failure })
}

#[cfg(test)]
pub(crate) mod tests;

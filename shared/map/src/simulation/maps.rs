//! The two Map Servers: real hosts, whose memory a crash takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::{
    CharacterId, Code, Failure, Incarnation,
    backbone::{
        Done,
        characters::{AbandonCharacter, LoadCharacter, ReleaseCharacter, SaveCharacter},
        maps::MapServer,
    },
};
use tokio::sync::oneshot::{self, error::TryRecvError};
use world::{Pace, Stage, atlas::MapPlan};

use super::{
    Planted, Simulation,
    game::Purses,
    network::{Answer, Ask, CallId, Caller, Party, Said},
};
use crate::{
    host::{Command, Host, Reply, Times, tests::server},
    jobs::{Job, Outcome, TRANSFER_PAUSE},
    keeper::{Write, Written},
    recorder::Recorder,
};

/// A Map Server that has ended is there again after so long.
const RESTART: Duration = Duration::from_secs(2);
/// Patience with one try, in milliseconds, and how many tries: as `jobs` and `nats` have them.
pub(super) const CALL: (u64, u32) = (1500, 1);
const WARP_STEP: (u64, u32) = (800, 1);
const TRANSFER: (u64, u32) = (700, 3);
const CANCEL: (u64, u32) = (800, 2);

pub(super) struct Map {
    plan: Arc<MapPlan>,
    pub(super) own: MapServer,
    pub(super) host: Option<Host<Purses>>,
    pub(super) down_since: Option<Instant>,
    /// Since when and until when nobody can reach it, nor it anybody.
    pub(super) cut: Option<(Instant, Instant)>,
    /// Evictions that are not answered yet.
    evictions: Vec<(CallId, oneshot::Receiver<Result<Done, Failure>>)>,
    /// Transfers that are to be asked for again.
    later: Vec<(Instant, Job)>,
    /// How much of what the game was told has been looked at.
    told: usize,
    found: usize,
}

impl Map {
    pub(super) fn new(name: &str, now: Instant) -> Self {
        let plan = Arc::new(MapPlan::field(name.parse().unwrap(), 16.0, 16.0));
        let own = MapServer { capacity: 8, ..server(&format!("{name}-1"), name) };
        let mut map = Self {
            plan,
            own,
            host: None,
            down_since: None,
            cut: None,
            evictions: Vec::new(),
            later: Vec::new(),
            told: 0,
            found: 0,
        };
        map.start(now);
        map
    }

    /// A new life begins, which knows nothing of the one before.
    fn start(&mut self, now: Instant) {
        self.own.incarnation = Incarnation::new();
        let times = Times {
            save_every: Duration::from_secs(10),
            seat_kept: Duration::from_secs(10),
            instance_idle: Duration::from_secs(30),
            link_grace: Duration::from_secs(5),
            idle: Duration::from_secs(300),
            slowest: Pace::Sparse,
        };
        let stage = Stage::open(self.plan.clone(), 1).unwrap();
        self.host = Some(Host::new(self.own.clone(), stage, Recorder::none(), times, now));
        (self.down_since, self.told, self.found) = (None, 0, 0);
    }

    pub(super) fn is_cut(&self, now: Instant) -> bool {
        self.cut.is_some_and(|(_, until)| now < until)
    }

    /// Nobody waits for anything here.
    pub(super) fn is_settled(&self) -> bool {
        let host = self.host.as_ref();
        self.later.is_empty() && host.is_some_and(|host| host.stage().world().is_settled())
    }
}

impl Simulation {
    /// Everything in a host's memory is gone.
    pub(super) fn crash(&mut self, index: usize) {
        let map = &mut self.maps[index];
        if map.host.take().is_none() {
            return;
        }
        self.is_lossy = true;
        map.down_since = Some(self.now);
        map.evictions.clear();
        map.later.clear();
        self.network.calls.retain(|_, call| {
            let by = call.caller.party();
            by != Party::Map(index)
        });
        self.connections_end(index);
    }

    /// One tick of every host; those that have ended start again in time.
    pub(super) fn tick_maps(&mut self) {
        for index in 0..self.maps.len() {
            let (now, map) = (self.now, &mut self.maps[index]);
            if map.down_since.is_some_and(|since| now >= since + RESTART) {
                map.start(now);
            }
            let due: Vec<Job> = map.later.extract_if(.., |it| it.0 <= now).map(|it| it.1).collect();
            for job in due {
                self.send_job(index, job);
            }
            self.with_host(index, |host, now| host.tick(now));
        }
    }

    /// Tells a host that lives something, and does what it asks for.
    pub(super) fn with_host<T>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut Host<Purses>, Instant) -> T,
    ) -> Option<T> {
        let host = self.maps[index].host.as_mut()?;
        let answer = call(host, self.now);
        host.news.clear();
        let jobs = std::mem::take(&mut host.jobs);
        for job in jobs {
            match job {
                Job::Transfer { again: true, .. } => {
                    self.maps[index].later.push((self.now + TRANSFER_PAUSE, job));
                }
                job => self.send_job(index, job),
            }
        }
        self.look_at(index);
        Some(answer)
    }

    pub(super) fn ask_host<T>(
        &mut self,
        index: usize,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Failure> {
        let (reply, mut answer) = oneshot::channel();
        self.with_host(index, |host, now| host.handle(command(reply), now));
        answer.try_recv().unwrap_or_else(|_| Err(Failure::new(Code::Unavailable, "it is gone")))
    }

    /// Compares what the game was told with what is stored; answers evictions that are done.
    fn look_at(&mut self, index: usize) {
        let (now, map) = (self.now, &mut self.maps[index]);
        let Some(host) = &map.host else { return };
        let game = host.stage().world();
        for (change, is_done) in &game.told[map.told..] {
            self.store.told(*change, *is_done);
            self.told.insert(*change, *is_done);
        }
        self.found.extend(&game.found[map.found..]);
        (map.told, map.found) = (game.told.len(), game.found.len());
        let network = &mut self.network;
        map.evictions.retain_mut(|(call, answer)| match answer.try_recv() {
            Err(TryRecvError::Empty) => true,
            Err(TryRecvError::Closed) => false,
            Ok(answer) => {
                network.reply(*call, answer.map(|_| Said::Done), now);
                false
            }
        });
    }

    /// A host is asked something by another server.
    pub(super) fn serve_map(&mut self, index: usize, call: CallId, ask: Ask) -> Option<Answer> {
        Some(match ask {
            Ask::Reserve(seat) => {
                self.ask_host(index, |reply| Command::Reserve(seat, reply)).map(Said::Seat)
            }
            Ask::Cancel(cancel) => {
                self.ask_host(index, |reply| Command::Cancel(cancel, reply)).map(|_| Said::Done)
            }
            Ask::Evict(evict) => {
                let (reply, answer) = oneshot::channel();
                self.maps[index].evictions.push((call, answer));
                self.with_host(index, |host, now| host.handle(Command::Evict(evict, reply), now));
                return None;
            }
            other => panic!("no Map Server serves {other:?}"),
        })
    }

    /// The index of the server of this life, if it is the present one.
    pub(super) fn place(&self, life: &protocol::backbone::Life) -> usize {
        self.maps.iter().position(|map| map.own.server == life.server).unwrap()
    }

    fn send_job(&mut self, index: usize, job: Job) {
        let own = self.maps[index].own.life();
        let central = Party::Central;
        let (to, ask, patience, told): (_, _, _, Box<dyn FnOnce(Answer) -> Outcome>) = match job {
            Job::Write(character, write) => {
                let (ask, told) = written(character, *write, own.clone());
                (central, ask, CALL, told)
            }
            Job::Commit(commit, saves) => {
                let told = move |answer| Outcome::Committed(commit, claims(answer));
                (central, Ask::Commit(saves), CALL, Box::new(told))
            }
            Job::Abandon(character) => {
                let ask = Ask::Abandon(AbandonCharacter { character, owner: own.clone() });
                let told =
                    move |answer: Answer| Outcome::Abandoned(character, answer.map(|_| Done {}));
                (central, ask, CALL, Box::new(told))
            }
            Job::Route(warp, map) => {
                let told = move |answer| Outcome::Routed(warp, routed(answer));
                (central, Ask::Route(map), WARP_STEP, Box::new(told))
            }
            Job::Seat(warp, target, seat) => {
                let (to, character) = (self.place(&target.life()), seat.character);
                let target = target.server;
                let told = move |answer| {
                    let answer = seated(answer);
                    Outcome::Reserved { warp, target, character, answer }
                };
                (Party::Map(to), Ask::Reserve(seat), WARP_STEP, Box::new(told))
            }
            Job::Transfer { warp, transfer, .. } => {
                let told = move |answer: Answer| Outcome::Transferred(warp, answer.map(drop));
                let once = self.planted == Planted::LostTransferIsDone;
                let patience = if once { (TRANSFER.0, 1) } else { TRANSFER };
                (central, Ask::Transfer(*transfer), patience, Box::new(told))
            }
            Job::CancelSeat(server, cancel) => {
                let to = self.maps.iter().position(|map| map.own.server == server).unwrap();
                let (to, ask) = (Party::Map(to), Ask::Cancel(cancel));
                return self.call(Caller::Nobody, Some(index), to, ask, CANCEL);
            }
            // Sessions and instances are not simulated.
            Job::Sweep(_) | Job::Spawn(..) | Job::RouteParty(..) | Job::Retire(_) => return,
        };
        let caller = Caller::Host(index, own.incarnation, told);
        self.call(caller, Some(index), to, ask, patience);
    }
}

fn written(
    character: CharacterId,
    write: Write,
    owner: protocol::backbone::Life,
) -> (Ask, Box<dyn FnOnce(Answer) -> Outcome>) {
    match write {
        Write::Check => {
            let told = move |answer| {
                let loaded = match answer {
                    Ok(Said::Loaded(loaded)) => Ok(loaded.claim),
                    other => Err(other.unwrap_err()),
                };
                Outcome::Written(character, Written::Checked(loaded))
            };
            (Ask::Load(LoadCharacter { character, owner }), Box::new(told))
        }
        Write::Save { claim, state, ledger } => {
            let told = move |answer| {
                let saved = claims(answer).map(|claims| claims[0].clone());
                Outcome::Written(character, Written::Saved(saved))
            };
            (Ask::Save(SaveCharacter { character, claim, state, ledger }), Box::new(told))
        }
        Write::Release { claim, state, ledger } => {
            let told = move |answer: Answer| {
                Outcome::Written(character, Written::Released(answer.map(drop)))
            };
            (Ask::Release(ReleaseCharacter { character, claim, state, ledger }), Box::new(told))
        }
    }
}

fn claims(answer: Answer) -> Result<Vec<protocol::backbone::characters::Claim>, Failure> {
    match answer? {
        Said::Claims(claims) => Ok(claims),
        other => panic!("{other:?}"),
    }
}

fn routed(answer: Answer) -> Result<Box<MapServer>, Failure> {
    match answer? {
        Said::Routed(server) => Ok(server),
        other => panic!("{other:?}"),
    }
}

pub(super) fn seated(answer: Answer) -> Result<protocol::backbone::seats::SeatReserved, Failure> {
    match answer? {
        Said::Seat(seat) => Ok(seat),
        other => panic!("{other:?}"),
    }
}

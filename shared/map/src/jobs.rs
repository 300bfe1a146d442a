//! Work that waits for others, done beside the tick: a job in, its outcome back to the host.

use std::{sync::Arc, time::Duration};

use nats::Backbone;
use protocol::{
    AccountId, CharacterId, Code, Failure, MapName, ServerId, SessionId,
    backbone::{
        Done, Life,
        characters::{
            AbandonCharacter, Claim, CommitCharacters, LoadCharacter, ReleaseCharacter,
            SaveCharacter, TransferCharacter,
        },
        maps::{MapServer, Route},
        seats::{CancelSeat, ReserveSeat, SeatReserved},
        spawners::{SpawnMap, StopMap},
    },
};
use sessions::{Note, Sessions};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use world::CommitId;

use crate::keeper::{Write, Written};

/// Jobs worked on at once; more wait in their channel.
const AT_ONCE: usize = 64;
/// Longest wait for a route or a seat: both together must fit into the 2 s after which a player
/// is told that a warp failed.
const WARP_STEP: Duration = Duration::from_millis(800);
/// Longest wait for one answer about a transfer, asked for [`TRANSFER_TRIES`] times with one id.
const TRANSFER_STEP: Duration = Duration::from_millis(700);
const TRANSFER_TRIES: u32 = 3;
/// Longest wait until an instance has started.
const SPAWN: Duration = Duration::from_secs(5);
/// Before the same transfer is asked for again.
pub(crate) const TRANSFER_PAUSE: Duration = Duration::from_millis(300);

/// How long after its deadline a request may still be done: machines' clocks differ by up to a
/// second, and what has begun then ends. What is read before that may not be the last word.
pub(crate) const LATE: Duration = Duration::from_millis(1250);

/// Which warp; never used again within one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WarpId(pub(crate) u64);

/// Which party goes somewhere; never used again within one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartyId(pub(crate) u64);

/// A session at play.
pub(crate) type Held = (AccountId, SessionId, Note);

/// Something to be asked of another server.
#[derive(Debug)]
pub(crate) enum Job {
    Write(CharacterId, Box<Write>),
    /// Save these together.
    Commit(CommitId, Vec<SaveCharacter>),
    Abandon(CharacterId),
    Route(WarpId, MapName),
    Seat(WarpId, Box<MapServer>, ReserveSeat),
    Transfer {
        warp: WarpId,
        transfer: Box<TransferCharacter>,
        again: bool,
    },
    /// Start an instance of a map for a party.
    Spawn(PartyId, MapName),
    /// Find a Map Server of a map for a party of so many.
    RouteParty(PartyId, MapName, u32),
    /// End an instance for good. No outcome: it is asked for again.
    Retire(ServerId),
    /// No outcome: a seat that cannot be cancelled expires.
    CancelSeat(ServerId, CancelSeat),
    /// Which of these sessions are over? The others are kept.
    Sweep(Vec<Held>),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Written(CharacterId, Written),
    Committed(CommitId, Result<Vec<Claim>, Failure>),
    Abandoned(CharacterId, Result<Done, Failure>),
    Routed(WarpId, Result<Box<MapServer>, Failure>),
    Reserved {
        warp: WarpId,
        target: ServerId,
        character: CharacterId,
        answer: Result<SeatReserved, Failure>,
    },
    Transferred(WarpId, Result<(), Failure>),
    Placed(PartyId, Result<Box<MapServer>, Failure>),
    /// These are over.
    Swept(Vec<SessionId>),
}

impl Job {
    /// The outcome of a job that there was no room for.
    pub(crate) fn refused(self) -> Option<Outcome> {
        let busy = Failure::new(Code::Busy, "too much is waiting to be saved; try again shortly");
        Some(match self {
            Self::Write(character, write) => Outcome::Written(character, answered(&write, busy)),
            Self::Commit(commit, _) => Outcome::Committed(commit, Err(busy)),
            Self::Abandon(character) => Outcome::Abandoned(character, Err(busy)),
            Self::Route(warp, _) => Outcome::Routed(warp, Err(busy)),
            Self::Seat(warp, target, seat) => {
                let (target, character) = (target.server, seat.character);
                Outcome::Reserved { warp, target, character, answer: Err(busy) }
            }
            Self::Transfer { warp, .. } => Outcome::Transferred(warp, Err(busy)),
            Self::Spawn(party, _) | Self::RouteParty(party, ..) => {
                Outcome::Placed(party, Err(busy))
            }
            Self::CancelSeat(..) | Self::Sweep(_) | Self::Retire(_) => return None,
        })
    }
}

fn answered(write: &Write, failure: Failure) -> Written {
    match write {
        Write::Check => Written::Checked(Err(failure)),
        Write::Save { .. } => Written::Saved(Err(failure)),
        Write::Release { .. } => Written::Released(Err(failure)),
    }
}

/// Does jobs until their channel is closed, then ends those that are going on.
pub(crate) async fn work(
    mut jobs: mpsc::Receiver<Job>,
    outcomes: mpsc::Sender<Outcome>,
    desk: Desk,
) {
    let (desk, room) = (Arc::new(desk), Arc::new(Semaphore::new(AT_ONCE)));
    let mut working = JoinSet::new();
    while let Some(job) = jobs.recv().await {
        // The semaphore is never closed, so a permit always comes.
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        while working.try_join_next().is_some() {}
        let (desk, outcomes) = (desk.clone(), outcomes.clone());
        working.spawn(async move {
            if let Some(outcome) = desk.handle(job).await {
                // The host is gone: nobody wants to know.
                let _ = outcomes.send(outcome).await;
            }
            drop(permit);
        });
    }
    while working.join_next().await.is_some() {}
}

/// Whom jobs are asked of, and as whom. Every call has a deadline.
pub(crate) struct Desk {
    pub(crate) backbone: Backbone,
    pub(crate) sessions: Sessions,
    pub(crate) own: Life,
}

impl Desk {
    async fn handle(&self, job: Job) -> Option<Outcome> {
        Some(match job {
            Job::Write(character, write) => {
                let written = self.write(character, *write).await;
                count(&written);
                Outcome::Written(character, written)
            }
            Job::Commit(commit, saves) => {
                let count = saves.len();
                let answer = self.backbone.call(&(), CommitCharacters { saves }).await;
                let outcome = answer.as_ref().map_or_else(|it| it.code.as_str(), |_| "committed");
                metrics::counter!("mmo_map_saves_total", "outcome" => outcome).increment(1);
                Outcome::Committed(commit, answer.and_then(|done| all_of(done.claims, count)))
            }
            Job::Abandon(character) => {
                let abandon = AbandonCharacter { character, owner: self.own.clone() };
                Outcome::Abandoned(character, self.backbone.call(&(), abandon).await)
            }
            Job::Route(warp, map) => Outcome::Routed(warp, self.route(Route::to(map)).await),
            Job::Seat(warp, target, seat) => {
                let (target, character) = (target.server, seat.character);
                let answer = self.backbone.call_within(&target, seat, WARP_STEP).await;
                Outcome::Reserved { warp, target, character, answer }
            }
            Job::Transfer { warp, transfer, again } => {
                if again {
                    tokio::time::sleep(TRANSFER_PAUSE).await;
                }
                let (step, tries) = (TRANSFER_STEP, TRANSFER_TRIES);
                let answer = self.backbone.call_again(&(), *transfer, step, tries).await;
                Outcome::Transferred(warp, answer.map(drop))
            }
            Job::Spawn(party, map) => Outcome::Placed(party, self.spawn(map).await),
            Job::RouteParty(id, map, party) => {
                Outcome::Placed(id, self.route(Route { party, ..Route::to(map) }).await)
            }
            Job::Retire(server) => {
                let _ = self.backbone.call_within(&(), StopMap { server }, SPAWN).await;
                return None;
            }
            Job::CancelSeat(target, cancel) => {
                // Should it fail, the seat expires.
                let _ = self.backbone.call_again(&target, cancel, WARP_STEP, 2).await;
                return None;
            }
            Job::Sweep(held) => Outcome::Swept(self.sweep(&held).await?),
        })
    }

    /// Finds another Map Server.
    async fn route(&self, route: Route) -> Result<Box<MapServer>, Failure> {
        let routed = self.backbone.call_within(&(), route, WARP_STEP).await?;
        match routed.server.life() == self.own {
            true => Err(Failure::new(Code::NoServer, "no other channel is up yet")),
            false => Ok(Box::new(routed.server)),
        }
    }

    /// Starts a Map Server and finds out how it is reached.
    async fn spawn(&self, map: MapName) -> Result<Box<MapServer>, Failure> {
        let spawn = SpawnMap { map, channel: None, instance: true };
        let spawned = self.backbone.call_within(&(), spawn, SPAWN).await?;
        let peers = self.backbone.all_peers(WARP_STEP).await?;
        let server = peers.maps.into_iter().find(|server| server.life() == spawned.life);
        server.map(Box::new).ok_or_else(|| {
            Failure::new(Code::SpawnFailed, "the instance has ended already; try again")
        })
    }

    async fn write(&self, character: CharacterId, write: Write) -> Written {
        match write {
            Write::Check => {
                let load = LoadCharacter { character, owner: self.own.clone() };
                let loaded = self.backbone.call(&(), load).await;
                Written::Checked(loaded.map(|loaded| loaded.claim))
            }
            Write::Save { claim, state, ledger } => {
                let save = SaveCharacter { character, claim, state, ledger };
                Written::Saved(self.backbone.call(&(), save).await.map(|saved| saved.claim))
            }
            Write::Release { claim, state, ledger } => {
                let release = ReleaseCharacter { character, claim, state, ledger };
                Written::Released(self.backbone.call(&(), release).await.map(drop))
            }
        }
    }

    /// `None` while Redis is away: nothing is known then.
    async fn sweep(&self, held: &[Held]) -> Option<Vec<SessionId>> {
        let noted = held.iter().map(|(account, _, note)| (*account, note));
        let holds = self.sessions.keep(noted).await.ok()?;
        let over = held.iter().zip(holds).filter(|(_, holds)| !holds);
        Some(over.map(|((_, session, _), _)| *session).collect())
    }
}

/// Whether the store has said no, as against not having been heard: a fault of the answerer may
/// have struck after the transaction.
pub(crate) fn is_refusal(failure: &Failure) -> bool {
    !failure.retry && failure.code != Code::Internal
}

/// An answer that is short of claims is none.
fn all_of(claims: Vec<Claim>, count: usize) -> Result<Vec<Claim>, Failure> {
    if claims.len() == count {
        return Ok(claims);
    }
    Err(Failure::new(Code::Internal, "the answer to a commit lacks claims"))
}

fn count(written: &Written) {
    let outcome = match written {
        Written::Checked(_) => return,
        Written::Saved(Ok(_)) => "saved",
        Written::Released(Ok(())) => "released",
        Written::Saved(Err(failure)) | Written::Released(Err(failure)) => failure.code.as_str(),
    };
    metrics::counter!("mmo_map_saves_total", "outcome" => outcome).increment(1);
}

//! Brings the bots to the field, and back to it after a warp or a loss.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use anyhow::bail;
use protocol::MapName;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    bot::Departure,
    door::{Door, Origin, Who},
    field::{Field, Return},
    tally::Tally,
};
use crate::{
    entrance::Entered,
    process::{Memory, Process},
};

/// Bots on their way in at once; Central hashes a password or two at a time and queues 64.
const AT_ONCE: usize = 64;
/// As [`AT_ONCE`], where nobody logs in.
const AT_ONCE_RAW: usize = 512;
/// How long nobody new may arrive before the rest is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The server's memory is compared with what it was with so many.
pub(super) const FIRST: usize = 100;

/// A bot's arrival: who it is and where it stands, or why it does not.
type Arrival = (usize, anyhow::Result<(Who, Entered)>);

/// All bots, wherever they are.
pub(super) struct Crew {
    door: Arc<Door>,
    pub(super) field: Field,
    /// The map that they are to be on before it counts.
    map: Option<MapName>,
    server: Option<Process>,
    /// Who each is, by number, once it has logged in.
    known: Vec<Option<Who>>,
    /// Who is on the map where it should be, by number.
    there: Vec<bool>,
    waiting: VecDeque<(usize, Origin)>,
    coming: JoinSet<Arrival>,
    /// Bots a second, at first.
    ramp: u32,
    /// How many have set out for the first time.
    sent: usize,
    began: Instant,
    progress: Instant,
    /// Bots that were given up, and why the first one was.
    pub(super) failed: usize,
    pub(super) failure: Option<String>,
    /// The server's memory with the first hundred.
    pub(super) first_memory: Option<Memory>,
}

impl Crew {
    pub(super) fn new(door: Door, field: Field, clients: usize, ramp: u32) -> Self {
        let now = Instant::now();
        Self {
            door: Arc::new(door),
            field,
            map: None,
            server: None,
            known: vec![None; clients],
            there: vec![false; clients],
            waiting: VecDeque::new(),
            coming: JoinSet::new(),
            ramp,
            sent: 0,
            began: now,
            progress: now,
            failed: 0,
            failure: None,
            first_memory: None,
        }
    }

    /// Has the bots go to this map, if to any, and looks at this server's memory on the way.
    pub(super) fn with(mut self, map: Option<MapName>, server: Option<Process>) -> Self {
        (self.map, self.server) = (map, server);
        self
    }

    /// How many play.
    pub(super) fn playing(&self) -> usize {
        self.field.scene.playing.load(Relaxed)
    }

    /// How many are where they should be.
    pub(super) fn there(&self) -> usize {
        self.there.iter().filter(|there| **there).count()
    }

    /// Whether all are there, but for those who were given up.
    ///
    /// # Errors
    /// When nobody comes any more.
    pub(super) fn is_gathered(&self) -> anyhow::Result<bool> {
        let there = self.there();
        if there + self.failed >= self.there.len() || self.progress.elapsed() > PATIENCE {
            let why = self.failure.as_deref().unwrap_or("none came to the map in time");
            if there == 0 {
                bail!("no bot could come: {why}");
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Does what comes next, or nothing until a time.
    pub(super) async fn turn(&mut self, until: Instant) -> anyhow::Result<()> {
        self.set_out();
        tokio::select! {
            Some(arrived) = self.coming.join_next() => {
                let (number, arrived) = arrived?;
                match arrived {
                    Ok((who, entered)) => self.arrive(number, who, entered)?,
                    Err(error) => self.give_up(&error),
                }
            }
            Some(Return { number, why }) = self.field.returns.recv() => self.come_back(number, why),
            () = sleep_until(until) => {}
        }
        Ok(())
    }

    /// Ends the measurement and has all leave.
    pub(super) async fn end(mut self) -> anyhow::Result<Tally> {
        self.coming.abort_all();
        self.field.end().await
    }

    fn set_out(&mut self) {
        let share = self.began.elapsed().as_secs_f64() * f64::from(self.ramp);
        let at_once = if self.door.raw { AT_ONCE_RAW } else { AT_ONCE };
        while self.coming.len() < at_once {
            let (number, origin) = if let Some(waiting) = self.waiting.pop_front() {
                waiting
            } else if self.sent < self.there.len() && self.sent as f64 <= share {
                self.sent += 1;
                (self.sent - 1, Origin::Lobby(None))
            } else {
                return;
            };
            let door = Arc::clone(&self.door);
            self.coming.spawn(async move { (number, door.bring(number, origin).await) });
        }
    }

    fn arrive(&mut self, number: usize, who: Who, entered: Entered) -> anyhow::Result<()> {
        if let (Some(known), Some(there)) = (self.known.get_mut(number), self.there.get_mut(number))
        {
            *known = Some(who);
            let arrived = self.map.as_ref().is_none_or(|map| *map == entered.place.map);
            if arrived && !*there {
                (*there, self.progress) = (true, Instant::now());
            }
        }
        self.field.join(number, entered)?;
        if self.first_memory.is_none() && self.there() >= FIRST {
            self.first_memory = self.server.map(Process::memory).transpose()?;
        }
        Ok(())
    }

    fn come_back(&mut self, number: usize, why: Departure) {
        let who = self.known.get(number).cloned().flatten();
        let origin = match (why, who) {
            (Departure::Warp(seat), Some(who)) => Origin::Map(who, seat),
            (_, who) => {
                if let Some(there) = self.there.get_mut(number) {
                    *there = false;
                }
                Origin::Lobby(who)
            }
        };
        self.waiting.push_back((number, origin));
    }

    fn give_up(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }
}

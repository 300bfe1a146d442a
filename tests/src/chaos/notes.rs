//! What is known of one player, shared by its loop and by those who listen for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::promises::{Broken, Promises};

/// One player's notes.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Written>>);

/// What stands in them.
#[derive(Debug, Default)]
pub struct Written {
    /// What it was promised.
    pub promises: Promises,
    /// The number of its present stay. An older one may go on for a while: its map hung when the
    /// player gave it up, or does not know yet that the character was taken from it.
    pub stay: u32,
    /// It has heard what it has, in its present stay.
    has_looked: bool,
    /// Since when it has heard nothing of its map.
    alive: Option<Instant>,
    /// The longest time in which it could not play.
    pub unplayable: Duration,
    /// Times that it arrived on another map.
    pub warps: u32,
    /// Acknowledgements that came after the player had given up the stay in which it had asked.
    pub late_acks: u32,
    /// What is gone, in words.
    pub losses: Vec<String>,
    /// What is there twice, in words.
    pub duplicates: Vec<String>,
    /// Refusals after which trying again makes no sense, in words: a user would not know what to
    /// do.
    pub oddities: Vec<String>,
    /// What it did and heard, for whoever looks into what went wrong.
    story: VecDeque<String>,
}

/// How much of its story a player remembers.
const STORY: usize = 400;

impl Notes {
    /// To read or write; never held over an await.
    ///
    /// # Panics
    /// When somebody who held it did.
    pub fn write(&self) -> MutexGuard<'_, Written> {
        self.0.lock().expect("the notes")
    }
}

impl Written {
    /// The player has heard something of its map.
    pub fn is_alive(&mut self) {
        let now = Instant::now();
        if let Some(before) = self.alive.replace(now) {
            self.unplayable = self.unplayable.max(now - before);
        }
    }

    /// Notes what happens.
    pub fn note(&mut self, what: String) {
        if self.story.len() >= STORY {
            self.story.pop_front();
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (s, ms) = (since.as_secs() % 3600, since.subsec_millis());
        // As the servers' logs have it, without the hour.
        self.story.push_back(format!(
            "{:02}:{:02}.{ms:03} stay {}: {what}",
            s / 60,
            s % 60,
            self.stay
        ));
    }

    /// What it did and heard.
    pub fn story(&self) -> String {
        self.story.iter().fold(String::new(), |all, line| all + line + "\n")
    }

    /// The player left by its own will; the time until it comes back is its own.
    pub fn is_away(&mut self) {
        self.alive = None;
    }

    /// A stay begins; its number.
    pub fn begin_stay(&mut self) -> u32 {
        self.is_alive();
        self.has_looked = false;
        self.stay += 1;
        self.stay
    }

    /// Whether it has heard what it has, in its present stay.
    pub fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// The player is on a map, and hears what it has.
    pub fn enters(&mut self, who: &str, coins: u32) {
        self.has_looked = true;
        match self.promises.enters(coins) {
            Ok(()) => {}
            Err(Broken::Lost(what)) => self.losses.push(format!("{who} {what}")),
            Err(Broken::Doubled(what)) => self.duplicates.push(format!("{who} {what}")),
        }
    }
}

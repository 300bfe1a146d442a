//! One stay of a player in the world: from the selection at Central, over any number of warps, to
//! the end of the connection. Somebody listens all the while, also when the player has given the
//! stay up and plays on by another client.

use std::{sync::Arc, time::Duration};

use client::{Client, ClientEvent, Events, Reason};
use protocol::{CharacterId, Position};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{audit::Audit, notes::Notes};

/// Between two pings.
const PULSE: Duration = Duration::from_millis(300);
/// A user who sees nothing move for so long starts the game again.
const PATIENCE: Duration = Duration::from_secs(3);
/// Signals that wait for a player who is busy.
const QUEUE: usize = 1024;

/// What matters to the player's loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// It found a coin.
    Coins,
    /// It has what it asked for.
    Bought,
    /// It has not.
    NotBought,
    /// It is on another map, or has just come, and knows what it has.
    Warped,
    /// It is not.
    WarpRefused,
    /// The connection has ended.
    Lost,
    /// The map says nothing.
    Silent,
}

/// What the game says, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Output {
    Coins {
        total: u32,
    },
    Bought {
        total: u32,
    },
    NotBought {
        why: String,
    },
    #[serde(other)]
    Other,
}

/// Why a stay is over for its player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over;

/// A stay.
pub struct Stay {
    /// Every call.
    pub client: Arc<Client>,
    signals: mpsc::Receiver<Signal>,
    /// Ends when the connection does.
    pub listening: JoinHandle<()>,
}

/// Whoever listens for a player.
struct Listener {
    number: u32,
    name: String,
    character: CharacterId,
    notes: Notes,
    audit: Audit,
    signals: mpsc::Sender<Signal>,
    /// The next sum of coins is the one that the player came with.
    has_just_come: bool,
}

impl Stay {
    /// Listens from now on, to a client that has entered.
    pub fn begin(
        (client, events): (Client, Events),
        (name, character): (&str, CharacterId),
        notes: &Notes,
        audit: &Audit,
    ) -> Self {
        let (client, (sender, signals)) = (Arc::new(client), mpsc::channel(QUEUE));
        let number = notes.write().begin_stay();
        let listener = Listener {
            number,
            name: name.to_owned(),
            character,
            notes: notes.clone(),
            audit: audit.clone(),
            signals: sender,
            has_just_come: true,
        };
        let (pulse, heard) = (client.clone(), notes.clone());
        let silent = listener.signals.clone();
        let listening = tokio::spawn(async move {
            tokio::select! {
                () = listener.listen(events) => {}
                () = beat(number, &pulse, &heard, &silent) => {}
            }
        });
        Self { client, signals, listening }
    }

    /// Walks up and down until the connection ends; gives what ends with it.
    pub fn walks_on(self) -> JoinHandle<()> {
        let Self { client, listening, .. } = self;
        tokio::spawn(async move {
            let mut aside = 1.0;
            while let Some(around) = client.surroundings() {
                let to = Position { x: around.position.x + aside, y: around.position.y };
                // A map that hangs takes it late, one that is gone never.
                let _ = client.walk(to).await;
                aside = -aside;
                sleep(PULSE).await;
            }
        });
        listening
    }

    /// The next signal that `wanted` takes something from; `None` after `limit`.
    ///
    /// # Errors
    /// When the stay is over.
    pub async fn signal<T>(
        &mut self,
        limit: Duration,
        wanted: impl Fn(&Signal) -> Option<T>,
    ) -> Result<Option<T>, Over> {
        let until = Instant::now() + limit;
        loop {
            match timeout_at(until, self.signals.recv()).await {
                Err(_) => return Ok(None),
                Ok(None | Some(Signal::Lost | Signal::Silent)) => return Err(Over),
                Ok(Some(signal)) => {
                    if let Some(found) = wanted(&signal) {
                        return Ok(Some(found));
                    }
                }
            }
        }
    }
}

/// Pings until the client is gone. A map that does not answer is told once.
async fn beat(number: u32, client: &Client, notes: &Notes, signals: &mpsc::Sender<Signal>) {
    loop {
        match timeout(PATIENCE, client.ping()).await {
            Ok(Ok(_)) => {
                let mut notes = notes.write();
                if notes.stay == number {
                    notes.is_alive();
                }
            }
            // On the way to another map; or the connection has ended, which the listener hears.
            Ok(Err(_)) => {}
            Err(_) => {
                let _ = signals.try_send(Signal::Silent);
                return std::future::pending().await;
            }
        }
        sleep(PULSE).await;
    }
}

impl Listener {
    async fn listen(mut self, mut events: Events) {
        let mut has_entered = false;
        while let Some(event) = events.next().await {
            if let ClientEvent::EnteredMap(around) = &event {
                let what = format!("stay {} is on {} {}", self.number, around.map, around.channel);
                self.notes.write().note(what);
            }
            match event {
                ClientEvent::Game { output } => self.hear(output).await,
                ClientEvent::Warping { .. } if self.is_present() => {
                    self.notes.write().promises.is_saved();
                }
                // The first one tells of the entering itself.
                ClientEvent::EnteredMap(_) if std::mem::replace(&mut has_entered, true) => {
                    self.warped();
                }
                ClientEvent::WarpRefused { failure, .. } => {
                    self.notes.write().note(format!("no warp: {failure}"));
                    self.tell(Signal::WarpRefused);
                }
                ClientEvent::Disconnected { from: client::Server::Map(_), reason } => {
                    let what = format!("stay {} has ended: {reason}", self.number);
                    self.notes.write().note(what);
                    if reason == Reason::Planned && self.is_present() {
                        self.notes.write().promises.is_saved();
                    }
                    return self.tell(Signal::Lost);
                }
                _ => {}
            }
        }
    }

    /// Whether this is its player's present stay.
    fn is_present(&self) -> bool {
        self.notes.write().stay == self.number
    }

    fn tell(&self, signal: Signal) {
        // A player that is not there any more, or has a thousand signals to read, misses it.
        let _ = self.signals.try_send(signal);
    }

    fn warped(&mut self) {
        self.has_just_come = true;
        let mut notes = self.notes.write();
        if notes.stay == self.number {
            notes.is_alive();
            notes.warps += 1;
        }
    }

    /// It has so many coins. Whoever has just come does nothing before it has heard this: else what
    /// it asks for could not be told from what it came with.
    fn has(&mut self, coins: u32) {
        let mut notes = self.notes.write();
        if std::mem::take(&mut self.has_just_come) {
            notes.enters(&self.name, coins);
            drop(notes);
            self.tell(Signal::Warped);
        } else {
            notes.promises.finds(coins);
            drop(notes);
            self.tell(Signal::Coins);
        }
    }

    async fn hear(&mut self, output: Value) {
        self.notes.write().note(format!("heard in stay {}: {output}", self.number));
        let Ok(output) = serde_json::from_value(output) else { return };
        match output {
            Output::Coins { total } if self.is_present() => self.has(total),
            Output::Bought { total } => self.bought(total).await,
            Output::NotBought { why } if self.is_present() => {
                let mut notes = self.notes.write();
                // That is no answer to what was asked for before.
                if !why.contains("already") {
                    notes.promises.is_refused();
                }
                drop(notes);
                self.tell(Signal::NotBought);
            }
            _ => {}
        }
    }

    /// What is acknowledged must be stored by now. An acknowledgement that comes after its player
    /// has entered elsewhere is late, not wrong: the map had it stored, hung, and told it when it
    /// went on. Were it not stored by its rightful owner, the audit would show that.
    async fn bought(&mut self, total: u32) {
        if !self.is_present() {
            self.notes.write().late_acks += 1;
            return;
        }
        let (asked, goods) = {
            let notes = self.notes.write();
            (notes.promises.asked(), notes.promises.next_goods())
        };
        let since = asked.map_or(0, |asked| asked.since);
        let found = self.audit.purchase(self.character, goods, since).await;
        let mut notes = self.notes.write();
        match found {
            Some(row) => notes.promises.bought(total, row),
            None => {
                let what = format!("{} was told of a purchase that is not stored", self.name);
                notes.losses.push(what);
                notes.promises.is_refused();
            }
        }
        drop(notes);
        self.tell(Signal::Bought);
    }
}

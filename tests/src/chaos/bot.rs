//! A player: it walks, picks up coins, buys and warps without rest, and comes back whenever it
//! loses its map, as a user would.

mod errands;

use std::time::Duration;

use client::{Client, ClientConfig, ClientError, Session};
use protocol::{CharacterId, Code};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use super::{audit::Audit, notes::Notes, stay::Stay};
use crate::player::PASSWORD;

/// Before the first and the last of several tries to come back.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(1000)];
/// How long a user waits to be told what it has.
const LOOKS: Duration = Duration::from_secs(3);
/// Between two looks where one is.
const LOOK: Duration = Duration::from_millis(50);
/// After so many refusals in a row every other player starts the game again, though its map goes
/// on: so there are two clients of a character.
const ANNOYED: u32 = 2;

/// A player.
pub struct Bot {
    /// Its name.
    pub name: String,
    /// Its character.
    pub character: CharacterId,
    /// What is known of it.
    pub notes: Notes,
    /// Stays that it gave up while the connection was still there.
    pub left_behind: Vec<JoinHandle<()>>,
    central: String,
    session: Option<Session>,
    audit: Audit,
    rng: StdRng,
    stay: Option<Stay>,
    /// Refusals in a row.
    refusals: u32,
}

impl Bot {
    /// Makes its account and its character, while all is well.
    ///
    /// # Panics
    /// When that fails.
    pub async fn new(number: u64, seed: u64, central: &str, audit: &Audit) -> Self {
        let name = format!("Bot{number}");
        let (client, _) = Client::new(ClientConfig::new(central));
        client.connect().await.expect("Central");
        let session = client.register(&account(&name), PASSWORD).await.expect("an account");
        let character = client.create_character(&name).await.expect("a character").character;
        Self {
            name,
            character,
            notes: Notes::default(),
            left_behind: Vec::new(),
            central: central.to_owned(),
            session: Some(session),
            audit: audit.clone(),
            rng: StdRng::seed_from_u64(seed ^ (number << 32)),
            stay: None,
            refusals: 0,
        }
    }

    /// Plays until it is told to stop; then it is on a map, or on its way to one.
    pub async fn play(mut self, stop: watch::Receiver<bool>) -> Self {
        let mut stopped = stop.clone();
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return self,
                () = self.comes() => {}
            }
            if !self.looks(LOOKS).await {
                self.give_up();
            }
            while self.is_here() && !*stop.borrow() {
                if self.errand().await.is_err() || self.is_annoyed() {
                    self.give_up();
                }
            }
            if *stop.borrow() {
                return self;
            }
        }
    }

    /// Whether it has a stay, as far as it knows.
    pub fn is_here(&self) -> bool {
        self.stay.is_some()
    }

    /// Tries to enter until it has.
    async fn comes(&mut self) {
        let mut wait = BACKOFF[0];
        while self.stay.is_none() {
            if self.enter().await.is_err() {
                sleep(wait.mul_f64(self.rng.random_range(0.5..1.0))).await;
                wait = (wait * 2).min(BACKOFF[1]);
            }
        }
    }

    /// Selects and enters within `limit`, or is stuck.
    ///
    /// # Errors
    /// When it is stuck.
    pub async fn comes_within(&mut self, limit: Duration) -> Result<(), String> {
        let until = Instant::now() + limit;
        let mut last = None;
        while Instant::now() < until {
            match timeout_at(until, self.enter()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => last = Some(error.to_string()),
                Err(_) => {}
            }
            sleep(BACKOFF[0]).await;
        }
        let last = last.unwrap_or_else(|| "no answer".to_owned());
        Err(format!("{} could not enter within {limit:?}: {last}", self.name))
    }

    /// A new client, as when the game is started again.
    async fn enter(&mut self) -> Result<(), ClientError> {
        let (client, events) = Client::new(ClientConfig::new(&self.central));
        let entered = Box::pin(self.enter_as(&client)).await;
        match entered {
            Ok(()) => {
                let who = (self.name.as_str(), self.character);
                self.stay = Some(Stay::begin((client, events), who, &self.notes, &self.audit));
                self.refusals = 0;
                Ok(())
            }
            Err(error) => {
                if error.code() == Some(Code::TokenInvalid) {
                    self.session = None;
                } else if error.code().is_some() && !error.is_retryable() {
                    self.notes.write().oddities.push(format!("{}: {error}", self.name));
                }
                Err(error)
            }
        }
    }

    async fn enter_as(&mut self, client: &Client) -> Result<(), ClientError> {
        client.connect().await?;
        match self.session.clone() {
            Some(Session { account, access_token }) => {
                client.validate(account, access_token).await?;
            }
            None => self.session = Some(client.login(&account(&self.name), PASSWORD).await?),
        }
        client.play(self.character, None).await.map(drop)
    }

    /// Waits until it has heard what it has; false when it has not within `limit`.
    pub async fn looks(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while !self.notes.write().has_looked() {
            if Instant::now() > until {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    /// Leaves, saved; whether it was saved. The client of a stay that was given up goes on by
    /// itself.
    pub async fn leaves(&mut self) -> bool {
        let Some(stay) = self.stay.take() else { return false };
        let has_left = stay.client.leave().await.is_ok();
        self.notes.write().is_away();
        self.left_behind.push(stay.listening);
        has_left
    }

    /// From now on it knows nothing but its password.
    pub fn forgets_its_login(&mut self) {
        self.session = None;
    }

    /// Starts the game again. The old client ends, or goes on beside the new one, and somebody plays
    /// with it or not: so that of the copies that are passed over some have something to save, and
    /// some have not.
    fn give_up(&mut self) {
        let fate = self.rng.random_range(0..3);
        if let Some(stay) = self.stay.take() {
            let fates = ["ends", "stands still", "walks on"];
            self.notes.write().note(format!("gives its stay up; the old client {}", fates[fate]));
            match fate {
                0 => stay.listening.abort(),
                1 => self.left_behind.push(stay.listening),
                _ => self.left_behind.push(stay.walks_on()),
            }
        }
        self.left_behind.retain(|listening| !listening.is_finished());
    }

    fn is_annoyed(&mut self) -> bool {
        self.refusals >= ANNOYED && self.rng.random_ratio(1, 2)
    }
}

fn account(name: &str) -> String {
    format!("account.{}", name.to_lowercase())
}

//! How a bot gets onto its map.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use protocol::{
    AccessToken, AccountId, Channel, CharacterId, Code, ConnectionInfo, ConnectionKey, Failure,
    Ticket, names,
};

use crate::{
    entrance::{Entered, enter},
    lobby::{Lobby, Login, host_and_port, is_retryable},
};

/// How often a bot tries to come in before it gives up.
const TRIES: u32 = 6;
/// After the first try that failed; twice as long after each other one.
const PAUSE: Duration = Duration::from_millis(200);

/// The way in, the same for all bots.
#[derive(Debug)]
pub(super) struct Door {
    /// Where Central listens, or the one server that has no Central.
    pub(super) address: String,
    /// There is no Central: whoever connects is let in.
    pub(super) raw: bool,
    /// What the names of all accounts begin with.
    pub(super) accounts: String,
    pub(super) password: String,
    /// Whether the last account was there already: most likely the next one is, too. A wrong
    /// guess costs Central the hashing of a password.
    pub(super) known: AtomicBool,
}

/// Who a bot is, once it has logged in.
#[derive(Debug, Clone)]
pub(super) struct Who {
    login: Login,
    character: CharacterId,
}

/// Where a bot comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// Through Central.
    Lobby(Option<Who>),
    /// From another map, to a seat that is kept.
    Map(Who, Box<ConnectionInfo>),
}

impl Door {
    /// Checks that all names fit the rules, before the first bot comes.
    pub(super) fn check(&self, bots: usize) -> anyhow::Result<()> {
        let last = bots.saturating_sub(1);
        names::account(&self.account(last))?;
        names::character_key(&self.character(last))?;
        names::password(&self.password)?;
        host_and_port(&self.address).map(drop)
    }

    /// Brings a bot in, if need be at the second or a later try.
    pub(super) async fn bring(
        &self,
        number: usize,
        mut origin: Origin,
    ) -> anyhow::Result<(Who, Entered)> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            let who = match self.attempt(number, &origin).await {
                Err(error) if is_retryable(&error) || has_code(&error, Code::TokenInvalid) => {
                    error_to_who(&error, origin)
                }
                done => return done,
            };
            origin = Origin::Lobby(who);
            // Those who were turned away together do not come back together.
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
            pause *= 2;
        }
        self.attempt(number, &origin).await
    }

    async fn attempt(&self, number: usize, origin: &Origin) -> anyhow::Result<(Who, Entered)> {
        let (who, seat) = match origin {
            Origin::Map(who, seat) => (who.clone(), seat.as_ref().clone()),
            Origin::Lobby(_) if self.raw => self.walk_in()?,
            Origin::Lobby(who) => self.through_lobby(number, who.clone()).await?,
        };
        let entered = enter(&seat, who.login.clone(), who.character).await?;
        Ok((who, entered))
    }

    async fn through_lobby(
        &self,
        number: usize,
        who: Option<Who>,
    ) -> anyhow::Result<(Who, ConnectionInfo)> {
        let mut lobby = Lobby::connect(&self.address).await?;
        let who = match who {
            Some(who) => {
                lobby.validate(who.login.clone()).await?;
                who
            }
            None => {
                let login = self.log_in(&mut lobby, &self.account(number)).await?;
                let character = lobby.character(&self.character(number)).await?.character;
                Who { login, character }
            }
        };
        let seat = lobby.select(who.character).await?;
        Ok((who, seat))
    }

    async fn log_in(&self, lobby: &mut Lobby, account: &str) -> anyhow::Result<Login> {
        let known = self.known.load(Relaxed);
        let first = if known {
            lobby.log_in(account, &self.password).await
        } else {
            lobby.register(account, &self.password).await
        };
        match first {
            Err(error) if known && has_code(&error, Code::BadCredentials) => {
                self.known.store(false, Relaxed);
                lobby.register(account, &self.password).await
            }
            Err(error) if !known && has_code(&error, Code::NameTaken) => {
                self.known.store(true, Relaxed);
                lobby.log_in(account, &self.password).await
            }
            other => other,
        }
    }

    /// A seat on a server that looks at none of it.
    fn walk_in(&self) -> anyhow::Result<(Who, ConnectionInfo)> {
        let (address, port) = host_and_port(&self.address)?;
        let access_token = AccessToken::from_bytes([0; 32]);
        let login = Login { account: AccountId::new(), access_token };
        let seat = ConnectionInfo {
            address: address.to_owned(),
            port,
            connection_key: ConnectionKey::from_bytes([0; 32]),
            ticket: Ticket::from_bytes([0; 32]),
            seat_kept_ms: 0,
            server: "raw".parse()?,
            map: "raw".parse()?,
            channel: Channel::FIRST,
        };
        Ok((Who { login, character: CharacterId::new() }, seat))
    }

    /// The name of a bot's account, the same in every run.
    fn account(&self, number: usize) -> String {
        format!("{}{number}", self.accounts)
    }

    /// The name of a bot's character, which may hold less than that of an account.
    fn character(&self, number: usize) -> String {
        let word = self.accounts.chars().filter(char::is_ascii_alphanumeric);
        format!("{}-{number}", word.collect::<String>())
    }
}

/// Who comes back after this: somebody new, where the login does not hold any more.
fn error_to_who(error: &anyhow::Error, origin: Origin) -> Option<Who> {
    match origin {
        _ if has_code(error, Code::TokenInvalid) => None,
        Origin::Map(who, _) => Some(who),
        Origin::Lobby(who) => who,
    }
}

fn has_code(error: &anyhow::Error, code: Code) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == code)
}

//! A client who is logged in, or on a map.

use std::time::Duration;

use client::{Client, ClientEvent, Events, Reason, Session, Surroundings};
use protocol::{Code, ConnectionInfo, MapName, Position, play::Sight, world::CharacterSummary};

use crate::{Rig, SOON, until};

/// What every player of a story has for a password.
pub const PASSWORD: &str = "correct horse";

/// Somebody with an account and one character.
pub struct Player {
    /// Every call.
    pub client: Client,
    /// What happens to it.
    pub events: Events,
    /// The character.
    pub character: CharacterSummary,
    /// The account's name.
    pub account: String,
    /// The login.
    pub session: Session,
}

/// The other players in sight, without what the game has put on the map.
pub fn other_players(around: &Surroundings) -> Vec<&Sight> {
    around.others.values().filter(|other| other.look == "player").collect()
}

impl Player {
    /// Makes the account and the character, or logs in to them.
    ///
    /// # Panics
    /// When that fails.
    pub async fn new(rig: &Rig, name: &str) -> Self {
        let (client, events) = rig.client();
        client.connect().await.expect("Central");
        let account = format!("account.{}", name.to_lowercase());
        let session = match client.register(&account, PASSWORD).await {
            Err(error) if error.code() == Some(Code::NameTaken) => {
                client.login(&account, PASSWORD).await
            }
            other => other,
        };
        let session = session.expect("a login");
        let known = client.list_characters().await.expect("a list").into_iter().next();
        let character = match known {
            Some(character) => character,
            None => client.create_character(name).await.expect("a character"),
        };
        Self { client, events, character, account, session }
    }

    /// Selects the character and enters its map, as soon as the cluster lets it.
    ///
    /// # Panics
    /// When the cluster says that it never will.
    pub async fn enter(&self) -> Surroundings {
        until(SOON, "entering", async || {
            let seat = self.seat().await;
            match self.client.enter(&seat).await {
                Ok(surroundings) => Some(surroundings),
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    None
                }
            }
        })
        .await
    }

    /// Logs in and enters again with another client, as soon as that can be.
    ///
    /// # Panics
    /// When it cannot be soon, or for good.
    pub async fn comes_back(&self, rig: &Rig) -> (Client, Surroundings) {
        until(SOON, "a login", async || {
            let (client, _events) = rig.client();
            client.connect().await.ok()?;
            client.login(&self.account, PASSWORD).await.ok()?;
            match client.play(self.character.character, None).await {
                Ok(surroundings) => Some((client, surroundings)),
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    None
                }
            }
        })
        .await
    }

    /// Selects the character, as soon as the cluster lets it, and does not enter yet.
    ///
    /// # Panics
    /// When the cluster says that it never will.
    pub async fn seat(&self) -> ConnectionInfo {
        until(SOON, "a seat", async || {
            self.back_to_central().await;
            match self.client.select(self.character.character, None).await {
                Ok(seat) => Some(seat),
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    None
                }
            }
        })
        .await
    }

    /// Connects to Central again, with the same login, unless it is connected already.
    ///
    /// # Panics
    /// When it is on a map, or the login does not hold any more.
    pub async fn back_to_central(&self) {
        if self.client.server().is_none() {
            self.client.connect().await.expect("Central");
            let Session { account, access_token } = self.session.clone();
            self.client.validate(account, access_token).await.expect("the login holds");
        }
    }

    /// Waits until this player sees somebody of that name.
    pub async fn sees(&self, name: &str) -> Sight {
        until(SOON, &format!("seeing {name}"), async || {
            self.client.surroundings()?.other(name).cloned()
        })
        .await
    }

    /// Walks there and waits until the server says so.
    ///
    /// # Panics
    /// When the character does not arrive.
    pub async fn walk_to(&self, to: Position) {
        self.client.walk(to).await.expect("walking");
        until(SOON, "arriving", async || (self.position().distance(to) < 0.1).then_some(())).await;
    }

    /// Walks into the portal to a map and waits until it has entered there.
    ///
    /// # Panics
    /// When there is no such portal, or the warp does not happen.
    pub async fn warp_to(&self, map: &str) -> Surroundings {
        let map: MapName = map.parse().unwrap();
        let here = self.client.surroundings().expect("on a map");
        let portal = here.portals.iter().find(|portal| portal.to == map).expect("a portal");
        self.client.walk(portal.at).await.expect("walking");
        until(SOON, "arriving on the other map", async || {
            self.client.surroundings().filter(|there| there.map == map)
        })
        .await
    }

    /// Where the character is.
    ///
    /// # Panics
    /// When it is not on a map.
    pub fn position(&self) -> Position {
        self.client.surroundings().expect("on a map").position
    }

    /// Says something, and waits until somebody else hears it.
    ///
    /// # Panics
    /// When it cannot be said, or is not heard.
    pub async fn is_heard_by(&self, other: &mut Self, text: &str) {
        self.client.say(text).await.expect("speaking");
        other
            .event(SOON, text, |event| match event {
                ClientEvent::Said { text: heard, .. } if heard == text => Some(()),
                _ => None,
            })
            .await;
    }

    /// Waits for an event that `wanted` takes something from, and drops those before it.
    ///
    /// # Panics
    /// When it does not come within `limit`.
    pub async fn event<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut wanted: impl FnMut(ClientEvent) -> Option<T>,
    ) -> T {
        let found = async {
            loop {
                let event = self.events.next().await.expect("the client lives");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        let found = tokio::time::timeout(limit, found).await;
        found.unwrap_or_else(|_| panic!("{what} did not happen within {limit:?}"))
    }

    /// Waits until a server ends the connection, and returns why.
    pub async fn sent_away(&mut self, limit: Duration) -> Reason {
        self.event(limit, "being sent away", |event| match event {
            ClientEvent::Disconnected { reason, .. } if reason != Reason::Planned => Some(reason),
            _ => None,
        })
        .await
    }
}

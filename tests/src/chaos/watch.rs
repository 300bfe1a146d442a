//! Who is where, as the servers tell it over NATS.
//!
//! # What is held, and when
//! While servers are hurt, events prove little: a Map Server that was killed or hangs tells no
//! `left`, one that is cut off keeps a copy of a character that was passed over to another, and
//! what is told while NATS is away is lost. A copy is harmless as long as nothing of it is saved;
//! that is held by the audit of the store, for every change, at all times.
//!
//! Once all is mended and everybody has come anew, nothing excuses a second place: from then on
//! each character is at one place by the events, the Map Servers together count as many players as
//! there are, and no stay that its player gave up goes on (see `leftovers` in the run).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use nats::Backbone;
use protocol::{
    CharacterId, ServerId,
    backbone::events::{CharacterEntered, CharacterLeft, CharacterWarped},
};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

/// Everybody's places, by what was told since the last [`Watch::forget`].
type Places = BTreeMap<CharacterId, BTreeSet<ServerId>>;

/// Listens until it is dropped.
pub struct Watch {
    places: Arc<Mutex<Places>>,
    listening: JoinHandle<()>,
}

impl Watch {
    /// Listens from now on.
    ///
    /// # Panics
    /// When NATS does not let it.
    pub async fn start(backbone: &Backbone) -> Self {
        let places: Arc<Mutex<Places>> = Arc::default();
        let told = backbone.watch("mmo.v1.main.event.character.*").await;
        let (mut told, seen) = (told.expect("listening"), places.clone());
        let listening = tokio::spawn(async move {
            while let Some((subject, payload)) = told.next().await {
                hear(&mut seen.lock().expect("the places"), &subject, &payload);
            }
        });
        Self { places, listening }
    }

    /// Forgets all; what is told from now on counts.
    ///
    /// # Panics
    /// When the listener did.
    pub fn forget(&self) {
        self.places.lock().expect("the places").clear();
    }

    /// Where a character is.
    ///
    /// # Panics
    /// When the listener did.
    pub fn of(&self, character: CharacterId) -> BTreeSet<ServerId> {
        let places = self.places.lock().expect("the places");
        places.get(&character).cloned().unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn hear(places: &mut Places, subject: &str, payload: &[u8]) {
    match subject.rsplit('.').next() {
        Some("entered") => {
            if let Some(CharacterEntered { character, server, .. }) = read(payload) {
                places.entry(character).or_default().insert(server);
            }
        }
        Some("warped") => {
            if let Some(CharacterWarped { character, from, .. }) = read(payload) {
                places.entry(character).or_default().remove(&from);
            }
        }
        Some("left") => {
            if let Some(CharacterLeft { character, server, .. }) = read(payload) {
                places.entry(character).or_default().remove(&server);
            }
        }
        _ => {}
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

//! What Map Servers ask of the store, said once more, late: as by a copy that was passed over, or a
//! network that keeps what it was given. Whoever owns the character by then, it must not count.
//!
//! Hung and cut-off servers say such things too, but seldom: mostly they find their connection
//! broken, look first, and learn that they were passed over.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use nats::Backbone;
use protocol::{
    Code, Failure,
    backbone::characters::{CommitCharacters, ReleaseCharacter, SaveCharacter, TransferCharacter},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

/// How late it is said: later than the next save.
const LATE: Duration = Duration::from_secs(4);
/// Between two.
const EVERY: Duration = Duration::from_millis(250);
/// Asked for, and not said again yet; the oldest are forgotten.
const KEPT: usize = 200;
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(1);

/// Something that was asked of the store, and when: its subject, and what was asked.
type Heard = (Instant, String, Value);

/// Says things again until it is dropped.
pub struct Echo {
    fenced: Arc<AtomicU32>,
    speaking: JoinHandle<()>,
}

impl Echo {
    /// Listens and speaks from now on.
    ///
    /// # Panics
    /// When NATS does not let it.
    pub async fn start(backbone: Backbone) -> Self {
        let mut asked = backbone.watch("mmo.v1.main.characters.*").await.expect("listening");
        let fenced: Arc<AtomicU32> = Arc::default();
        let count = fenced.clone();
        let speaking = tokio::spawn(async move {
            let mut heard = VecDeque::<Heard>::new();
            let mut last = None;
            let mut turns = interval(EVERY);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    Some((subject, payload)) = asked.next() => {
                        let Some(body) = body(&payload) else { continue };
                        // What it says itself comes back to it.
                        if last.as_ref() != Some(&body) {
                            if heard.len() >= KEPT {
                                heard.pop_front();
                            }
                            heard.push_back((Instant::now(), subject, body));
                        }
                    }
                    _ = turns.tick() => {
                        let is_late = |(at, ..): &mut Heard| at.elapsed() > LATE;
                        let Some((_, subject, body)) = heard.pop_front_if(is_late) else { continue };
                        last = Some(body.clone());
                        let said = again(&backbone, &subject, body).await;
                        if said.is_some_and(|failure| failure.code == Code::Fenced) {
                            count.fetch_add(1, Relaxed);
                        }
                    }
                }
            }
        });
        Self { fenced, speaking }
    }

    /// How often it was told that it does not own the character.
    pub fn fenced(&self) -> u32 {
        self.fenced.load(Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.speaking.abort();
    }
}

/// Says it again, as a request of its own; why it was refused.
async fn again(backbone: &Backbone, subject: &str, body: Value) -> Option<Failure> {
    match subject.rsplit('.').next() {
        Some("save") => {
            let save: SaveCharacter = read(body)?;
            backbone.call_within(&(), save, ANSWER).await.err()
        }
        Some("commit") => {
            let commit: CommitCharacters = read(body)?;
            backbone.call_within(&(), commit, ANSWER).await.err()
        }
        Some("release") => {
            let release: ReleaseCharacter = read(body)?;
            backbone.call_within(&(), release, ANSWER).await.err()
        }
        Some("transfer") => {
            let transfer: TransferCharacter = read(body)?;
            backbone.call_within(&(), transfer, ANSWER).await.err()
        }
        _ => None,
    }
}

/// What is asked, without what makes it one request among others.
fn body(payload: &[u8]) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(payload).ok()?;
    let fields = body.as_object_mut()?;
    fields.remove("request_id");
    fields.remove("deadline_ms");
    Some(body)
}

fn read<T: DeserializeOwned>(body: Value) -> Option<T> {
    serde_json::from_value(body).ok()
}

//! What servers said, in order, as somebody with `nats sub` would see it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use nats::Backbone;
use protocol::backbone::maps::ListPeers;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::wait::{SOON, until};

/// One message.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Its subject.
    pub subject: String,
    /// Its payload.
    pub body: Value,
}

/// Listens from its start to its end.
pub struct Recorder {
    heard: Arc<Mutex<Vec<Heard>>>,
    listener: JoinHandle<()>,
    backbone: Backbone,
}

impl Recorder {
    /// Listens to these subjects from now on; `mmo.>` must be among them.
    ///
    /// # Panics
    /// When NATS does not let it.
    pub async fn start(backbone: Backbone, subjects: &[&str]) -> Self {
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let mut watches = Vec::new();
        for subjects in subjects {
            watches.push(backbone.watch(subjects).await.expect("listening"));
        }
        let log = heard.clone();
        let listener = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for mut watch in watches {
                let log = log.clone();
                tasks.spawn(async move {
                    while let Some((subject, payload)) = watch.next().await {
                        let body = serde_json::from_slice(&payload).unwrap_or(Value::Null);
                        log.lock().unwrap().push(Heard { subject, body });
                    }
                });
            }
            while tasks.join_next().await.is_some() {}
        });
        let recorder = Self { heard, listener, backbone };
        recorder.is_live().await;
        recorder
    }

    /// Waits until it hears a question of its own: a server takes a connection's lines in order,
    /// so all subscriptions are live then. One of them must cover it.
    async fn is_live(&self) {
        let _ = self.backbone.call_within(&(), ListPeers {}, Duration::from_millis(10)).await;
        let heard = async || self.heard.lock().unwrap().pop();
        until(SOON, "hearing oneself", heard).await;
    }

    /// Everything so far.
    ///
    /// # Panics
    /// When the listener did.
    pub fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for a message on a subject of realm `main` after the message at `after` that fits,
    /// and returns its place and its body.
    ///
    /// # Panics
    /// When none comes soon.
    pub async fn next(
        &self,
        after: usize,
        words: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> (usize, Value) {
        let subject = format!("mmo.v1.main.{words}");
        let what = format!("a fitting message on {subject}");
        until(SOON, &what, async || {
            let heard = self.heard.lock().unwrap();
            let rest = heard.iter().enumerate().skip(after);
            let mut fitting =
                rest.filter(|(_, heard)| heard.subject == subject && fits(&heard.body));
            fitting.next().map(|(place, heard)| (place, heard.body.clone()))
        })
        .await
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

//! What a Map Server needs to be there: NATS and Redis, found at start and watched from then on.

use std::time::Duration;

use instance::Condition;
use nats::{Backbone, Options};
use protocol::Failure;
use sessions::{Sessions, SessionsError};
use tokio::time::sleep;
use tracing::warn;

use crate::settings::Settings;

/// Between the attempts to reach what is not there, and between the looks at what is.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) fn nats_options(settings: &Settings) -> Options {
    Options {
        url: settings.nats_url.clone(),
        credentials: settings.nats_creds.clone(),
        realm: settings.basics.realm.clone(),
        role: "map".to_owned(),
        id: settings.id.to_string(),
    }
}

/// Waits for Redis for as long as it takes, and says once where it looks.
pub(crate) async fn open_sessions(settings: &Settings) -> Result<Sessions, SessionsError> {
    let (url, realm) = (&settings.redis_url, &settings.basics.realm);
    let mut said = false;
    loop {
        match Sessions::connect(url, realm, settings.session_ttl()).await {
            Err(error @ SessionsError::Unavailable { .. }) => {
                if !said {
                    warn!(%error, "Redis is not there; trying until it is");
                }
                said = true;
                sleep(LOOK).await;
            }
            other => return other,
        }
    }
}

/// Says whether Redis answers, until dropped.
pub(crate) async fn watch_redis(sessions: Sessions, condition: Condition) {
    loop {
        match sessions.ping().await {
            Ok(()) => condition.up(),
            Err(error) => condition.down(Failure::from(error).message),
        }
        sleep(LOOK).await;
    }
}

/// Says whether NATS is connected, until dropped.
pub(crate) async fn watch_nats(backbone: Backbone, condition: Condition) {
    let mut connected = backbone.connected();
    loop {
        match *connected.borrow_and_update() {
            true => condition.up(),
            false => condition.down(format!("the connection to {} is gone", backbone.at())),
        }
        if connected.changed().await.is_err() {
            // Closed for good, which happens at the end alone.
            return std::future::pending().await;
        }
    }
}

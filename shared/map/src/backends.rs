//! What a Map Server needs to be there: NATS and Redis, found at start and watched from then on.

use std::time::Duration;

use instance::Condition;
use nats::{Backbone, Options};
use sessions::{Sessions, SessionsError};
use tokio::{time::sleep, try_join};

use crate::{server::StartError, settings::Settings};

/// Between the attempts to reach what is not there, and between the looks at what is.
const LOOK: Duration = Duration::from_secs(1);
/// What is done about something that is missing.
const TRYING: &str = "trying until it is there";

fn nats_options(settings: &Settings) -> Options {
    Options {
        url: settings.nats_url.clone(),
        credentials: settings.nats_creds.clone(),
        realm: settings.basics.realm.clone(),
        role: "map".to_owned(),
        id: settings.id.to_string(),
    }
}

/// Waits for both for as long as it takes; log and `/readyz` say which one is missing and where it
/// was looked for. Both at once, so that each speaks for itself.
pub(crate) async fn open(
    settings: &Settings,
    nats_up: &Condition,
    redis_up: &Condition,
) -> Result<(Backbone, Sessions), StartError> {
    let absent = |error| nats_up.down(format!("{error}; {TRYING}"));
    let connecting = async {
        let backbone = Backbone::connect_telling(nats_options(settings), absent).await?;
        nats_up.up();
        Ok(backbone)
    };
    try_join!(connecting, async { Ok(open_sessions(settings, redis_up).await?) })
}

async fn open_sessions(settings: &Settings, up: &Condition) -> Result<Sessions, SessionsError> {
    let (url, realm) = (&settings.redis_url, &settings.basics.realm);
    loop {
        match Sessions::connect(url, realm, settings.session_ttl()).await {
            Ok(sessions) => {
                up.up();
                return Ok(sessions);
            }
            Err(error @ SessionsError::Unavailable { .. }) => {
                up.down(format!("{error}; {TRYING}"));
            }
            Err(error) => return Err(error),
        }
        sleep(LOOK).await;
    }
}

/// Says whether Redis answers, until dropped.
pub(crate) async fn watch_redis(sessions: Sessions, condition: Condition) {
    loop {
        match sessions.ping().await {
            Ok(()) => condition.up(),
            Err(error) => condition.down(error.to_string()),
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

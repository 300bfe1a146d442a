//! What a Map Server needs to be there: NATS and Redis.

use instance::Condition;
use nats::{Backbone, Options};
use sessions::{Sessions, SessionsError};
use tokio::try_join;

use crate::{server::StartError, settings::Settings};

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
    let absent = |error| nats_up.absent(error);
    let connecting = async {
        let backbone = Backbone::connect_telling(nats_options(settings), absent).await?;
        nats_up.up();
        Ok(backbone)
    };
    try_join!(connecting, async { Ok(open_sessions(settings, redis_up).await?) })
}

async fn open_sessions(settings: &Settings, up: &Condition) -> Result<Sessions, SessionsError> {
    let (url, realm) = (&settings.redis_url, &settings.basics.realm);
    let is_away = |error: &SessionsError| matches!(error, SessionsError::Unavailable { .. });
    up.until_there(is_away, || Sessions::connect(url, realm, settings.session_ttl())).await
}

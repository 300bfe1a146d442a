//! What Central needs to be there: SQL, Redis and NATS, found at start and watched from then on.

use std::{convert::Infallible, fmt::Display, future::Future, time::Duration};

use instance::{Condition, Instance};
use nats::{Backbone, Options};
use sessions::{Sessions, SessionsError};
use store::{Store, StoreError};
use tokio::{time::sleep, try_join};

use crate::settings::Settings;

/// Between the attempts to reach what is not there, and between the looks at what is.
const LOOK: Duration = Duration::from_secs(1);

/// All three, found.
pub(crate) struct Backends {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) backbone: Backbone,
}

/// Waits for each of them for as long as it takes; log and `/readyz` say which one is missing and
/// where it was looked for. All at once, so that each speaks for itself.
///
/// # Errors
/// One of them can never be used as it is configured.
pub(crate) async fn open(settings: &Settings, instance: &Instance) -> anyhow::Result<Backends> {
    let conditions = ["nats", "redis", "sql"].map(|name| instance.readiness.condition(name));
    let [nats_up, redis_up, sql_up] = conditions;
    let (store, sessions, backbone) = try_join!(
        async { anyhow::Ok(open_store(settings, &sql_up).await?) },
        async { anyhow::Ok(open_sessions(settings, &redis_up).await?) },
        async {
            let absent = |error| nats_up.down(format!("{error}; {TRYING}"));
            let backbone = Backbone::connect_telling(nats_options(settings), absent).await?;
            nats_up.up();
            anyhow::Ok(backbone)
        },
    )?;
    watch_nats(instance, &backbone, nats_up);
    let pinged = store.clone();
    watch(instance, "sql", sql_up, move || {
        let store = pinged.clone();
        async move { store.ping().await }
    });
    let pinged = sessions.clone();
    watch(instance, "redis", redis_up, move || {
        let sessions = pinged.clone();
        async move { sessions.ping().await }
    });
    Ok(Backends { store, sessions, backbone })
}

/// What is done about something that is missing.
const TRYING: &str = "trying until it is there";

fn nats_options(settings: &Settings) -> Options {
    Options {
        url: settings.nats_url.clone(),
        credentials: settings.nats_creds.clone(),
        realm: settings.basics.realm.clone(),
        role: "central".to_owned(),
        id: settings.id.to_string(),
    }
}

async fn open_store(settings: &Settings, up: &Condition) -> Result<Store, StoreError> {
    let is_away = |error: &StoreError| matches!(error, StoreError::Unavailable { .. });
    until_there(up, is_away, || Store::open(&settings.database_url)).await
}

async fn open_sessions(settings: &Settings, up: &Condition) -> Result<Sessions, SessionsError> {
    let (url, realm) = (&settings.redis_url, &settings.basics.realm);
    let is_away = |error: &SessionsError| matches!(error, SessionsError::Unavailable { .. });
    until_there(up, is_away, || Sessions::connect(url, realm, settings.session_ttl())).await
}

/// Tries until it works or can never work.
async fn until_there<T, E: Display, F: Future<Output = Result<T, E>>>(
    up: &Condition,
    is_away: impl Fn(&E) -> bool,
    open: impl Fn() -> F,
) -> Result<T, E> {
    loop {
        match open().await {
            Ok(there) => {
                up.up();
                return Ok(there);
            }
            Err(error) if is_away(&error) => up.down(format!("{error}; {TRYING}")),
            Err(error) => return Err(error),
        }
        sleep(LOOK).await;
    }
}

fn watch_nats(instance: &Instance, backbone: &Backbone, condition: Condition) {
    let (mut connected, at) = (backbone.connected(), backbone.at());
    let closing = instance.lifecycle.closing().clone();
    instance.lifecycle.spawn_last("nats watch", async move {
        loop {
            if *connected.borrow_and_update() {
                condition.up();
            } else {
                condition.down(format!("not connected to {at}"));
            }
            match closing.run_until_cancelled(connected.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
        closing.cancelled().await;
        Ok::<_, Infallible>(())
    });
}

/// Looks every second whether something answers, and says so in `/readyz`.
fn watch<F, E>(
    instance: &Instance,
    name: &'static str,
    condition: Condition,
    ping: impl Fn() -> F + Send + 'static,
) where
    F: Future<Output = Result<(), E>> + Send,
    E: Display + Send,
{
    let closing = instance.lifecycle.closing().clone();
    instance.lifecycle.spawn_last(format!("{name} watch"), async move {
        loop {
            match ping().await {
                Ok(()) => condition.up(),
                Err(error) => condition.down(error.to_string()),
            }
            if closing.run_until_cancelled(sleep(LOOK)).await.is_none() {
                return Ok::<_, Infallible>(());
            }
        }
    });
}

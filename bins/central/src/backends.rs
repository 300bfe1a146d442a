//! What Central needs to be there: SQL, Redis and NATS, found at start and watched from then on.

use std::{convert::Infallible, future::Future};

use instance::{Condition, Instance};
use nats::{Backbone, Options};
use sessions::{Sessions, SessionsError};
use store::{Store, StoreError};
use tokio::try_join;

use crate::settings::Settings;

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
            let absent = |error| nats_up.absent(error);
            let backbone = Backbone::connect_telling(nats_options(settings), absent).await?;
            nats_up.up();
            anyhow::Ok(backbone)
        },
    )?;
    let (connected, at) = (backbone.connected(), backbone.at());
    watch(instance, "nats watch", async move { nats_up.follow_connection(connected, &at).await });
    let pinged = store.clone();
    watch(instance, "sql watch", async move { sql_up.follow_pings(|| pinged.ping()).await });
    let pinged = sessions.clone();
    watch(instance, "redis watch", async move { redis_up.follow_pings(|| pinged.ping()).await });
    Ok(Backends { store, sessions, backbone })
}

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
    up.until_there(is_away, || Store::open(&settings.database_url)).await
}

async fn open_sessions(settings: &Settings, up: &Condition) -> Result<Sessions, SessionsError> {
    let (url, realm) = (&settings.redis_url, &settings.basics.realm);
    let is_away = |error: &SessionsError| matches!(error, SessionsError::Unavailable { .. });
    up.until_there(is_away, || Sessions::connect(url, realm, settings.session_ttl())).await
}

/// Watches until the end, so that `/readyz` tells what is away.
fn watch(
    instance: &Instance,
    name: &'static str,
    watching: impl Future<Output = ()> + Send + 'static,
) {
    let closing = instance.lifecycle.closing().clone();
    instance.lifecycle.spawn_last(name, async move {
        closing.run_until_cancelled(watching).await;
        Ok::<_, Infallible>(())
    });
}

//! What a running server is given.

use std::{
    convert::Infallible,
    io::{self, Write},
    net::SocketAddr,
};

use metrics_exporter_prometheus::BuildError;
use protocol::Realm;
use serde::Serialize;

use crate::{Basics, Lifecycle, Readiness, Role, admin::Admin, recorder};

/// One running server: its tasks, its readiness and its admin port. Clones are the same server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Instance {
    /// Which server it is.
    pub role: Role,
    /// The world that it belongs to.
    pub realm: Realm,
    /// Its tasks, and when they end.
    pub lifecycle: Lifecycle,
    /// Whether it may be sent work.
    pub readiness: Readiness,
    /// Where its admin port is, with the real port.
    pub admin_address: SocketAddr,
}

impl Instance {
    /// Takes the admin port and answers on it. [`Program::run`](crate::Program::run) does this; a
    /// test that runs servers in its own process does it itself, then
    /// [`Lifecycle::run_until_done`].
    ///
    /// # Errors
    /// The admin port is taken, or another part of the process collects metrics.
    pub async fn start(role: Role, basics: &Basics) -> Result<Self, StartError> {
        let address = basics.admin_address;
        let admin = Admin::bind(address)
            .await
            .map_err(|source| StartError::AdminAddress { address, source })?;
        let admin_address = admin.address();
        let recorder = recorder::install().map_err(StartError::Recorder)?;
        let (lifecycle, readiness) = (Lifecycle::default(), Readiness::default());
        let closing = lifecycle.closing().clone();
        lifecycle.spawn_last("admin", admin.serve(readiness.clone(), &lifecycle, recorder.clone()));
        lifecycle.spawn_last("metrics", async {
            recorder::keep(recorder, closing).await;
            Ok::<_, Infallible>(())
        });
        tracing::info!("admin port on http://{admin_address}");
        if !admin_address.ip().is_loopback() {
            tracing::warn!("the admin port asks for no password and is not on loopback");
        }
        Ok(Self { role, realm: basics.realm.clone(), lifecycle, readiness, admin_address })
    }

    /// Prints `ready` as one line of JSON on stdout, for whoever started this server and wants to
    /// know the ports that it has bound. Nothing else of a server goes to stdout.
    pub fn announce<T: Serialize>(&self, ready: &T) {
        let mut line = match serde_json::to_vec(ready) {
            Ok(line) => line,
            Err(error) => return tracing::error!(%error, "the ready line cannot be written"),
        };
        line.push(b'\n');
        // Whoever reads may be gone, and this server lives on.
        if let Err(error) = io::stdout().lock().write_all(&line) {
            tracing::debug!(%error, "nobody reads the ready line");
        }
    }
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The admin port cannot be had.
    #[error("cannot listen on {address} for health and metrics; see --admin-address")]
    AdminAddress {
        /// The address that was asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else in this process collects metrics.
    #[error("cannot collect metrics")]
    Recorder(#[source] &'static BuildError),
    /// The system refuses threads or signal handlers.
    #[error("cannot start")]
    System(#[from] io::Error),
}

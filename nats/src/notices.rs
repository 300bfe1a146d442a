//! What the connection says about itself while it works.

use async_nats::{Event as Notice, ServerError};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

/// The saying side, given to the library. It says these in order, from a task of its own.
pub(crate) struct Notices {
    up: watch::Sender<bool>,
    denied: watch::Sender<Option<String>>,
}

/// The hearing side.
#[derive(Clone)]
pub(crate) struct Link {
    /// Whether the connection stands.
    pub(crate) up: watch::Receiver<bool>,
    /// What the server denied this user last, in its own words; changes with each denial.
    pub(crate) denied: watch::Receiver<Option<String>>,
}

impl Notices {
    pub(crate) fn new() -> (Self, Link) {
        let (up, heard_up) = watch::channel(true);
        let (denied, heard_denied) = watch::channel(None);
        (Self { up, denied }, Link { up: heard_up, denied: heard_denied })
    }

    pub(crate) fn note(&self, notice: &Notice) {
        match notice {
            Notice::Connected => {
                if !self.up.send_replace(true) {
                    info!("connected to NATS again");
                }
            }
            Notice::Disconnected => {
                if self.up.send_replace(false) {
                    warn!("the connection to NATS is gone; it is sought again until it is back");
                }
            }
            Notice::Closed => {
                self.up.send_replace(false);
            }
            Notice::ServerError(ServerError::Other(what)) if is_denial(what) => {
                error!(what, "NATS denies a subject; see nats/conf for each role's list");
                self.denied.send_replace(Some(what.clone()));
            }
            // Each failed attempt to come back says so; one warning at the start is enough.
            Notice::ClientError(_) | Notice::Draining => debug!("NATS: {notice}"),
            other => warn!("NATS: {other}"),
        }
    }
}

/// Servers write `Permissions Violation for Subscription to "a.b"` with capitals that have changed
/// before.
fn is_denial(what: &str) -> bool {
    const DENIAL: &str = "permissions violation";
    what.get(..DENIAL.len()).is_some_and(|start| start.eq_ignore_ascii_case(DENIAL))
}

/// Whether a denial speaks of this subject.
pub(crate) fn denies(what: &str, subject: &str) -> bool {
    what.contains(&format!("\"{subject}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_known_by_its_words_and_its_subject() {
        let what = r#"Permissions Violation for Publish to "mmo.v1.main.cluster.spawn""#;
        let (notices, link) = Notices::new();
        notices.note(&Notice::ServerError(ServerError::Other("Stale Connection".to_owned())));
        assert_eq!(*link.denied.borrow(), None);
        notices.note(&Notice::ServerError(ServerError::Other(what.to_owned())));
        assert_eq!(link.denied.borrow().as_deref(), Some(what));
        assert!(denies(what, "mmo.v1.main.cluster.spawn"));
        assert!(!denies(what, "mmo.v1.main.cluster"));
    }
}

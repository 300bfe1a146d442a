//! One term of a leader, and whether it lasts: looked at before anything is answered or done. A
//! process that hung finds that it is over before it knows of anything else.

use std::{future::pending, time::Instant};

use tokio::sync::watch;

/// A term. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    /// Its number; that of a later one is greater.
    pub(crate) epoch: u64,
    until: watch::Receiver<Instant>,
}

/// Says how long a term lasts; dropped, it is over.
#[derive(Debug)]
pub(crate) struct Until(watch::Sender<Instant>);

impl Term {
    /// A term that lasts until `until`, for now.
    pub(crate) fn new(epoch: u64, until: Instant) -> (Self, Until) {
        let (sender, until) = watch::channel(until);
        (Self { epoch, until }, Until(sender))
    }

    /// Whether it lasts.
    pub(crate) fn lasts(&self) -> bool {
        self.until.has_changed().is_ok() && Instant::now() < *self.until.borrow()
    }

    /// Returns at once while it lasts, and never after: whoever leads by then answers.
    pub(crate) async fn or_silence(&self) {
        if !self.lasts() {
            pending::<()>().await;
        }
    }
}

impl Until {
    /// It lasts until then.
    pub(crate) fn prolong(&self, until: Instant) {
        self.0.send_replace(until);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_term_lasts_until_its_time_or_its_end() {
        let now = Instant::now();
        let (term, until) = Term::new(3, now + Duration::from_secs(60));
        assert!(term.lasts());
        until.prolong(now);
        assert!(!term.lasts(), "its time has come");
        until.prolong(now + Duration::from_secs(60));
        assert!(term.lasts());
        drop(until);
        assert!(!term.lasts(), "it was ended");
    }
}

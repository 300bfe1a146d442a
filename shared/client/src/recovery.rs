//! A stay whose link was lost, and how it is taken up again.

use std::time::Duration;

use protocol::Code;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    ClientConfig, ClientError, Reason, Session, Surroundings,
    link::Unreached,
    visit::{Pass, Visit},
};

/// The wait before the second attempt; doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// A stay whose link was lost.
#[derive(Debug)]
pub(crate) struct Recovery {
    pass: Pass,
    /// Attempts since a link last held.
    attempts: u32,
    /// How the link was lost.
    reason: Reason,
    until: Instant,
}

impl Recovery {
    pub(crate) fn new(pass: Pass, attempts: u32, reason: Reason) -> Self {
        let until = Instant::now() + pass.grace;
        Self { pass, attempts, reason, until }
    }

    /// Tries until the stay goes on, or cannot.
    ///
    /// # Errors
    /// The server's word where it has one, or else how the link was lost.
    pub(crate) async fn run(
        mut self,
        session: Session,
        config: &ClientConfig,
    ) -> Result<(Visit, Surroundings), Reason> {
        loop {
            let wait = backoff(self.attempts);
            if Instant::now() + wait >= self.until {
                return Err(self.reason);
            }
            sleep(wait).await;
            self.attempts = self.attempts.saturating_add(1);
            let resuming = Visit::resume(&self.pass, self.attempts, session.clone(), config);
            // One that hangs is worth no more than the next one.
            match timeout(config.deadline, Box::pin(resuming)).await {
                Ok(Ok(resumed)) => return Ok(resumed),
                Ok(Err(Unreached { is_gone: true, .. })) => return Err(self.reason),
                Ok(Err(Unreached { error, .. })) => tell(error)?,
                Err(_) => tracing::debug!("the Map Server did not answer"),
            }
        }
    }
}

/// An attempt failed; an error where the next one would, too.
fn tell(error: ClientError) -> Result<(), Reason> {
    match error {
        ClientError::Failed(failure) if !is_passing(failure.code) => Err(Reason::Told(failure)),
        error => {
            tracing::debug!(%error, "not back yet");
            Ok(())
        }
    }
}

/// Whether what a server says may be otherwise in a moment. One that drains does not come back.
fn is_passing(code: Code) -> bool {
    matches!(code, Code::Busy | Code::Unavailable | Code::DeadlinePassed)
}

fn backoff(attempts: u32) -> Duration {
    match attempts.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => BACKOFF.saturating_mul(1 << doublings.min(8)).min(BACKOFF_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_at_once_and_waits_grow_up_to_a_bound() {
        let waits: Vec<u128> = (0..7).map(|attempts| backoff(attempts).as_millis()).collect();
        assert_eq!(waits, [0, 250, 500, 1000, 2000, 4000, 4000]);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }
}

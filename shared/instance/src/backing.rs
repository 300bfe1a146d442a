//! What a server needs to be there, such as Redis: waited for at the start, watched from then on,
//! both told by a [`Condition`].

use std::{
    fmt::Display,
    future::{Future, pending},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use crate::Condition;

/// Between the attempts to reach what is not there, and between the looks at what is.
const LOOK: Duration = Duration::from_secs(1);

impl Condition {
    /// Opens something, trying until it is there; each attempt must have a deadline of its own.
    ///
    /// # Errors
    /// One for which `is_away` is false: trying again would not help.
    pub async fn until_there<T, E, F>(
        &self,
        is_away: impl Fn(&E) -> bool,
        open: impl Fn() -> F,
    ) -> Result<T, E>
    where
        E: Display,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match open().await {
                Ok(there) => {
                    self.up();
                    return Ok(there);
                }
                Err(error) if is_away(&error) => self.absent(error),
                Err(error) => return Err(error),
            }
            sleep(LOOK).await;
        }
    }

    /// It is not there yet.
    pub fn absent(&self, why: impl Display) {
        self.down(format!("{why}; trying until it is there"));
    }

    /// Looks every second whether it answers, until dropped.
    pub async fn follow_pings<E, F>(&self, ping: impl Fn() -> F)
    where
        E: Display,
        F: Future<Output = Result<(), E>>,
    {
        loop {
            match ping().await {
                Ok(()) => self.up(),
                Err(error) => self.down(error.to_string()),
            }
            sleep(LOOK).await;
        }
    }

    /// Follows a connection that tells by itself whether it stands, until dropped. `at` says where
    /// it leads.
    pub async fn follow_connection(&self, mut connected: watch::Receiver<bool>, at: &str) {
        loop {
            if *connected.borrow_and_update() {
                self.up();
            } else {
                self.down(format!("the connection to {at} is gone"));
            }
            if connected.changed().await.is_err() {
                // Closed for good, which happens at the end alone.
                return pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Readiness;

    #[tokio::test(start_paused = true)]
    async fn what_is_away_is_tried_again_and_what_is_wrong_is_not() {
        let readiness = Readiness::default();
        let condition = readiness.condition("redis");
        let tries = Cell::new(0);
        let open = || {
            tries.set(tries.get() + 1);
            let outcome = if tries.get() < 3 { Err("away") } else { Ok(tries.get()) };
            async move { outcome }
        };
        assert_eq!(condition.until_there(|error| *error == "away", open).await, Ok(3));
        assert!(readiness.is_ready());
        let wrong =
            condition.until_there(|error| *error == "away", || async { Err::<(), _>("no") });
        assert_eq!(wrong.await, Err("no"));
    }

    #[tokio::test]
    async fn a_connection_that_goes_and_comes_is_told() {
        let readiness = Readiness::default();
        let condition = readiness.condition("nats");
        let (tell, connected) = watch::channel(true);
        let followed = condition.clone();
        let follower =
            tokio::spawn(async move { followed.follow_connection(connected, "a:1").await });
        readiness.ready().await;
        tell.send_replace(false);
        while readiness.is_ready() {
            tokio::task::yield_now().await;
        }
        let told = serde_json::to_string(&readiness.snapshot()).unwrap();
        assert!(told.contains("the connection to a:1 is gone"), "{told}");
        tell.send_replace(true);
        readiness.ready().await;
        follower.abort();
    }
}

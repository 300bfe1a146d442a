//! Whether this server may be sent work, as named conditions that its parts hold up.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeMap};
use tokio::sync::watch;

/// The conditions of one server. Clones share them.
///
/// Ready means: there is at least one condition, and all are up. Name every condition before the
/// first goes up, or the server is ready for a moment.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    conditions: Arc<watch::Sender<Conditions>>,
}

impl Readiness {
    /// Adds a condition, which waits until it is told [`Condition::up`].
    pub fn condition(&self, name: &'static str) -> Condition {
        self.conditions.send_modify(|conditions| {
            conditions.0.entry(name).or_insert(State::Waiting);
        });
        Condition { name, conditions: Arc::clone(&self.conditions) }
    }

    /// Whether every condition is up now.
    pub fn is_ready(&self) -> bool {
        self.conditions.borrow().are_up()
    }

    /// Waits until every condition is up. It has no deadline of its own.
    pub async fn ready(&self) {
        // It cannot fail: `self` holds the sender.
        let _ = self.conditions.subscribe().wait_for(Conditions::are_up).await;
    }

    /// Every condition as it is now.
    pub fn snapshot(&self) -> Conditions {
        self.conditions.borrow().clone()
    }
}

/// One thing that must hold before this server may be sent work. Clones are the same condition.
#[derive(Debug, Clone)]
pub struct Condition {
    name: &'static str,
    conditions: Arc<watch::Sender<Conditions>>,
}

impl Condition {
    /// It holds.
    pub fn up(&self) {
        if self.set(State::Up) {
            tracing::info!("{} is up", self.name);
        }
    }

    /// It does not hold, for this reason.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.set(State::Down(reason.clone())) {
            tracing::warn!("{} is down: {reason}", self.name);
        }
    }

    fn set(&self, state: State) -> bool {
        self.conditions.send_if_modified(|conditions| {
            conditions.0.insert(self.name, state.clone()) != Some(state)
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting,
    Up,
    Down(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting"),
            Self::Up => f.write_str("up"),
            Self::Down(reason) => write!(f, "down: {reason}"),
        }
    }
}

/// All conditions at one moment. As JSON:
/// `{"ready":false,"nats":"up","redis":"down: no route to it","registered":"waiting"}`.
#[derive(Debug, Clone, Default)]
pub struct Conditions(BTreeMap<&'static str, State>);

impl Conditions {
    /// Whether there are any, and all are up.
    pub fn are_up(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|state| *state == State::Up)
    }

    /// Adds a condition that is down in this copy alone.
    pub(crate) fn with_down(mut self, name: &'static str, reason: &str) -> Self {
        self.0.insert(name, State::Down(reason.to_owned()));
        self
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.0.len()))?;
        map.serialize_entry("ready", &self.are_up())?;
        for (name, state) in &self.0 {
            map.serialize_entry(name, &state.to_string())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_every_condition_up_and_none_is_not_ready() {
        let readiness = Readiness::default();
        assert!(!readiness.is_ready());
        let (nats, redis) = (readiness.condition("nats"), readiness.condition("redis"));
        nats.up();
        assert!(!readiness.is_ready());
        redis.up();
        assert!(readiness.is_ready());
        nats.down("broken pipe");
        assert!(!readiness.is_ready());
        assert_eq!(
            serde_json::to_string(&readiness.snapshot()).unwrap(),
            r#"{"ready":false,"nats":"down: broken pipe","redis":"up"}"#
        );
    }

    #[test]
    fn a_second_handle_of_a_condition_does_not_reset_it() {
        let readiness = Readiness::default();
        readiness.condition("nats").up();
        readiness.condition("nats");
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn ready_wakes_when_the_last_condition_goes_up() {
        let readiness = Readiness::default();
        let condition = readiness.condition("nats");
        let waiter = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        condition.up();
        tokio::time::timeout(std::time::Duration::from_secs(5), waiter).await.unwrap().unwrap();
    }
}

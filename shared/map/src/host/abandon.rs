//! Characters that were perhaps handed over to this server and never came. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::CharacterId;

/// Between the attempts to give a character up.
const RETRY: Duration = Duration::from_secs(1);

/// Characters to be given up.
#[derive(Debug, Default)]
pub(crate) struct Abandons(BTreeMap<CharacterId, State>);

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Asked,
}

impl Abandons {
    pub(crate) fn add(&mut self, character: CharacterId, now: Instant) {
        self.0.entry(character).or_insert(State::Waiting { until: now });
    }

    /// Those to be asked for now.
    pub(crate) fn ask(&mut self, now: Instant) -> Vec<CharacterId> {
        let due = |state: &State| matches!(state, State::Waiting { until } if *until <= now);
        let asked = self.0.iter_mut().filter(|(_, state)| due(state)).map(|(character, state)| {
            *state = State::Asked;
            *character
        });
        asked.collect()
    }

    /// The answer came: done, or to be asked for again.
    pub(crate) fn answered(&mut self, character: CharacterId, done: bool, now: Instant) {
        if done {
            self.0.remove(&character);
        } else if let Some(state) = self.0.get_mut(&character) {
            *state = State::Waiting { until: now + RETRY };
        }
    }

    /// The character is expected here again, or taken away by its owner's wish. False while an
    /// answer is awaited: then it may be given up at any moment.
    pub(crate) fn stop(&mut self, character: CharacterId) -> bool {
        if matches!(self.0.get(&character), Some(State::Asked)) {
            return false;
        }
        self.0.remove(&character);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_asked_for_until_it_is_given_up() {
        let (now, ada) = (Instant::now(), CharacterId::new());
        let mut abandons = Abandons::default();
        abandons.add(ada, now);
        assert_eq!(abandons.ask(now), [ada]);
        abandons.add(ada, now);
        assert_eq!(abandons.ask(now + RETRY), [], "an answer is awaited");
        abandons.answered(ada, false, now);
        assert_eq!(abandons.ask(now), []);
        assert_eq!(abandons.ask(now + RETRY), [ada]);
        abandons.answered(ada, true, now);
        assert!(abandons.is_empty());
    }

    #[test]
    fn one_that_is_expected_again_is_kept_unless_it_is_being_given_up() {
        let (now, ada) = (Instant::now(), CharacterId::new());
        let mut abandons = Abandons::default();
        abandons.add(ada, now);
        assert!(abandons.stop(ada) && abandons.is_empty());
        abandons.add(ada, now);
        abandons.ask(now);
        assert!(!abandons.stop(ada) && !abandons.is_empty());
    }
}

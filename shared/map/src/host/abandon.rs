//! Characters that were perhaps handed over to this server and never came. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use protocol::{CharacterId, Code, Failure, backbone::Done};

use crate::jobs::LATE;

/// Between the attempts to give a character up.
const RETRY: Duration = Duration::from_secs(1);

/// Characters to be given up.
#[derive(Debug, Default)]
pub(crate) struct Abandons(BTreeMap<CharacterId, State>);

#[derive(Debug)]
enum State {
    Waiting {
        until: Instant,
    },
    Asked,
    /// It was asked for, and no answer came: it may still be done until then, and be taken from
    /// whoever was let have it meanwhile.
    Unheard {
        until: Instant,
    },
}

impl Abandons {
    pub(crate) fn add(&mut self, character: CharacterId, now: Instant) {
        self.0.entry(character).or_insert(State::Waiting { until: now });
    }

    /// Those to be asked for now.
    pub(crate) fn ask(&mut self, now: Instant) -> Vec<CharacterId> {
        let due = |state: &State| match state {
            State::Waiting { until } | State::Unheard { until } => *until <= now,
            State::Asked => false,
        };
        let asked = self.0.iter_mut().filter(|(_, state)| due(state)).map(|(character, state)| {
            *state = State::Asked;
            *character
        });
        asked.collect()
    }

    /// The answer came: done, or to be asked for again.
    pub(crate) fn answered(
        &mut self,
        character: CharacterId,
        answer: &Result<Done, Failure>,
        now: Instant,
    ) {
        let next = match answer {
            Ok(Done {}) => {
                self.0.remove(&character);
                return;
            }
            Err(failure) if failure.code == Code::DeadlinePassed => {
                State::Unheard { until: now + LATE }
            }
            Err(_) => State::Waiting { until: now + RETRY },
        };
        if let Some(state) = self.0.get_mut(&character) {
            *state = next;
        }
    }

    /// The character is expected here again, or taken away by its owner's wish. False while an
    /// answer is awaited, or may come late: then it may be given up at any moment.
    pub(crate) fn stop(&mut self, character: CharacterId) -> bool {
        if matches!(self.0.get(&character), Some(State::Asked | State::Unheard { .. })) {
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

    fn failed(code: Code) -> Result<Done, Failure> {
        Err(Failure::new(code, "as it is"))
    }

    #[test]
    fn a_character_is_asked_for_until_it_is_given_up() {
        let (now, ada) = (Instant::now(), CharacterId::new());
        let mut abandons = Abandons::default();
        abandons.add(ada, now);
        assert_eq!(abandons.ask(now), [ada]);
        abandons.add(ada, now);
        assert_eq!(abandons.ask(now + RETRY), [], "an answer is awaited");
        abandons.answered(ada, &failed(Code::Unavailable), now);
        assert_eq!(abandons.ask(now), []);
        assert_eq!(abandons.ask(now + RETRY), [ada]);
        abandons.answered(ada, &Ok(Done {}), now);
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

    #[test]
    fn one_that_may_still_be_given_up_late_is_not_expected_again_before() {
        let (now, ada) = (Instant::now(), CharacterId::new());
        let mut abandons = Abandons::default();
        abandons.add(ada, now);
        abandons.ask(now);
        abandons.answered(ada, &failed(Code::DeadlinePassed), now);
        assert!(!abandons.stop(ada), "it could be taken from a player who has just come");
        assert_eq!(abandons.ask(now + LATE - Duration::from_millis(1)), []);
        assert_eq!(abandons.ask(now + LATE), [ada]);
        abandons.answered(ada, &failed(Code::Unavailable), now);
        assert!(abandons.stop(ada), "that one was never asked for");
    }
}

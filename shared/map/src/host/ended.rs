//! Sessions that ended a short while ago: an admission that was checked before its session's end
//! and enters after it must not get in. Pure.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use protocol::{Code, Failure, SessionId};

/// How long an end is remembered: longer than any admission takes.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Sessions that ended.
#[derive(Debug, Default)]
pub(crate) struct EndedSessions {
    why: HashMap<SessionId, Code>,
    oldest_first: VecDeque<(Instant, SessionId)>,
}

impl EndedSessions {
    pub(crate) fn add(&mut self, session: SessionId, why: Code, now: Instant) {
        if self.why.insert(session, why).is_none() {
            self.oldest_first.push_back((now, session));
        }
        while let Some((since, oldest)) = self.oldest_first.front()
            && *since + REMEMBERED <= now
        {
            self.why.remove(oldest);
            self.oldest_first.pop_front();
        }
    }

    /// Why a session is over, if it is known to be.
    pub(crate) fn why(&self, session: SessionId) -> Option<Failure> {
        self.why.get(&session).map(|code| failure(*code))
    }
}

/// What the client of an ended session is told.
pub(crate) fn failure(why: Code) -> Failure {
    let message = match why {
        Code::SessionReplaced => "somebody logged in to your account elsewhere",
        Code::LoggedOut => "you have logged out",
        _ => "your session is over: log in again",
    };
    Failure::new(why, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_remembered_for_a_minute() {
        let (now, mut ended) = (Instant::now(), EndedSessions::default());
        let (first, second) = (SessionId::new(), SessionId::new());
        ended.add(first, Code::SessionReplaced, now);
        ended.add(second, Code::LoggedOut, now + REMEMBERED - Duration::from_millis(1));
        assert_eq!(ended.why(first).unwrap().code, Code::SessionReplaced);
        assert_eq!(ended.why(SessionId::new()), None);
        ended.add(SessionId::new(), Code::LoggedOut, now + REMEMBERED);
        assert_eq!((ended.why(first), ended.why(second).is_some()), (None, true));
    }
}

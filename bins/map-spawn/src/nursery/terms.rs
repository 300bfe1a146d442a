//! Which leader's commands are obeyed.

use protocol::{Code, Failure, SpawnerId};

/// The greatest term of a leading Cluster that was heard of. One of an older term does not know
/// that it leads no more: what it wants is not what is meant to be.
#[derive(Debug, Default)]
pub(super) struct Terms {
    greatest: u64,
}

impl Terms {
    pub(super) fn hear(&mut self, term: u64) {
        self.greatest = self.greatest.max(term);
    }

    /// Takes a command of a term, or one that names none, as people's do.
    ///
    /// # Errors
    /// A greater term was heard of.
    pub(super) fn check(&mut self, term: Option<u64>, spawner: &SpawnerId) -> Result<(), Failure> {
        let Some(term) = term else { return Ok(()) };
        if term < self.greatest {
            let message = format!(
                "this command is of term {term}, and {spawner} has heard of a leader of term {}",
                self.greatest
            );
            return Err(Failure::new(Code::Fenced, message));
        }
        self.hear(term);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_an_older_term_than_one_that_was_heard_of_is_refused() {
        let (mut terms, spawner) = (Terms::default(), "s".parse().unwrap());
        terms.check(Some(0), &spawner).unwrap();
        terms.check(Some(3), &spawner).unwrap();
        let refused = terms.check(Some(2), &spawner).unwrap_err();
        assert_eq!(refused.code, Code::Fenced);
        assert!(refused.message.contains("term 2") && refused.message.contains("term 3"));
        terms.hear(5);
        terms.hear(4);
        terms.check(Some(4), &spawner).unwrap_err();
        terms.check(Some(5), &spawner).unwrap();
        terms.check(None, &spawner).unwrap();
    }
}

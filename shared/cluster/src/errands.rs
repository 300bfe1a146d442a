//! Numbers for commands on their way to other servers, and the term that they carry.

use crate::event::Job;

/// Numbers commands.
#[derive(Debug)]
pub struct Errands {
    jobs: u64,
    epoch: u64,
}

impl Errands {
    /// None yet, in this leader's term.
    pub fn new(epoch: u64) -> Self {
        Self { jobs: 0, epoch }
    }

    /// The next number.
    pub fn number(&mut self) -> Job {
        self.jobs += 1;
        Job(self.jobs)
    }

    /// This leader's term.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

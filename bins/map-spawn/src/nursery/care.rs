//! Commands about a child that hangs, or that is held.

use std::time::Duration;

use protocol::{
    Code, Failure, ServerId,
    backbone::spawners::{ChildState, EndHungChild},
};

use super::{
    Effect, Nursery, WaiterId,
    backoff::Backoff,
    child::{Phase, Reason},
};

impl Nursery {
    /// Ends a life that does not beat any more; what is not the present life needs no ending.
    pub(super) fn hung(&mut self, order: &EndHungChild, waiter: WaiterId, now: Duration) {
        let obeyed = self.terms.check(order.epoch, &self.limits.spawner);
        let server = &order.life.server;
        let phase = self.children.get(server).map(|child| &child.phase);
        let is_it = matches!(phase, Some(Phase::Ready { life, .. }) if *life == order.life);
        if obeyed.is_ok() && is_it {
            self.terminate(server, Reason::Hung, now);
        }
        self.effects.push(Effect::Done(waiter, obeyed));
    }

    /// Starts a held child again, as if it had never crashed.
    pub(super) fn clear(&mut self, server: &ServerId, waiter: WaiterId, now: Duration) {
        let cleared = self.try_clear(server, now);
        self.effects.push(Effect::Done(waiter, cleared));
    }

    fn try_clear(&mut self, server: &ServerId, now: Duration) -> Result<(), Failure> {
        let Some(child) = self.children.get_mut(server) else { return Err(self.unknown(server)) };
        let Phase::Held { told } = child.phase else {
            let message = format!("{server} is not held; it is {}", word(child.state()));
            return Err(Failure::new(Code::NotAllowed, message));
        };
        child.backoff = Backoff::new(child.upkeep.restart);
        child.phase = Phase::Waiting { until: now, told };
        Ok(())
    }
}

fn word(state: ChildState) -> &'static str {
    match state {
        ChildState::Starting => "starting",
        ChildState::Ready => "ready",
        ChildState::Waiting => "waiting for its restart",
        ChildState::Held => "held",
        ChildState::Stopping => "stopping",
    }
}

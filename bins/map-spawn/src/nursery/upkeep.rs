//! What a child takes, and what is done about it when it crashes.

use protocol::backbone::{desired::RestartPolicy, spawners::StartChild};
use serde::{Deserialize, Serialize};

/// On what terms a child runs: said at its start, and the same for all its lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upkeep {
    /// Players that it takes; without it, the Map Server's own setting.
    pub(crate) capacity: Option<u32>,
    /// Slots that it takes.
    pub(crate) cost: u32,
    /// What happens when it crashes.
    pub(crate) restart: RestartPolicy,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { capacity: None, cost: 1, restart: RestartPolicy::default() }
    }
}

impl From<&StartChild> for Upkeep {
    fn from(order: &StartChild) -> Self {
        Self {
            capacity: order.capacity,
            // Slots are the bound on processes, so no process is free.
            cost: order.cost.unwrap_or(1).max(1),
            restart: order.restart.unwrap_or_default(),
        }
    }
}

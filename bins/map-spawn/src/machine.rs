//! How busy this machine is.

use std::time::Duration;

use protocol::backbone::spawners::Machine;
use sysinfo::System;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Between two looks. Processor time is what was used since the look before.
const EVERY: Duration = Duration::from_secs(1);

/// Looks once a second until it is told to end; on a thread for that, since a busy machine may take
/// its time to say how busy it is.
pub(crate) async fn observe(machine: watch::Sender<Machine>, closing: CancellationToken) {
    let mut looks = interval(EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut system = System::new();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = closing.cancelled() => return,
        }
        let looked = spawn_blocking(move || {
            let seen = look(&mut system);
            (system, seen)
        });
        match looked.await {
            Ok((again, seen)) => {
                system = again;
                machine.send_replace(seen);
            }
            Err(error) => {
                warn!("how busy the machine is cannot be told: {error}");
                system = System::new();
            }
        }
    }
}

fn look(system: &mut System) -> Machine {
    system.refresh_cpu_usage();
    system.refresh_memory();
    let memory = (system.used_memory() * 100).checked_div(system.total_memory());
    Machine {
        cpu: percent(system.global_cpu_usage()),
        memory: memory.and_then(|memory| u8::try_from(memory).ok()).unwrap_or_default().min(100),
    }
}

fn percent(share: f32) -> u8 {
    share.clamp(0.0, 100.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_use_on_every_machine() {
        let seen = look(&mut System::new());
        assert!((1..=100).contains(&seen.memory), "{seen:?}");
        assert_eq!([-1.0, 12.6, 240.0].map(percent), [0, 13, 100]);
    }
}

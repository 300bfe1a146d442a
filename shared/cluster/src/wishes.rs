//! What is to be done about one map so that living and desired agree.

use std::time::Duration;

use protocol::{
    ServerId,
    backbone::desired::{DesiredInstances, DesiredMap},
};

use crate::census::{Living, Serving};

/// A channel is near its soft cap from this share on, in percent: then another one is started.
const NEAR_PERCENT: u64 = 80;

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Map Servers that are missing: started once they have been for a while, since a spawner may
    /// not have told yet that it is about to start one again.
    pub(crate) missing: u32,
    /// Whether one more is to be started at once.
    pub(crate) more: bool,
    /// An empty one that is needed no more.
    pub(crate) retire: Option<ServerId>,
}

/// A map that always runs: as many channels as are meant to, more while all are near their soft
/// cap, fewer when some have been empty for a while.
pub(crate) fn of_map(map: &DesiredMap, living: &Living, waiting: u32, now: Duration) -> Wish {
    let (min, max) = (u32::from(map.min_channels), u32::from(map.max_channels));
    let count = living.count();
    if count < min {
        return Wish { missing: min - count, ..Wish::default() };
    }
    let is_wanted = waiting > 0 || !living.serving.is_empty();
    if is_wanted && living.coming == 0 && count < max && living.serving.iter().all(is_near) {
        return Wish { more: true, ..Wish::default() };
    }
    let idle = Duration::from_secs(map.idle_s.into());
    let spare = living.serving.iter().filter(|_| count > min);
    let retire = newest_empty(spare, idle, now).filter(|empty| {
        // Without it, the others must have room, or it would be started again at once.
        let mut others = living.serving.iter().filter(|other| other.server != *empty).peekable();
        (min == 0 && others.peek().is_none()) || !others.all(is_near)
    });
    Wish { retire, ..Wish::default() }
}

/// Instances: as many spares as are meant to be ready, of no more than there may be.
pub(crate) fn of_instances(
    wanted: &DesiredInstances,
    living: &Living,
    promised: impl Fn(&ServerId) -> bool,
    coming_for_parties: u32,
    now: Duration,
) -> Wish {
    let is_spare = |serving: &&Serving| !serving.claimed && !promised(&serving.server);
    let spares = u32::try_from(living.serving.iter().filter(is_spare).count()).unwrap_or(u32::MAX);
    let coming = living.coming.saturating_sub(coming_for_parties).saturating_add(living.held);
    let room = u32::from(wanted.max).saturating_sub(living.count());
    let missing = u32::from(wanted.spares).saturating_sub(spares.saturating_add(coming));
    if missing > 0 {
        return Wish { missing: missing.min(room), ..Wish::default() };
    }
    let idle = Duration::from_secs(wanted.idle_s.into());
    let surplus = spares > u32::from(wanted.spares);
    let spare = living.serving.iter().filter(is_spare).filter(|_| surplus);
    Wish { retire: newest_empty(spare, idle, now), ..Wish::default() }
}

/// Of those that may be stopped and have been empty for so long, the one on the highest channel.
fn newest_empty<'a>(
    serving: impl Iterator<Item = &'a Serving>,
    idle: Duration,
    now: Duration,
) -> Option<ServerId> {
    let has_idled = |since: Duration| now.saturating_sub(since) >= idle;
    serving
        .filter(|it| it.spare_of.is_some() && it.empty_since.is_some_and(has_idled))
        .max_by_key(|it| it.channel)
        .map(|it| it.server.clone())
}

fn is_near(serving: &Serving) -> bool {
    u64::from(serving.crowd) * 100 >= u64::from(serving.soft_cap) * NEAR_PERCENT
}

//! How many sockets this process may have open.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sockets and files beside those of the bots.
const OTHERS: u64 = 64;

/// Makes room for so many sockets, as far as the system lets this process.
///
/// # Errors
/// When it does not, with what to do.
pub(crate) fn make_room(sockets: usize) -> anyhow::Result<()> {
    let needed = u64::try_from(sockets)?.saturating_add(OTHERS);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < needed) {
        bail!(
            "{sockets} bots need {needed} open files, the hard limit is {}: raise it, \
             such as by `sudo prlimit --pid $$ --nofile={needed}`, or take fewer",
            maximum.unwrap_or_default()
        );
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })?;
    Ok(())
}

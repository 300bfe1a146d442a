//! A hold on a process that means this process for ever, whoever gets its id when it has ended.

use std::{io, os::fd::OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::nursery::Sign;

/// Whether there are handles on this system.
pub(super) const SUPPORTED: bool = true;

/// A process, not necessarily a child of this one.
#[derive(Debug)]
pub(crate) struct Handle {
    fd: AsyncFd<OwnedFd>,
}

impl Handle {
    /// A hold on the process that has this id now. To be called within the run time.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        let fd = pidfd_open(pid, PidfdFlags::empty())?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, since some types close or replace their descriptor \
                      while it is watched; an `OwnedFd` that is only lent does neither"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd })
    }

    /// Whether the process has ended, as far as can be told.
    pub(super) fn is_over(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.get_ref(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
    }

    /// Waits for the end of the process. May be dropped and called again.
    pub(super) async fn ended(&self) -> io::Result<()> {
        // It is readable from then on, so nothing has to be cleared.
        self.fd.readable().await.map(drop)
    }

    pub(super) fn send(&self, sign: Sign) -> io::Result<()> {
        let signal = match sign {
            Sign::Term => Signal::TERM,
            Sign::Kill => Signal::KILL,
        };
        Ok(pidfd_send_signal(self.fd.get_ref(), signal)?)
    }
}

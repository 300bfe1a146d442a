//! For systems that have no handle on a process that is not a child: nothing is adopted there.

use std::{convert::Infallible, io};

use crate::nursery::Sign;

/// Whether there are handles on this system.
pub(super) const SUPPORTED: bool = false;

/// There is none.
#[derive(Debug)]
pub(crate) struct Handle(Infallible);

impl Handle {
    pub(super) fn open(_: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_over(&self) -> bool {
        match self.0 {}
    }

    pub(super) async fn ended(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn send(&self, _: Sign) -> io::Result<()> {
        match self.0 {}
    }
}

//! SIGTERM and SIGINT: the first asks for a drain, the second ends the process at once.

use std::{fmt, future::Future, io, process, thread};

use tokio::{
    runtime,
    signal::unix::{self, SignalKind},
    sync::oneshot,
};

/// The status of a process that a second signal ended.
pub const EXIT_FORCED: i32 = 130;

/// What asked the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, from a supervisor.
    Terminate,
    /// SIGINT, from a keyboard.
    Interrupt,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Catches signals from now on. The future ends with the first one.
///
/// **A second signal calls `std::process::exit(130)`**, without waiting for anything. A thread of
/// its own listens, so that this holds even when a task blocks the program's runtime for good.
///
/// # Errors
/// The system refuses the thread or the signal handlers.
pub fn listen() -> io::Result<impl Future<Output = Signal> + Send> {
    let (first, caught) = oneshot::channel();
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let mut source = {
        let _context = runtime.enter();
        Source {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            // Nobody listens when the program is at its end anyhow.
            let _ = first.send(source.next().await);
            source.next().await;
            process::exit(EXIT_FORCED);
        });
    })?;
    Ok(async {
        match caught.await {
            Ok(signal) => signal,
            Err(_) => std::future::pending().await,
        }
    })
}

struct Source {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Source {
    async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.terminate.recv() => Signal::Terminate,
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            else => std::future::pending().await,
        }
    }
}

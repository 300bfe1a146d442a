//! A running Map Server: what it says, what it is told, how it ends.

use protocol::{ServerId, backbone::spawners::ChildReady};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout},
    sync::mpsc,
};
use tracing::{debug, warn};

use crate::{
    map_program::how_it_ended,
    nursery::{Event, Sign},
};

/// Longest line that is read; the rest of a longer one is dropped.
const LINE_BYTES: usize = 4096;

/// Watches a child until it has ended: reports its registration and its end, and hands signals on.
///
/// The process is reaped here and nowhere else, so a signal cannot hit another process that got
/// its id.
pub(crate) async fn watch(
    server: ServerId,
    mut child: Child,
    mut signs: mpsc::Receiver<Sign>,
    reports: mpsc::Sender<Event>,
) {
    let mut lines = child.stdout.take().map(Lines::new);
    let how = loop {
        tokio::select! {
            // In this order: what it said before its end is heard before its end.
            biased;
            Some(sign) = signs.recv() => signal(&server, &child, sign),
            line = next_line(&mut lines) => match line {
                Some(line) => {
                    if let Some(ready) = read(&server, &line) {
                        let _ = reports.send(Event::Ready(ready)).await;
                    }
                }
                None => lines = None,
            },
            status = child.wait() => break match status {
                Ok(status) => how_it_ended(status),
                Err(error) => format!("was lost: {error}"),
            },
        }
    };
    // Nobody listens any more when the spawner was cut short.
    let _ = reports.send(Event::Ended { server, how }).await;
}

fn signal(server: &ServerId, child: &Child, sign: Sign) {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let Some(pid) = pid else { return };
    let signal = match sign {
        Sign::Term => Signal::TERM,
        Sign::Kill => Signal::KILL,
    };
    if let Err(error) = kill_process(pid, signal) {
        warn!(%server, %error, "a signal could not be sent");
    }
}

/// The one line that means something, if this is it.
fn read(server: &ServerId, line: &str) -> Option<ChildReady> {
    match serde_json::from_str::<ChildReady>(line) {
        Ok(ready) if ready.life.server == *server => Some(ready),
        Ok(ready) => {
            warn!(%server, "it calls itself {}; that is passed over", ready.life.server);
            None
        }
        Err(_) => {
            debug!(%server, "{line}");
            None
        }
    }
}

/// Never ends when there is nothing left to read: the end of the process counts, not its pipe's.
async fn next_line(lines: &mut Option<Lines>) -> Option<String> {
    match lines {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}

/// Lines of bounded length.
struct Lines {
    reader: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Lines {
    fn new(stdout: ChildStdout) -> Self {
        Self { reader: BufReader::new(stdout), line: Vec::new() }
    }

    /// The next line, or `None` at the end. Dropping the future loses nothing: what was read of a
    /// line stays in `self`.
    async fn next(&mut self) -> Option<String> {
        loop {
            let buffer = self.reader.fill_buf().await.ok()?;
            if buffer.is_empty() {
                return None;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let room = LINE_BYTES.saturating_sub(self.line.len());
            let part = buffer.iter().take(end.unwrap_or(buffer.len())).take(room);
            self.line.extend(part);
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_registration_is_believed() {
        let (town, forest): (ServerId, ServerId) =
            ("s-town-1".parse().unwrap(), "s-forest-1".parse().unwrap());
        let line = r#"{"server":"s-town-1","incarnation":"0198c0de-0000-7000-8000-000000000001",
            "channel":1,"port":7100,"admin":"127.0.0.1:9100"}"#;
        assert_eq!(read(&town, line).unwrap().port, 7100);
        assert_eq!(read(&forest, line), None);
        assert_eq!(read(&town, "good morning"), None);
    }
}

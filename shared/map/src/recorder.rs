//! What happens to the world, written down: on demand into a file, and always the last minute, for
//! when the game fails.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use protocol::Position;
use serde_json::Value;
use tracing::{error, info};
use world::{
    Input, Stage, World,
    recording::{self, Entry},
};

/// How long a stretch of the last minute is.
const STRETCH: Duration = Duration::from_secs(15);
/// Whole stretches that are kept beside the one that is being written.
const STRETCHES: usize = 4;
/// Most bytes of a stretch: one that is full sooner ends sooner.
const STRETCH_MAX: usize = 16 * 1024 * 1024;
/// Entries that wait for the disk at most; a second of a full map.
const QUEUE: usize = 65_536;
/// The program's name and version, for whoever finds a recording.
const PROGRAM: &str = concat!("waystone-map/", env!("CARGO_PKG_VERSION"));

/// Where recordings go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelves {
    /// Everything, from the start on.
    pub(crate) record: Option<PathBuf>,
    /// The last minute, after a failure of the game.
    pub(crate) crashes: PathBuf,
}

/// Writes down what happens.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: Option<SyncSender<Vec<u8>>>,
    flight: Option<Flight>,
}

/// The last minute: the stretches before, oldest first, and the one that is written.
#[derive(Debug)]
struct Flight {
    crashes: PathBuf,
    before: VecDeque<Vec<u8>>,
    now: Vec<u8>,
    begun: Instant,
}

impl Flight {
    /// Begins the next stretch.
    fn turn(&mut self, mut header: Vec<u8>, now: Instant) {
        if self.before.len() >= STRETCHES {
            self.before.pop_front();
        }
        // It will be about as long as this one, and memory that is doubled when it is full is half
        // empty: it is that of all players' inputs.
        header.reserve_exact(self.now.len() + self.now.len() / 8);
        let mut ended = std::mem::replace(&mut self.now, header);
        ended.shrink_to_fit();
        self.before.push_back(ended);
        self.begun = now;
    }
}

impl Recorder {
    /// Begins with the state of a stage.
    ///
    /// # Errors
    /// A file that cannot be made, or a world that cannot be written.
    pub(crate) fn begin<W: World>(
        shelves: Shelves,
        stage: &Stage<W>,
        now: Instant,
    ) -> io::Result<Self> {
        let header = recording::header(stage, PROGRAM).map_err(io::Error::other)?;
        let file = shelves.record.map(|path| write_to(&path, header.clone())).transpose()?;
        let flight =
            Flight { crashes: shelves.crashes, before: VecDeque::new(), now: header, begun: now };
        Ok(Self { file, flight: Some(flight) })
    }

    /// Writes nothing down.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { file: None, flight: None }
    }

    /// Something happens.
    pub(crate) fn input(&mut self, input: &Input) {
        self.write(Entry::Input(input));
    }

    /// A character comes.
    pub(crate) fn entered(&mut self, name: &str, at: Option<Position>, data: &Value) {
        self.input(&Input::Enter { name: name.to_owned(), at, data: data.clone() });
    }

    /// A tick has passed.
    pub(crate) fn ticked<W: World>(&mut self, stage: &Stage<W>, now: Instant) {
        if self.file.is_some() {
            match recording::hash(stage) {
                Ok(hash) => self.write(Entry::Hash(hash)),
                Err(error) => self.stop(&error.to_string()),
            }
        }
        let Some(flight) = &mut self.flight else { return };
        let is_full = flight.now.len() >= STRETCH_MAX;
        if is_full || now >= flight.begun + STRETCH {
            match recording::header(stage, PROGRAM) {
                Ok(header) => flight.turn(header, now),
                Err(error) => {
                    error!(%error, "the last minute is not kept any more");
                    self.flight = None;
                }
            }
        }
    }

    fn write(&mut self, entry: Entry<'_>) {
        let mut apart = Vec::new();
        let to = self.flight.as_mut().map_or(&mut apart, |flight| &mut flight.now);
        let begun = to.len();
        let written = recording::put(to, entry);
        let bytes = to.get(begun..).unwrap_or_default();
        if let Err(error) = written {
            self.stop(&error.to_string());
        } else if let Some(file) = &self.file
            && file.try_send(bytes.to_vec()).is_err()
        {
            self.stop("the disk is too slow, or full");
        }
    }

    fn stop(&mut self, why: &str) {
        if self.file.take().is_some() {
            error!(why, "the recording ends here");
        }
    }

    /// The game has failed: writes the last minute down beside a report. Gives the report's path.
    pub(crate) fn crashed(&self, server: &str, what: &str) -> io::Result<Option<PathBuf>> {
        let Some(flight) = &self.flight else { return Ok(None) };
        fs::create_dir_all(&flight.crashes)?;
        let seconds = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let name = |ending: &str| flight.crashes.join(format!("{server}-{seconds}{ending}"));
        // Each stretch runs up to where the next one begins.
        let mut files = Vec::new();
        for (number, bytes) in flight.before.iter().chain([&flight.now]).enumerate() {
            let file = name(&format!("-{}.recording", number + 1));
            fs::write(&file, bytes)?;
            files.push(file.display().to_string());
        }
        let report = name(".txt");
        let again = files.iter().map(|file| format!("  map replay {file}\n"));
        let again: String = again.collect();
        let text = format!("{PROGRAM}\n{server}\n{what}\n\nTo run what led to it again:\n{again}");
        fs::write(&report, text)?;
        Ok(Some(report))
    }
}

/// Opens a file, and has a thread write to it whatever is sent.
fn write_to(path: &Path, header: Vec<u8>) -> io::Result<SyncSender<Vec<u8>>> {
    let file = File::create(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot record to {}: {error}", path.display()))
    })?;
    let (entries, written) = sync_channel(QUEUE);
    let path = path.to_owned();
    thread::Builder::new().name("recorder".to_owned()).spawn(move || {
        match record(BufWriter::new(file), header, &written) {
            Ok(()) => info!(path = %path.display(), "recorded"),
            Err(error) => error!(path = %path.display(), %error, "the recording ends here"),
        }
    })?;
    Ok(entries)
}

/// Writes until the host has ended. What waits is written in one go, and nothing stays unwritten
/// while nothing comes.
fn record(mut to: impl Write, header: Vec<u8>, entries: &Receiver<Vec<u8>>) -> io::Result<()> {
    to.write_all(&header)?;
    while let Ok(entry) = entries.recv() {
        to.write_all(&entry)?;
        while let Ok(entry) = entries.try_recv() {
            to.write_all(&entry)?;
        }
        to.flush()?;
    }
    to.flush()
}

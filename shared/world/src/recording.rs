//! Inputs written down, to be run again.
//!
//! A recording is a sequence of frames, each a length, as Postcard writes a `u32`, and that many
//! bytes of Postcard. The first frame is the [`Header`] with the state that it begins with; the others
//! are [`Entry`]s. It may end anywhere, as after a crash.

use std::{
    io::{self, Read},
    sync::Arc,
};

use protocol::MapName;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{Input, Stage, StateError, World, atlas::MapPlan};

/// Longest frame that is read, in bytes: more than the state of a full map takes.
const FRAME_MAX: u32 = 256 * 1024 * 1024;
/// Longest length of a frame, in bytes.
const HEAD_MAX: usize = 5;
/// The form of recordings that this build reads and writes.
const FORM: u32 = 3;

/// What a recording begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    form: u32,
    /// The program and its version.
    pub program: String,
    /// The map.
    pub map: MapName,
    /// What [`Stage::state`] gave.
    state: Vec<u8>,
}

/// One thing that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Entry<'a> {
    /// Something happened.
    Input(&'a Input),
    /// [`hash`] of the state after the tick before.
    Hash(u64),
}

/// As [`Entry`], read again.
#[derive(Deserialize)]
enum Recorded {
    Input(Input),
    Hash(u64),
}

/// Something that cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The state of the world, such as one with a map whose keys are maps.
    #[error("the world's state cannot be written: {0}")]
    State(#[from] rmp_serde::encode::Error),
    /// An entry, which no entry of this crate causes.
    #[error("an input cannot be written: {0}")]
    Entry(#[from] postcard::Error),
}

/// A recording that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("the recording cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is no recording, or one of another version.
    #[error("that is no recording of this version: {0}")]
    NoRecording(String),
    /// The game cannot go on from its state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state cannot be written, so there is nothing to compare.
    #[error(transparent)]
    Unwritable(#[from] RecordError),
}

/// How a recording ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Ticks that were run.
    pub ticks: u32,
    /// Ticks whose state was compared.
    pub compared: u32,
    /// The first tick whose state was another one.
    pub differs: Option<u32>,
    /// The recording ends inside of a frame, as after a crash.
    pub is_cut: bool,
}

/// A short name of a stage's state: equal states have equal ones. It is the beginning of the
/// SHA-256 of [`Stage::state`].
///
/// # Errors
/// [`RecordError::State`].
pub fn hash<W: World>(stage: &Stage<W>) -> Result<u64, RecordError> {
    let digest = Sha256::digest(stage.state()?);
    Ok(digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
}

/// A recording's beginning, as bytes.
///
/// # Errors
/// [`RecordError::State`].
pub fn header<W: World>(stage: &Stage<W>, program: &str) -> Result<Vec<u8>, RecordError> {
    let (program, map) = (program.to_owned(), stage.plan().name.clone());
    let mut bytes = Vec::new();
    put_frame(&mut bytes, &Header { form: FORM, program, map, state: stage.state()? })?;
    Ok(bytes)
}

/// Adds an entry.
///
/// # Errors
/// [`RecordError::Entry`], and nothing was added.
pub fn put(to: &mut Vec<u8>, entry: Entry<'_>) -> Result<(), RecordError> {
    put_frame(to, &entry)
}

fn put_frame<T: Serialize>(to: &mut Vec<u8>, value: &T) -> Result<(), RecordError> {
    let begun = to.len();
    // Most are short, and their length is one byte.
    to.push(0);
    if let Err(error) = postcard::to_io(value, &mut *to) {
        to.truncate(begun);
        return Err(error.into());
    }
    // A longer one is longer than any frame that is read, and refused there.
    let length = u32::try_from(to.len() - begun - 1).unwrap_or(u32::MAX);
    let mut head = [0; HEAD_MAX];
    let head = postcard::to_slice(&length, &mut head)?;
    to.splice(begun..=begun, head.iter().copied());
    Ok(())
}

/// Reads the beginning of a recording.
///
/// # Errors
/// [`ReplayError::Unreadable`] or [`ReplayError::NoRecording`].
pub fn read_header(from: &mut impl Read) -> Result<Header, ReplayError> {
    let header: Option<Header> = read_frame(from).map_err(|error| match error {
        ReplayError::Unreadable(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ReplayError::NoRecording("it ends where it should begin".to_owned())
        }
        error => error,
    })?;
    let header = header.ok_or_else(|| ReplayError::NoRecording("it is empty".to_owned()))?;
    if header.form != FORM {
        let other = format!("its form is {}, and this build reads {FORM}", header.form);
        return Err(ReplayError::NoRecording(other));
    }
    Ok(header)
}

/// Runs a recording again from its header on, and compares the state wherever a hash was written.
///
/// # Errors
/// See [`ReplayError`]. A state that differs is no error: [`Replayed::differs`] tells.
pub fn replay<W: World>(
    plan: Arc<MapPlan>,
    header: &Header,
    from: &mut impl Read,
) -> Result<Replayed, ReplayError> {
    let mut stage = Stage::<W>::restore(plan, &header.state)?;
    let begin = stage.tick();
    let mut replayed = Replayed { ticks: 0, compared: 0, differs: None, is_cut: false };
    let mut effects = Vec::new();
    loop {
        match read_frame::<Recorded>(from) {
            Ok(Some(Recorded::Input(input))) => {
                stage.apply(&input, &mut effects);
                effects.clear();
            }
            Ok(Some(Recorded::Hash(recorded))) => {
                replayed.compared += 1;
                if replayed.differs.is_none() && hash(&stage)? != recorded {
                    replayed.differs = Some(stage.tick());
                }
            }
            Ok(None) => break,
            Err(ReplayError::Unreadable(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                replayed.is_cut = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    replayed.ticks = stage.tick().wrapping_sub(begin);
    Ok(replayed)
}

/// The next frame; `None` at a clean end.
fn read_frame<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, ReplayError> {
    let mut head = [0; HEAD_MAX];
    let mut got = 0;
    // Its last byte is the first without the highest bit.
    while got == 0 || head.get(got - 1).is_some_and(|byte| byte & 0x80 != 0) {
        let Some(byte) = head.get_mut(got..=got) else { break };
        match from.read(byte)? {
            0 if got == 0 => return Ok(None),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => got += 1,
        }
    }
    let length: u32 = postcard::from_bytes(head.get(..got).unwrap_or_default())
        .map_err(|error| ReplayError::NoRecording(error.to_string()))?;
    if length > FRAME_MAX {
        return Err(ReplayError::NoRecording(format!("a frame claims {length} bytes")));
    }
    let mut payload = Vec::new();
    // Grows with what there is, not with what is claimed.
    if from.take(u64::from(length)).read_to_end(&mut payload)? < length as usize {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let read = postcard::from_bytes(&payload);
    read.map(Some).map_err(|error| ReplayError::NoRecording(error.to_string()))
}

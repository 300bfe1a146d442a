//! What could not be saved before the server had to end: written to a file, and saved by the next
//! Map Server that starts beside it.
//!
//! Nothing is undone by that: each character is saved on the grounds of the claim that its server
//! had. Whoever has been selected again meanwhile has gone on without it, and is left as it is; that
//! part of the file stays, for the operator to look at.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use nats::Backbone;
use protocol::{
    CharacterId, CharacterState, Code, Failure, LedgerEntry,
    backbone::characters::{
        Claim, CommitCharacters, LoadCharacter, ReleaseCharacter, SaveCharacter,
    },
};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::jobs::is_refusal;

/// Between two tries while Central is away.
const AGAIN: Duration = Duration::from_secs(2);
/// The ending of a file that is to be saved, of one that was, and of what cannot be saved any more.
const WAITING: &str = "recovery.json";
const DONE: &str = "recovered.json";
const REFUSED: &str = "refused.json";

/// What a server had in its hands when it ended.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leftovers {
    /// What was asked for together, and nothing heard of.
    pub(crate) commits: Vec<Vec<SaveCharacter>>,
    pub(crate) characters: Vec<Leftover>,
}

/// A character that is not saved and not given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leftover {
    pub(crate) character: CharacterId,
    /// The last that was heard.
    pub(crate) claim: Claim,
    pub(crate) state: CharacterState,
    pub(crate) ledger: Vec<LedgerEntry>,
    /// So many of its lines went with a save of which nothing was heard.
    pub(crate) unheard: usize,
}

/// Somebody of whom something cannot be saved any more.
#[derive(Debug, Serialize)]
struct Refused {
    #[serde(flatten)]
    leftover: Leftover,
    why: Failure,
}

impl Leftovers {
    /// Writes it into a folder. Gives the file; `None` where there is nothing to write.
    pub(crate) fn write(&self, folder: &Path, server: &str) -> io::Result<Option<PathBuf>> {
        if self.characters.is_empty() {
            return Ok(None);
        }
        fs::create_dir_all(folder)?;
        let millis = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
        let file = folder.join(format!("{server}-{millis}.{WAITING}"));
        // Under another name until it is whole.
        let part = file.with_extension("part");
        fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        fs::File::open(&part)?.sync_all()?;
        fs::rename(&part, &file)?;
        Ok(Some(file))
    }
}

/// Saves whatever servers before have left in a folder; ends when nothing waits there any more.
pub(crate) async fn recover(folder: PathBuf, backbone: Backbone) {
    for file in waiting(&folder) {
        let left = match read(&file) {
            Ok(left) => left,
            Err(error) => {
                warn!(file = %file.display(), %error, "what was left there cannot be read");
                continue;
            }
        };
        loop {
            match save(&left, &backbone).await {
                Ok(refused) => {
                    finish(&file, &left, &refused);
                    break;
                }
                Err(failure) => {
                    warn!(file = %file.display(), %failure, "not recovered yet");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

fn waiting(folder: &Path) -> Vec<PathBuf> {
    // No folder, no files.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(WAITING));
    files.sort();
    files
}

fn read(file: &Path) -> io::Result<Leftovers> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

fn finish(file: &Path, left: &Leftovers, refused: &[Refused]) {
    let saved = left.characters.len() - refused.len();
    info!(file = %file.display(), saved, refused = refused.len(), "recovered");
    let named = |ending: &str| {
        let name = file.to_string_lossy();
        PathBuf::from(name.strip_suffix(WAITING).unwrap_or(&name).to_owned() + ending)
    };
    let written = if refused.is_empty() {
        Ok(())
    } else {
        let file = named(REFUSED);
        for Refused { leftover, why } in refused {
            warn!(character = %leftover.character, %why, file = %file.display(), "not recovered");
        }
        serde_json::to_vec_pretty(refused)
            .map_err(io::Error::from)
            .and_then(|it| fs::write(file, it))
    };
    // Another server may have been at it too: to save twice with the same words is to save once.
    if let Err(error) = written.and_then(|()| fs::rename(file, named(DONE))) {
        warn!(file = %file.display(), %error, "it is recovered and still there");
    }
}

/// Gives what is refused for good.
///
/// # Errors
/// Whoever would have to answer is away; all of it can be tried again.
async fn save(left: &Leftovers, backbone: &Backbone) -> Result<Vec<Refused>, Failure> {
    let mut characters = left.characters.clone();
    for saves in &left.commits {
        let asked = CommitCharacters { saves: saves.clone() };
        if let Ok(done) = heard(backbone.call(&(), asked).await)? {
            for (save, claim) in saves.iter().zip(done.claims) {
                let of_it = characters.iter_mut().find(|left| left.character == save.character);
                if let Some(left) = of_it {
                    // It went out with all lines that there were, and changed what is stored.
                    left.state.data = save.state.data.clone();
                    (left.claim, left.ledger, left.unheard) = (claim, Vec::new(), 0);
                }
            }
        }
    }
    let mut refused = Vec::new();
    for leftover in characters {
        if let Err(why) = give_up(leftover.clone(), backbone).await? {
            refused.push(Refused { leftover, why });
        }
    }
    Ok(refused)
}

/// Saves and releases one character.
async fn give_up(left: Leftover, backbone: &Backbone) -> Result<Result<(), Failure>, Failure> {
    let Leftover { character, claim, state, mut ledger, unheard } = left;
    let load = LoadCharacter { character, owner: claim.owner.clone() };
    let now = match heard(backbone.call(&(), load).await)? {
        Ok(loaded) if loaded.claim.epoch == claim.epoch => {
            // Its server was the only one to save in this epoch: what was unheard was done.
            if loaded.claim.version > claim.version {
                ledger.drain(..unheard.min(ledger.len()));
            }
            loaded.claim
        }
        // It was given up, perhaps with the very same words, or selected again.
        Ok(_) => claim,
        Err(why) if why.code == Code::Fenced => claim,
        Err(why) => return Ok(Err(why)),
    };
    let release = ReleaseCharacter { character, claim: now, state, ledger };
    Ok(heard(backbone.call(&(), release).await)?.map(drop))
}

/// Tells a refusal from not having been heard.
fn heard<T>(answer: Result<T, Failure>) -> Result<Result<T, Failure>, Failure> {
    match answer {
        Err(failure) if !is_refusal(&failure) => Err(failure),
        answer => Ok(answer),
    }
}

//! Load, save and hand over characters. The authority is SQL: every change names the owner, its
//! epoch and the version it was made from, and one that does not match is `fenced`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Life;
use crate::{AccountId, CharacterId, CharacterState, LedgerEntry};

/// A claim on a character, good for one saved version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The life of the Map Server that owns it.
    pub owner: Life,
    /// Grows by one with each change of owner.
    pub epoch: u64,
    /// Grows by one with each save.
    pub version: u64,
}

/// Load a character that the asker owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadCharacter {
    /// Which.
    pub character: CharacterId,
    /// Who asks.
    pub owner: Life,
}

/// A loaded character.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadedCharacter {
    /// Which.
    pub character: CharacterId,
    /// Whose.
    pub account: AccountId,
    /// By name.
    pub name: String,
    /// What its owner must show to save it.
    pub claim: Claim,
    /// What was saved.
    pub state: CharacterState,
}

/// Save a character and keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SaveCharacter {
    /// Which.
    pub character: CharacterId,
    /// On what grounds.
    pub claim: Claim,
    /// What to save.
    pub state: CharacterState,
    /// What has changed since the save before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<LedgerEntry>,
}

/// It is saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CharacterSaved {
    /// What the next save must show.
    pub claim: Claim,
}

/// Save several characters and keep them, all in one transaction or none: what changes hands
/// between them is nowhere twice and nowhere lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommitCharacters {
    /// Which, each of them once; 64 at most.
    pub saves: Vec<SaveCharacter>,
}

/// They are saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CharactersCommitted {
    /// What the next save of each must show, in the order in which they were named.
    pub claims: Vec<Claim>,
}

/// Save a character and hand it over, in one transaction. Answered with the new owner's claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransferCharacter {
    /// Which.
    pub character: CharacterId,
    /// On what grounds.
    pub claim: Claim,
    /// What to save.
    pub state: CharacterState,
    /// What has changed since the save before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<LedgerEntry>,
    /// The new owner.
    pub to: Life,
}

/// Save a character and give it up, in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseCharacter {
    /// Which.
    pub character: CharacterId,
    /// On what grounds.
    pub claim: Claim,
    /// What to save.
    pub state: CharacterState,
    /// What has changed since the save before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<LedgerEntry>,
}

/// Give up a character that was handed over but never came. Done as well when the asker does not
/// own it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AbandonCharacter {
    /// Which.
    pub character: CharacterId,
    /// Who asks.
    pub owner: Life,
}

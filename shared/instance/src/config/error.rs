//! Why there is no configuration.

use std::{io, path::PathBuf};

use clap::ArgMatches;

use super::{Origin, key::Key};

/// Why there is no configuration. All but [`ConfigError::Usage`] are told in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// clap refused the flags, or was asked for help or the version: print it and exit with its
    /// status.
    #[error(transparent)]
    Usage(clap::Error),
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What TOML's parser says.
        message: String,
    },
    /// The file has a key that this program does not know.
    #[error("{}: unknown key `{key}`; {hint}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key, with its table.
        key: String,
        /// What may have been meant.
        hint: String,
    },
    /// A value has the wrong type, is out of range or breaks its rule.
    #[error("bad value for `{key}` from {origin}: {why}")]
    BadValue {
        /// Its name in a file.
        key: String,
        /// Who said it.
        origin: Origin,
        /// The value, masked if it is a secret, and the rule.
        why: String,
    },
    /// Values without a default that nobody gave.
    #[error("missing: {}", .0.join("; "))]
    Missing(
        /// Each with every way to give it.
        Vec<String>,
    ),
}

/// Names all values that are missing at once, so that nobody finds them one start at a time.
pub(super) fn refuse_missing(keys: &[Key], matches: &ArgMatches) -> Result<(), ConfigError> {
    let missing: Vec<String> = keys
        .iter()
        .filter(|key| key.required && matches.value_source(&key.id).is_none())
        .map(Key::ways)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(ConfigError::Missing(missing)) }
}

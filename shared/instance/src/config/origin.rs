//! Where a value comes from, and the values that do not come from flags.

use std::{
    collections::BTreeMap,
    error::Error,
    ffi::{OsStr, OsString},
    fmt,
    net::AddrParseError,
    num::{IntErrorKind, ParseIntError},
    path::PathBuf,
};

use clap::{
    Command,
    builder::Resettable,
    error::{ContextKind, ErrorKind},
    parser::ValueSource,
};

use super::{ConfigError, key::Key};

/// clap's word for a value that stands on the command line.
pub(super) const FLAG: Option<ValueSource> = Some(ValueSource::CommandLine);

/// Where a value comes from, strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This environment variable.
    Env(String),
    /// This file.
    File(PathBuf),
    /// The program itself.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What environment and file say, by key: at most one layer each, the strongest.
pub(super) type Layers<'a> = BTreeMap<&'a str, Layer<'a>>;

/// What one origin says about one key.
#[derive(Debug)]
pub(super) struct Layer<'a> {
    pub(super) key: &'a Key,
    pub(super) origin: Origin,
    pub(super) values: Vec<OsString>,
    /// The values are a list already: a comma in one of them is part of it.
    pub(super) is_list: bool,
}

impl Layer<'_> {
    /// Puts these values in place of the built-in default, so that clap checks them as it checks
    /// flags, and flags overrule them.
    pub(super) fn apply(&self, command: Command) -> Command {
        command.mut_arg(&self.key.id, |arg| {
            let arg = arg.default_values(self.values.iter().cloned());
            if self.is_list { arg.value_delimiter(Resettable::Reset) } else { arg }
        })
    }

    /// The error for values that clap refused.
    pub(super) fn refused(&self, error: &clap::Error) -> ConfigError {
        let context = |kind| error.get(kind).map(ToString::to_string);
        let bad = context(ContextKind::InvalidValue);
        let why = match (error.kind(), error.source(), context(ContextKind::ValidValue)) {
            (ErrorKind::InvalidValue, _, Some(valid)) => format!("use one of {valid}"),
            (_, Some(source), _) => rule(source),
            _ => error.kind().to_string(),
        };
        // The reason may repeat a value that is a secret.
        let why = match bad.filter(|bad| !bad.is_empty()) {
            Some(bad) => {
                let shown = self.key.shown(&bad);
                format!("{shown:?}: {}", why.replace(&bad, &shown))
            }
            None => why,
        };
        ConfigError::BadValue { key: self.key.name.clone(), origin: self.origin.clone(), why }
    }
}

/// What a parser says, with what to do where it does not say so itself.
fn rule(error: &(dyn Error + 'static)) -> String {
    let is_no_number = error
        .downcast_ref::<ParseIntError>()
        .is_some_and(|error| *error.kind() == IntErrorKind::InvalidDigit);
    if is_no_number {
        "give a whole number".to_owned()
    } else if error.is::<AddrParseError>() {
        "give an address such as 127.0.0.1:7000 or [::1]:7000".to_owned()
    } else {
        error.to_string()
    }
}

/// What the environment says. An empty variable counts as unset: a supervisor's template can
/// empty a variable, but not take it away.
pub(super) fn environment<'a>(
    keys: &'a [Key],
    env: impl Fn(&OsStr) -> Option<OsString>,
) -> Layers<'a> {
    let said = |key: &'a Key| {
        let name = key.env.as_ref()?;
        let value = env(name).filter(|value| !value.is_empty())?;
        let origin = Origin::Env(name.to_string_lossy().into_owned());
        Some((key.name.as_str(), Layer { key, origin, values: vec![value], is_list: false }))
    };
    keys.iter().filter_map(said).collect()
}

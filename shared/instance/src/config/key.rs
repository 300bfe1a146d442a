//! One setting as clap knows it, under its name in the file.

use std::{any::TypeId, ffi::OsString};

use clap::{Arg, ArgAction, ArgMatches};
use toml::Value;

use super::mask_passwords;

/// What stands in place of a secret.
pub(super) const MASK: &str = "***";

/// Settings of the reading itself, which a file cannot say.
const NOT_IN_FILE: [&str; 2] = ["config", "print_config"];

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    /// clap's name for it.
    pub(super) id: String,
    /// Its name in the file.
    pub(super) name: String,
    /// Its flag, with the dashes.
    pub(super) flag: String,
    /// Its environment variable.
    pub(super) env: Option<OsString>,
    /// Whether it must be said somewhere.
    pub(super) required: bool,
    /// Whether it takes a list.
    pub(super) many: bool,
    secret: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Switch,
    Integer,
    Float,
    Text,
}

impl Key {
    /// The key of an argument; none if it is no `--flag`.
    pub(super) fn of(arg: &Arg) -> Option<Self> {
        let long = arg.get_long()?;
        let takes_many = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
        Some(Self {
            id: arg.get_id().to_string(),
            name: long.replace('-', "_"),
            flag: format!("--{long}"),
            env: arg.get_env().map(OsString::from),
            required: arg.is_required_set(),
            many: takes_many
                || arg.get_value_delimiter().is_some()
                || matches!(arg.get_action(), ArgAction::Append),
            secret: arg.is_hide_env_values_set(),
            kind: Kind::of(arg),
        })
    }

    /// Whether a file may say it.
    pub(super) fn in_file(&self) -> bool {
        !NOT_IN_FILE.contains(&self.name.as_str())
    }

    /// Every way to say it, for messages.
    pub(super) fn ways(&self) -> String {
        let env = self.env.as_ref().map(|env| format!(", env {}", env.to_string_lossy()));
        format!("flag {}{}, key `{}`", self.flag, env.unwrap_or_default(), self.name)
    }

    /// A value's text as it may be shown.
    pub(super) fn shown(&self, raw: &str) -> String {
        if self.secret { MASK.to_owned() } else { mask_passwords(raw) }
    }

    /// The value that was found, as TOML and fit to be shown; none if it is not set.
    pub(super) fn value(&self, matches: &ArgMatches) -> Option<Value> {
        matches.value_source(&self.id)?;
        if self.secret {
            return Some(Value::String(MASK.to_owned()));
        }
        if let Kind::Switch = self.kind {
            let on = matches.try_get_one::<bool>(&self.id).ok().flatten();
            return on.copied().map(Value::Boolean);
        }
        let mut values = matches
            .get_raw(&self.id)?
            .map(|raw| self.kind.value(&mask_passwords(&raw.to_string_lossy())));
        if self.many { Some(Value::Array(values.collect())) } else { values.next() }
    }
}

impl Kind {
    fn of(arg: &Arg) -> Self {
        let parsed = arg.get_value_parser().type_id();
        let is_one_of = |types: &[TypeId]| types.iter().any(|one| parsed == *one);
        if is_one_of(&[TypeId::of::<bool>()]) {
            Self::Switch
        } else if is_one_of(&[TypeId::of::<f32>(), TypeId::of::<f64>()]) {
            Self::Float
        } else if is_one_of(&[
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<i8>(),
            TypeId::of::<i16>(),
            TypeId::of::<i32>(),
            TypeId::of::<i64>(),
            TypeId::of::<isize>(),
        ]) {
            Self::Integer
        } else {
            Self::Text
        }
    }

    /// A number too great for TOML stays a text, which a file may say as well.
    fn value(self, raw: &str) -> Value {
        let number = match self {
            Self::Integer => raw.parse().ok().map(Value::Integer),
            Self::Float => raw.parse().ok().map(Value::Float),
            Self::Switch | Self::Text => None,
        };
        number.unwrap_or_else(|| Value::String(raw.to_owned()))
    }
}

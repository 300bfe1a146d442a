//! Settings from flags, environment, file and built-in defaults, in that order of strength.
//!
//! A program states each setting once, in a struct that derives [`clap::Args`]: type, range, flag,
//! environment variable (`env = "MMO_…"`), default and help. Everything else follows from that:
//! - The key in the file is the flag in snake_case: `--drain-s` is `drain_s`.
//! - An empty environment variable counts as unset.
//! - A list in the file gives a setting that takes many values.
//! - A `bool` is a switch that also takes a value, so that `--x=false` overrules a file's `x = true`.
//! - `hide_env_values = true` marks a secret: it is never printed.
//!
//! One file may serve a whole cluster. Keys at its top are for every program that reads it; a table
//! named after a role, such as `[map_spawn]`, overrules them for that role, and the other roles
//! pass it over. Any other unknown key is an error.

mod error;
mod file;
mod key;
mod mask;
mod origin;
mod report;

use std::ffi::{OsStr, OsString};

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::Resettable,
    error::ErrorKind,
};

pub use self::{error::ConfigError, mask::mask_passwords, origin::Origin, report::Report};
use self::{key::Key, origin::Layers};
use crate::{Basics, Program};

/// What [`load`] found.
#[derive(Debug)]
pub struct Loaded<C> {
    /// The program's settings.
    pub config: C,
    /// The settings that every server has; the same as those flattened into `config`.
    pub basics: Basics,
    /// Every setting with its value and origin.
    pub report: Report,
}

/// Reads the settings of `program`: `args` with the program's name first, then what `env` answers
/// for the variables that the settings name, then the file that `--config` names, if any.
///
/// # Errors
/// See [`ConfigError`]. `--help` and `--version` come as errors too, as is clap's way.
pub fn load<C: Args>(
    program: &Program,
    args: &[OsString],
    env: impl Fn(&OsStr) -> Option<OsString>,
) -> Result<Loaded<C>, ConfigError> {
    let command = command::<C>(program);
    let keys: Vec<Key> = command.get_arguments().filter_map(Key::of).collect();
    let bare = command.clone().mut_args(flag_only);
    let flags = parse_flags(command, &bare, args)?;

    let environment = origin::environment(&keys, env);
    let mut layers = match config_file(&flags, &environment) {
        Some(path) => file::read(path.as_ref(), program.role, &keys)?,
        None => Layers::new(),
    };
    layers.extend(environment);
    layers.retain(|_, layer| flags.value_source(&layer.key.id) != origin::FLAG);

    let matches = parse_layers(&bare, args, &layers)?;
    error::refuse_missing(&keys, &matches)?;
    Ok(Loaded {
        config: C::from_arg_matches(&matches).map_err(ConfigError::Usage)?,
        basics: Basics::from_arg_matches(&matches).map_err(ConfigError::Usage)?,
        report: Report::new(&keys, &matches, &layers),
    })
}

fn config_file(flags: &ArgMatches, environment: &Layers<'_>) -> Option<OsString> {
    let flag = flags.get_raw("config").and_then(|mut values| values.next().map(OsStr::to_owned));
    flag.or_else(|| environment.get("config")?.values.first().cloned())
}

fn command<C: Args>(program: &Program) -> Command {
    let mut command = C::augment_args(Command::new(program.role.as_str()));
    if command.get_arguments().all(|arg| arg.get_id() != "config") {
        command = Basics::augment_args(command);
    }
    // After the arguments: a flattened struct's own comment would stand here.
    let command = command.about(program.about).long_about(None::<&str>).version(program.version);
    command.mut_args(switch)
}

/// A `bool` flag cannot be said to be false; this one can: `--x`, `--x=true`, `--x=false`.
fn switch(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    let arg = if arg.get_default_values().is_empty() { arg.default_value("false") } else { arg };
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(clap::builder::BoolishValueParser::new())
        .value_name("BOOL")
        .hide_possible_values(true)
        .hide_default_value(true)
}

/// clap would take an empty variable for a value, and could not be given a file between variable
/// and default: it sees flags only, and the rest as defaults.
fn flag_only(arg: Arg) -> Arg {
    arg.env(Resettable::Reset).required(false)
}

fn parse_flags(
    command: Command,
    bare: &Command,
    args: &[OsString],
) -> Result<ArgMatches, ConfigError> {
    let error = match bare.clone().try_get_matches_from(args) {
        Ok(flags) => return Ok(flags),
        Err(error) => error,
    };
    if error.kind() != ErrorKind::DisplayHelp {
        return Err(ConfigError::Usage(error));
    }
    // Help names the variables, but shows no value: an address may hold a password.
    let command = command.mut_args(|arg| arg.hide_env_values(true));
    Err(ConfigError::Usage(command.try_get_matches_from(args).err().unwrap_or(error)))
}

fn parse_layers(
    bare: &Command,
    args: &[OsString],
    layers: &Layers<'_>,
) -> Result<ArgMatches, ConfigError> {
    let whole = layers.values().fold(bare.clone(), |command, layer| layer.apply(command));
    let error = match whole.try_get_matches_from(args) {
        Ok(matches) => return Ok(matches),
        Err(error) => error,
    };
    // clap does not say whose default it refused: the layer that is refused alone is the one.
    for layer in layers.values() {
        if let Err(error) = layer.apply(bare.clone()).try_get_matches_from(args) {
            return Err(layer.refused(&error));
        }
    }
    Err(ConfigError::Usage(error))
}

#[cfg(test)]
mod tests;

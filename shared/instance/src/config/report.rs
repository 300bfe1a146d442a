//! What `--print-config` prints.

use std::fmt;

use clap::ArgMatches;
use toml::Value;

use super::{
    Origin,
    key::Key,
    origin::{FLAG, Layers},
};

/// Every setting with its value, secrets masked, and its origin. Its text is a TOML file.
#[derive(Debug, Clone)]
pub struct Report {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    key: String,
    ways: String,
    value: Option<(Value, Origin)>,
}

impl Report {
    pub(super) fn new(keys: &[Key], matches: &ArgMatches, layers: &Layers<'_>) -> Self {
        let line = |key: &Key| {
            let layer = layers.get(key.name.as_str());
            let origin = match layer {
                Some(layer) => layer.origin.clone(),
                None if matches.value_source(&key.id) == FLAG => Origin::Flag,
                None => Origin::Default,
            };
            // An empty list is set, though clap has no value to show for it.
            let empty = layer.filter(|layer| layer.values.is_empty());
            let value = key.value(matches).or(empty.map(|_| Value::Array(Vec::new())));
            Line {
                key: key.name.clone(),
                ways: key.ways(),
                value: value.map(|value| (value, origin)),
            }
        };
        let mut lines: Vec<Line> = keys.iter().filter(|key| key.in_file()).map(line).collect();
        lines.sort_by(|a, b| a.key.cmp(&b.key));
        Self { lines }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { key, ways, value } in &self.lines {
            match value {
                Some((value, origin)) => writeln!(f, "{key} = {value}  # from {origin}")?,
                None => writeln!(f, "# {key} is not set ({ways})")?,
            }
        }
        Ok(())
    }
}

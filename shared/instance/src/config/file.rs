//! The TOML file.

use std::{ffi::OsString, fs, path::Path};

use toml::{Table, Value};

use super::{
    ConfigError, Origin,
    key::Key,
    origin::{Layer, Layers},
};
use crate::Role;

/// What the file says to this role.
pub(super) fn read<'a>(
    path: &Path,
    role: Role,
    keys: &'a [Key],
) -> Result<Layers<'a>, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let reader = Reader { path, role, keys };
    reader.layers(text.parse().map_err(|error| reader.syntax(&text, &error))?)
}

struct Reader<'p, 'a> {
    path: &'p Path,
    role: Role,
    keys: &'a [Key],
}

impl<'a> Reader<'_, 'a> {
    fn layers(&self, top: Table) -> Result<Layers<'a>, ConfigError> {
        let mut own = Table::new();
        let mut layers = Layers::new();
        for (name, value) in top {
            match (Role::ALL.iter().find(|role| role.table() == name), value) {
                (Some(role), Value::Table(table)) if *role == self.role => own = table,
                (Some(_), Value::Table(_)) => {}
                (_, value) => self.take(&mut layers, None, &name, value)?,
            }
        }
        for (name, value) in own {
            self.take(&mut layers, Some(self.role.table()), &name, value)?;
        }
        Ok(layers)
    }

    fn take(
        &self,
        layers: &mut Layers<'a>,
        table: Option<&str>,
        name: &str,
        value: Value,
    ) -> Result<(), ConfigError> {
        let known = self.keys.iter().find(|key| key.in_file() && key.name == name);
        let key = known.ok_or_else(|| self.unknown(table, name))?;
        let is_list = value.is_array();
        let origin = Origin::File(self.path.to_owned());
        let values = values(value).and_then(|values| {
            if is_list && !key.many { Err("it is a list; give one value") } else { Ok(values) }
        });
        let values = values.map_err(|why| ConfigError::BadValue {
            key: key.name.clone(),
            origin: origin.clone(),
            why: why.to_owned(),
        })?;
        layers.insert(&key.name, Layer { key, origin, values, is_list });
        Ok(())
    }

    fn unknown(&self, table: Option<&str>, name: &str) -> ConfigError {
        let tables = Role::ALL.iter().filter(|_| table.is_none()).map(|role| role.table());
        let keys = self.keys.iter().filter(|key| key.in_file()).map(|key| key.name.as_str());
        let role = self.role;
        let hint = match nearest(name, keys.chain(tables)) {
            Some(near) if near == name => format!("it is a table: `[{name}]`"),
            Some(near) => format!("did you mean `{near}`?"),
            None if table.is_some() => format!("see {role} --help"),
            None => format!("see {role} --help; a setting of another program goes in its table"),
        };
        let key = table.map_or_else(|| name.to_owned(), |table| format!("{table}.{name}"));
        ConfigError::UnknownKey { path: self.path.to_owned(), key, hint }
    }

    /// Without the excerpt that the parser shows: it may hold a secret.
    fn syntax(&self, text: &str, error: &toml::de::Error) -> ConfigError {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::Syntax {
            path: self.path.to_owned(),
            line: 1 + before.matches('\n').count(),
            message: error.message().replace('\n', ", "),
        }
    }
}

fn values(value: Value) -> Result<Vec<OsString>, &'static str> {
    let text = match value {
        Value::Array(values) => {
            if values.iter().any(Value::is_array) {
                return Err("it is a list of lists; give a list of values");
            }
            let texts = values.into_iter().map(self::values).collect::<Result<Vec<_>, _>>()?;
            return Ok(texts.into_iter().flatten().collect());
        }
        Value::Table(_) => return Err("it is a table; give a value"),
        Value::String(text) => text,
        number_or_bool_or_time => number_or_bool_or_time.to_string(),
    };
    Ok(vec![text.into()])
}

/// The known name that `name` is most likely a slip of.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // A third of the letters may be wrong, so that `log` is not offered for every short word.
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known
        .map(|near| (strsim::damerau_levenshtein(name, near), near))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, near)| near)
}

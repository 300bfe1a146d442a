//! A character as it stands in its table.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::{CharacterState, Position, backbone::Life, world::CharacterSummary};
use sqlx::FromRow;

use crate::{Character, StoreError, fault::Fault};

/// A `SELECT` of whole [`CharacterRow`]s with the given rest.
macro_rules! select_characters {
    ($rest:literal) => {
        concat!(
            "SELECT id, account, name, map, x, y, data, ",
            "owner_server, owner_incarnation, owner_epoch, version FROM characters ",
            $rest
        )
    };
}
pub(crate) use select_characters;

#[derive(Debug, FromRow)]
pub(crate) struct CharacterRow {
    id: String,
    account: String,
    name: String,
    #[sqlx(flatten)]
    pub(crate) state: StateColumns,
    #[sqlx(flatten)]
    pub(crate) owner: OwnerColumns,
    pub(crate) owner_epoch: i64,
    pub(crate) version: i64,
}

/// What is saved of a character. Equal columns are equal states: JSON text is compared instead of
/// values, because a number may change its last digit on the way through text.
#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct StateColumns {
    pub(crate) map: String,
    pub(crate) x: Option<f32>,
    pub(crate) y: Option<f32>,
    pub(crate) data: String,
}

impl StateColumns {
    pub(crate) fn of(state: &CharacterState) -> Result<Self, StoreError> {
        let position = state.position;
        if position.is_some_and(|at| !(at.x.is_finite() && at.y.is_finite())) {
            return Err(StoreError::PositionInvalid);
        }
        Ok(Self {
            map: state.map.to_string(),
            x: position.map(|at| at.x),
            y: position.map(|at| at.y),
            data: state.data.to_string(),
        })
    }
}

/// Who owns a character, if anybody.
#[derive(Debug, PartialEq, Eq, FromRow)]
pub(crate) struct OwnerColumns {
    pub(crate) owner_server: Option<String>,
    pub(crate) owner_incarnation: Option<String>,
}

impl OwnerColumns {
    pub(crate) fn of(life: Option<&Life>) -> Self {
        Self {
            owner_server: life.map(|life| life.server.to_string()),
            owner_incarnation: life.map(|life| life.incarnation.to_string()),
        }
    }

    fn life(&self) -> Result<Option<Life>, String> {
        life(self.owner_server.as_deref(), self.owner_incarnation.as_deref())
    }
}

/// The life that two columns name, if they name one.
pub(crate) fn life(
    server: Option<&str>,
    incarnation: Option<&str>,
) -> Result<Option<Life>, String> {
    let (Some(server), Some(incarnation)) = (server, incarnation) else { return Ok(None) };
    let server = server.parse().map_err(|e| format!("{e}"))?;
    Ok(Some(Life { server, incarnation: incarnation.parse().map_err(|e| format!("{e}"))? }))
}

/// An epoch, version or other count as SQL has it. One that does not fit was never given out.
pub(crate) fn column(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Fenced)
}

impl TryFrom<CharacterRow> for Character {
    type Error = Fault;

    fn try_from(row: CharacterRow) -> Result<Self, Fault> {
        read(&row)
            .map_err(|reason| Fault::Corrupt { row: format!("the character {}", row.id), reason })
    }
}

fn read(row: &CharacterRow) -> Result<Character, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let StateColumns { map, x, y, data } = &row.state;
    let state = CharacterState {
        map: map.parse().map_err(|e| text(&e))?,
        position: x.zip(*y).map(|(x, y)| Position { x, y }),
        data: serde_json::from_str(data).map_err(|e| text(&e))?,
    };
    Ok(Character {
        account: row.account.parse().map_err(|e| text(&e))?,
        summary: CharacterSummary {
            character: row.id.parse().map_err(|e| text(&e))?,
            name: row.name.clone(),
            map: state.map.clone(),
        },
        state,
        owner: row.owner.life()?,
        epoch: u64::try_from(row.owner_epoch).map_err(|e| text(&e))?,
        version: u64::try_from(row.version).map_err(|e| text(&e))?,
    })
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

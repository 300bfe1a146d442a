//! Every change of every character, written down by the database itself, in the transaction that
//! makes the change. So nothing is missed between two looks, and no server can leave anything out.

use std::{path::Path, time::Duration};

use protocol::CharacterId;
use sqlx::{FromRow, SqlitePool, sqlite::SqliteConnectOptions, sqlite::SqlitePoolOptions};

use super::{layout::GOODS, promises::Ack};

/// How long the file may be locked by others, one of whom recovers it after a crash.
const LOCKED: Duration = Duration::from_secs(10);

const TABLE: &str = "CREATE TABLE chaos_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, character TEXT NOT NULL,
    old_owner TEXT, old_epoch INTEGER, old_version INTEGER,
    new_owner TEXT, new_epoch INTEGER, new_version INTEGER,
    same_state INTEGER NOT NULL, coins INTEGER NOT NULL, wears TEXT
)";
const INDEX: &str = "CREATE INDEX chaos_audit_of ON chaos_audit (character, id)";
const TRIGGER: &str = "CREATE TRIGGER chaos_audit_all AFTER UPDATE ON characters BEGIN
    INSERT INTO chaos_audit (character, old_owner, old_epoch, old_version,
                             new_owner, new_epoch, new_version, same_state, coins, wears)
    VALUES (NEW.id,
            OLD.owner_server || '@' || OLD.owner_incarnation, OLD.owner_epoch, OLD.version,
            NEW.owner_server || '@' || NEW.owner_incarnation, NEW.owner_epoch, NEW.version,
            OLD.map = NEW.map AND OLD.data = NEW.data AND OLD.x IS NEW.x AND OLD.y IS NEW.y,
            coalesce(json_extract(NEW.data, '$.coins'), 0), json_extract(NEW.data, '$.wears'));
END";

/// Everybody with what it has and what the ledger says: coins, and each thing that can be worn.
const BALANCES: &str = "SELECT c.name,
    coalesce(json_extract(c.data, '$.coins'), 0) AS coins,
    coalesce(sum(l.amount) FILTER (WHERE l.asset = 'coins'), 0) AS booked,
    json_extract(c.data, '$.wears') AS wears,
    coalesce(sum(l.amount) FILTER (WHERE l.asset = json_extract(c.data, '$.wears')), 0) AS worn,
    coalesce(sum(l.amount) FILTER (WHERE l.asset <> 'coins'), 0) AS things
    FROM characters c LEFT JOIN ledger l ON l.character = c.id GROUP BY c.id";

/// What one has, and what the ledger says.
#[derive(Debug, FromRow)]
struct Balance {
    name: String,
    coins: i64,
    booked: i64,
    wears: Option<String>,
    /// Lines of what it wears, and of all that can be worn: one is worn at a time.
    worn: i64,
    things: i64,
}

/// One change of one character.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Change {
    /// Its number; changes of all characters share the count.
    pub id: i64,
    /// `server@incarnation` before.
    pub old_owner: Option<String>,
    /// Before.
    pub old_epoch: i64,
    /// Before.
    pub old_version: i64,
    /// `server@incarnation` after.
    pub new_owner: Option<String>,
    /// After.
    pub new_epoch: i64,
    /// After.
    pub new_version: i64,
    /// Nothing of what the game and the map know has changed.
    pub same_state: bool,
    /// After.
    pub coins: i64,
    /// After.
    pub wears: Option<String>,
}

/// The list.
#[derive(Debug, Clone)]
pub struct Audit {
    pool: SqlitePool,
}

impl Audit {
    /// Begins the list in a database whose tables Central has made.
    ///
    /// # Panics
    /// When that cannot be done.
    pub async fn start(database: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(database).busy_timeout(LOCKED);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options);
        let pool = pool.await.expect("the database");
        for text in [TABLE, INDEX, TRIGGER] {
            sqlx::query(text).execute(&pool).await.expect("the list of changes");
        }
        Self { pool }
    }

    /// The number of the last change.
    ///
    /// # Panics
    /// When the database cannot be read.
    pub async fn last(&self) -> i64 {
        let asked = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM chaos_audit");
        asked.fetch_one(&self.pool).await.expect("the list of changes")
    }

    /// The first change after `since` that has the character wear these goods, if it is there.
    ///
    /// # Panics
    /// When the database cannot be read.
    pub async fn purchase(&self, character: CharacterId, goods: usize, since: i64) -> Option<i64> {
        let asked = sqlx::query_scalar(
            "SELECT min(id) FROM chaos_audit WHERE character = $1 AND id > $2 AND wears = $3",
        );
        let asked = asked.bind(character.to_string()).bind(since).bind(goods_at(goods));
        asked.fetch_one(&self.pool).await.expect("the list of changes")
    }

    /// All changes of a character, in order.
    ///
    /// # Panics
    /// When the database cannot be read.
    pub async fn of(&self, character: CharacterId) -> Vec<Change> {
        let asked = sqlx::query_as("SELECT * FROM chaos_audit WHERE character = $1 ORDER BY id");
        let asked = asked.bind(character.to_string());
        asked.fetch_all(&self.pool).await.expect("the list of changes")
    }

    /// Characters that have not what the ledger says, at this moment.
    ///
    /// # Panics
    /// When the database cannot be read.
    pub async fn unbalanced(&self) -> Vec<String> {
        let balances: Vec<Balance> =
            sqlx::query_as(BALANCES).fetch_all(&self.pool).await.expect("the ledger");
        let wrong = balances.iter().filter(|balance| !balance.is_even());
        wrong
            .map(|balance| format!("{} has not what is booked: {balance:?}", balance.name))
            .collect()
    }

    /// Closes it. Central can be ended then without anybody holding its file.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

fn goods_at(number: usize) -> &'static str {
    GOODS.get(number % GOODS.len()).copied().unwrap_or_default()
}

/// Changes that no owner could make: by somebody who was not the owner (any more), from a version
/// that was not the last. The copy that made one should have been fenced.
pub fn not_fenced(changes: &[Change]) -> Vec<String> {
    let wrong = changes.iter().filter(|change| !change.is_owners());
    wrong.map(|change| format!("a change that should have been fenced: {change:?}")).collect()
}

/// How often an owner was passed over: the character was taken from it, and it had not saved it.
pub fn passed_over(changes: &[Change]) -> usize {
    changes.iter().filter(|change| change.same_state && change.new_owner.is_none()).count()
}

impl Balance {
    fn is_even(&self) -> bool {
        let worn = i64::from(self.wears.is_some());
        self.coins == self.booked && self.worn == worn && self.things == worn
    }
}

impl Change {
    fn is_owners(&self) -> bool {
        let epochs = self.new_epoch - self.old_epoch;
        let versions = self.new_version - self.old_version;
        match (epochs, versions) {
            // A save: its owner goes on being the owner.
            (0, 1) => self.old_owner == self.new_owner && self.old_owner.is_some(),
            // A transfer or a release.
            (1, 1) => self.old_owner.is_some() && self.old_owner != self.new_owner,
            // A claim, or an owner that is passed over: nothing but the owner changes.
            (1, 0) => self.same_state && self.old_owner.is_some() != self.new_owner.is_some(),
            _ => false,
        }
    }
}

/// Acknowledged purchases that are missing later on. From the change that holds one, the character
/// wears these goods, or the next ones, until the change that holds the next one.
pub fn missing(changes: &[Change], acks: &[Ack]) -> Vec<String> {
    let mut missing = Vec::new();
    for change in changes {
        let Some(last) = acks.iter().rfind(|ack| ack.row <= change.id) else { continue };
        let fits = [last.number, last.number + 1].map(|number| Some(goods_at(number)));
        if !fits.contains(&change.wears.as_deref()) {
            missing.push(format!("purchase {last:?} is missing from {change:?}"));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: i64, owner: &str, epoch: i64, version: i64) -> Change {
        let owner = Some(owner.to_owned());
        Change {
            id,
            old_owner: owner.clone(),
            old_epoch: epoch,
            old_version: version,
            new_owner: owner,
            new_epoch: epoch,
            new_version: version + 1,
            same_state: false,
            coins: 0,
            wears: None,
        }
    }

    #[test]
    fn a_save_of_a_stale_copy_is_seen() {
        let save = change(1, "a@1", 4, 9);
        let release = Change { new_owner: None, new_epoch: 5, ..save.clone() };
        let claim = Change {
            old_owner: None,
            new_epoch: 5,
            new_version: 9,
            same_state: true,
            ..save.clone()
        };
        assert_eq!(not_fenced(&[save.clone(), release, claim.clone()]), [""; 0]);

        let stale = Change { old_owner: Some("b@1".to_owned()), old_epoch: 5, ..save.clone() };
        let older = Change { new_version: 9, ..save.clone() };
        let with_state = Change { same_state: false, ..claim };
        assert_eq!(not_fenced(&[stale, save, older, with_state]).len(), 3);
    }

    #[test]
    fn goods_that_were_acknowledged_are_missed() {
        let wears = |id, goods: usize| Change {
            wears: Some(GOODS[goods].to_owned()),
            ..change(id, "a@1", 1, id)
        };
        let acks = [Ack { number: 0, row: 2 }, Ack { number: 1, row: 4 }];
        let kept = [change(1, "a@1", 1, 1), wears(2, 0), wears(3, 1), wears(4, 1), wears(5, 2)];
        assert_eq!(missing(&kept, &acks), [""; 0]);
        let lost = [wears(2, 0), wears(3, 2), wears(4, 1), wears(6, 0), change(7, "a@1", 1, 7)];
        assert_eq!(missing(&lost, &acks).len(), 3);
    }
}

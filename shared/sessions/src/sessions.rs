//! Open, validate, close and sweep sessions.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use protocol::{AccessToken, AccountId, Realm, SessionId};
use redis::{AsyncCommands, Script, SetExpiry, SetOptions};

use crate::{SessionsError, record::Record, redis_link::RedisLink};

/// What stands in the key of an account that has logged out: a server that has not heard of it may
/// not take it for lost.
const CLOSED: &str = "closed";

/// Closes a key if it still holds what was read: a login in between stays. Safe to repeat.
static CLOSE_UNCHANGED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
         return 1",
    )
});

/// Prolongs each key in which its text stands, writes down again what is lost, and tells which of
/// them hold.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local holds = {}
         for i, key in ipairs(KEYS) do
           local text = redis.pcall('GET', key)
           if text == false or text == ARGV[i + 1] then
             redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1])
             holds[i] = 1
           else
             holds[i] = 0
           end
         end
         return holds",
    )
});

/// Reads keys, and prolongs each in which its proof stands, in one step and one round trip. What is
/// no text reads as an empty one.
static USE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local texts = {}
         for i, key in ipairs(KEYS) do
           local text = redis.pcall('GET', key)
           if type(text) == 'table' then text = '' end
           if text and string.find(text, ARGV[i + 1], 1, true) then
             redis.call('PEXPIRE', key, ARGV[1])
           end
           texts[i] = text
         end
         return texts",
    )
});

/// Redis counts in milliseconds and refuses zero.
const TTL_MIN: Duration = Duration::from_millis(1);
/// Redis adds it to the time of day and refuses an overflow; a year is for ever here.
const TTL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The sessions of one realm. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Sessions {
    redis: RedisLink,
    realm: Realm,
    ttl: Duration,
}

/// A session that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// Which login.
    pub session: SessionId,
    /// The account's name.
    pub name: String,
    /// What it is written down as, for [`Sessions::keep`].
    pub note: Note,
}

/// What a session is written down as. Whoever has it can write it down again, and nothing else:
/// it holds no token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note(Arc<str>);

/// What a login gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The new session.
    pub session: Session,
    /// Its proof. Redis does not know it; this is the only copy.
    pub token: AccessToken,
    /// The session that this one ended, whose client must be told.
    pub replaced: Option<SessionId>,
}

impl Sessions {
    /// Connects, and checks that Redis answers. The caller repeats it while Redis is away.
    ///
    /// A session ends when it was not used for `ttl`: a millisecond at least, a year at most.
    ///
    /// # Errors
    /// [`SessionsError::BadUrl`] at once; [`SessionsError::Unavailable`] within
    /// [`crate::CONNECT_DEADLINE`].
    pub async fn connect(url: &str, realm: &Realm, ttl: Duration) -> Result<Self, SessionsError> {
        let redis = RedisLink::connect(url).await?;
        let ttl = ttl.clamp(TTL_MIN, TTL_MAX);
        Ok(Self { redis, realm: realm.clone(), ttl })
    }

    /// How long a session holds without being used.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Logs an account in: its older session ends in the same step.
    ///
    /// After [`SessionsError::Unavailable`] the session may have been opened all the same, and
    /// the one it ended is not reported; [`Sessions::which_hold`] finds that out.
    ///
    /// # Errors
    /// [`SessionsError::Unavailable`]; [`SessionsError::Corrupt`] if the key holds no text.
    pub async fn open(&self, account: AccountId, name: &str) -> Result<Opened, SessionsError> {
        let key = self.key(account);
        let token = AccessToken::from_bytes(rand::random());
        let record = Record::new(SessionId::new(), &token, name);
        let text = serde_json::to_string(&record).map_err(|e| self.redis.corrupt(&key, e))?;
        let options = SetOptions::default()
            .get(true)
            .with_expiration(SetExpiry::PX(self.ttl_ms().unsigned_abs()));
        let before: Option<String> = self
            .redis
            .within_deadline(async {
                let mut redis = self.redis.commands();
                let set = redis.set_options(&key, &text, options).await;
                set.map_err(|error| self.redis.failed(&key, &error))
            })
            .await?;
        let replaced = before.and_then(|text| match self.parse(&key, &text) {
            Ok(record) => Some(record?.session),
            Err(error) => {
                tracing::warn!(%account, %error, "a login replaced an unreadable session");
                None
            }
        });
        let note = Note(text.into());
        let session = Session { account, session: record.session, name: record.name, note };
        Ok(Opened { session, token, replaced })
    }

    /// Whether `token` proves a login of `account`, and which. Such a use prolongs the session; a
    /// wrong token does not. `None`: wrong, expired, replaced or another account's.
    ///
    /// # Errors
    /// [`SessionsError::Unavailable`] or [`SessionsError::Corrupt`].
    pub async fn validate(
        &self,
        account: AccountId,
        token: &AccessToken,
    ) -> Result<Option<Session>, SessionsError> {
        let key = self.key(account);
        let mut texts = self.use_those([(key.as_str(), Record::proof_of(token))]).await?;
        let Some(text) = texts.pop().flatten() else { return Ok(None) };
        let Some(record) = self.parse(&key, &text)? else { return Ok(None) };
        let Record { session, name, .. } = &record;
        let (name, note) = (name.clone(), Note(text.into()));
        let session = Session { account, session: *session, name, note };
        Ok(record.is_proved_by(token).then_some(session))
    }

    /// Logs out. A newer session of the account stays; `false` if this one was already over.
    /// Safe to repeat.
    ///
    /// # Errors
    /// [`SessionsError::Unavailable`] or [`SessionsError::Corrupt`].
    pub async fn close(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<bool, SessionsError> {
        let key = self.key(account);
        self.redis
            .within_deadline(async {
                let Some((text, record)) = self.read(&key).await? else { return Ok(false) };
                if record.session != session {
                    return Ok(false);
                }
                let mut redis = self.redis.commands();
                let mut close = CLOSE_UNCHANGED.prepare_invoke();
                close.key(&key).arg(text).arg(CLOSED).arg(self.ttl_ms());
                let closed = close.invoke_async(&mut redis).await;
                closed.map_err(|error| self.redis.failed(&key, &error))
            })
            .await
    }

    /// Which of these sessions still hold, in the same order. Those that do are prolonged: their
    /// clients are here, which is a use.
    ///
    /// # Errors
    /// [`SessionsError::Unavailable`]: nothing is known then, nobody should be thrown out.
    pub async fn which_hold(
        &self,
        sessions: &[(AccountId, SessionId)],
    ) -> Result<Vec<bool>, SessionsError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = sessions.iter().map(|(account, _)| self.key(*account)).collect();
        let proofs = sessions.iter().map(|(_, session)| session.to_string());
        let texts = self.use_those(keys.iter().map(String::as_str).zip(proofs)).await?;
        let holds = |((key, text), (_, session)): ((&String, Option<String>), &(_, SessionId))| {
            let record = text.and_then(|text| self.parse(key, &text).ok()?);
            record.is_some_and(|record| record.session == *session)
        };
        Ok(keys.iter().zip(texts).zip(sessions).map(holds).collect())
    }

    /// As [`Sessions::which_hold`], for those who are at play: what Redis has lost is written down
    /// again, so that they play on and warp although it was wiped. One that was closed or replaced is
    /// over.
    ///
    /// # Errors
    /// [`SessionsError::Unavailable`]: nothing is known then, nobody should be thrown out.
    pub async fn keep<'n>(
        &self,
        sessions: impl IntoIterator<Item = (AccountId, &'n Note)>,
    ) -> Result<Vec<bool>, SessionsError> {
        let mut asked = KEEP.prepare_invoke();
        asked.arg(self.ttl_ms());
        for (account, note) in sessions {
            asked.key(self.key(account)).arg(&*note.0);
        }
        self.redis
            .within_deadline(async {
                let mut redis = self.redis.commands();
                let kept = asked.invoke_async(&mut redis).await;
                kept.map_err(|error| self.redis.failed("the sessions at play", &error))
            })
            .await
    }

    /// What stands in these keys; each that holds its proof is prolonged.
    async fn use_those<'k>(
        &self,
        keys: impl IntoIterator<Item = (&'k str, String)>,
    ) -> Result<Vec<Option<String>>, SessionsError> {
        let mut asked = USE.prepare_invoke();
        asked.arg(self.ttl_ms());
        for (key, proof) in keys {
            asked.key(key).arg(proof);
        }
        self.redis
            .within_deadline(async {
                let mut redis = self.redis.commands();
                let texts = asked.invoke_async(&mut redis).await;
                texts.map_err(|error| self.redis.failed("the sessions asked for", &error))
            })
            .await
    }

    /// Whether Redis answers; for readiness.
    ///
    /// # Errors
    /// [`SessionsError::Unavailable`].
    pub async fn ping(&self) -> Result<(), SessionsError> {
        self.redis
            .within_deadline(async {
                let mut redis = self.redis.commands();
                redis.ping().await.map_err(|error| self.redis.failed("ping", &error))
            })
            .await
    }

    /// The session in a key, with its exact text.
    async fn read(&self, key: &str) -> Result<Option<(String, Record)>, SessionsError> {
        let mut redis = self.redis.commands();
        let text: Option<String> =
            redis.get(key).await.map_err(|error| self.redis.failed(key, &error))?;
        let Some(text) = text else { return Ok(None) };
        let record = self.parse(key, &text)?;
        Ok(record.map(|record| (text, record)))
    }

    /// The session in a key's text; `None` where it was closed.
    fn parse(&self, key: &str, text: &str) -> Result<Option<Record>, SessionsError> {
        if text == CLOSED {
            return Ok(None);
        }
        serde_json::from_str(text).map(Some).map_err(|error| self.redis.corrupt(key, error))
    }

    fn key(&self, account: AccountId) -> String {
        format!("mmo:{}:session:{account}", self.realm)
    }

    fn ttl_ms(&self) -> i64 {
        i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX)
    }
}

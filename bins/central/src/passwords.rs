//! argon2id, off the async threads and bounded: each hash takes tens of milliseconds of a core and
//! 19 MiB, so without a bound a burst of logins would be an outage.
//!
//! Parameters: OWASP Password Storage Cheat Sheet, argon2id with m = 19 MiB, t = 2, p = 1, which
//! are the library's defaults.
//! <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>

use std::{sync::Arc, thread::available_parallelism};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use protocol::{Code, Failure};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Logins that wait for a core; at 30 ms each the last one waits about 2 s on one core.
const WAITING: usize = 64;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// Checked for accounts that do not exist, so that time does not tell which ones do.
    nobodys: Arc<str>,
}

impl Passwords {
    /// As many at once as there are cores.
    ///
    /// # Errors
    /// When the system gives no random bytes for a salt.
    pub(crate) fn new() -> Result<Self, argon2::password_hash::Error> {
        let cores = available_parallelism().map_or(1, usize::from);
        let nobodys = hash(b"nobody has this password")?;
        Ok(Self {
            cores: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(cores + WAITING)),
            nobodys: nobodys.into(),
        })
    }

    /// The hash to store for a new password.
    ///
    /// # Errors
    /// [`Code::Busy`] when too many wait.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Failure> {
        self.off_thread(move || hash(password.as_bytes())).await?.map_err(|error| {
            Failure::new(Code::Internal, format!("the password cannot be hashed: {error}"))
        })
    }

    /// Whether a password is the one that was stored; `None` is an account that does not exist.
    ///
    /// # Errors
    /// [`Code::Busy`] when too many wait.
    pub(crate) async fn verify(
        &self,
        stored: Option<String>,
        password: String,
    ) -> Result<bool, Failure> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobodys.to_string());
        let matches = self.off_thread(move || {
            let parsed = PasswordHash::new(&stored);
            parsed.is_ok_and(|hash| {
                Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
            })
        });
        Ok(matches.await? && exists)
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let busy = |_| Failure::new(Code::Busy, "too many logins at once; try again in a moment");
        let _place = self.queue.try_acquire().map_err(busy)?;
        // Never closed, so this only waits.
        let core = self.cores.clone().acquire_owned().await;
        let work = move || {
            let _core = core; // held until the hash is done, even when nobody waits for it any more
            work()
        };
        spawn_blocking(work)
            .await
            .map_err(|error| Failure::new(Code::Internal, format!("hashing stopped: {error}")))
    }
}

fn hash(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_matches_and_nobody_matches_nothing() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(passwords.verify(Some(stored.clone()), "correct horse".to_owned()).await.unwrap());
        assert!(!passwords.verify(Some(stored), "wrong horse".to_owned()).await.unwrap());
        let nobodys = "nobody has this password".to_owned();
        assert!(!passwords.verify(None, nobodys).await.unwrap());
    }

    #[tokio::test]
    async fn a_burst_beyond_the_queue_is_told_to_come_back() {
        let passwords = Passwords::new().unwrap();
        let held = passwords
            .queue
            .clone()
            .acquire_many_owned(u32::try_from(passwords.queue.available_permits()).unwrap());
        let _held = held.await.unwrap();
        let failure = passwords.hash("correct horse".to_owned()).await.unwrap_err();
        assert!(failure.code == Code::Busy && failure.retry, "{failure}");
    }
}

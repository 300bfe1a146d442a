//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Long enough for anything that should happen at once on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// Asks `is_so` until it gives something, and returns it.
///
/// # Panics
/// When it did not within `limit`; `what` says what was waited for.
pub async fn until<T>(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(so) = is_so().await {
            return so;
        }
        assert!(start.elapsed() < limit, "{what} did not happen within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! Everything goes wrong while players play, and nobody loses what it was promised, is at two
//! places, or cannot go on.

use std::time::Duration;

use harness::chaos::{Settings, run};

/// What `./check` runs. `WAYSTONE_CHAOS_SEED`, `_SECONDS`, `_FAULTS` and `_BOTS` say otherwise.
const SHORT: Settings =
    Settings { seed: 11, length: Duration::from_secs(75), faults: 36, bots: 12 };

#[tokio::test]
async fn nothing_promised_is_lost_whatever_goes_wrong() {
    let report = Box::pin(run(SHORT.or_by_environment())).await;
    for oddity in &report.oddities {
        println!("odd: {oddity}");
    }
    for problem in &report.problems {
        println!("{problem}");
    }
    println!("{}", report.line());
    assert!(report.is_clean(), "see above what is lost, doubled or stuck");
}

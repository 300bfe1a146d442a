//! Where the `metrics` macros of the whole process count, and what /metrics renders.

use std::{sync::LazyLock, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

/// Upper bounds for durations, in seconds: from a map's tick to a slow login.
const SECONDS: [f64; 16] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
];

/// Upper bounds for names that end in `_bytes`.
const BYTES: [f64; 9] =
    [64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

/// How often histograms are folded. Between two of these every observation stays in memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// There is one recorder in a process, also when tests run several servers in it.
static RECORDER: LazyLock<Result<PrometheusHandle, BuildError>> = LazyLock::new(|| {
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?
        .install_recorder()
});

/// The recorder, installed at the first call.
pub(crate) fn install() -> Result<PrometheusHandle, &'static BuildError> {
    RECORDER.as_ref().cloned()
}

/// Keeps the recorder's memory bounded until `closing`.
pub(crate) async fn keep(recorder: PrometheusHandle, closing: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while closing.run_until_cancelled(ticks.tick()).await.is_some() {
        recorder.run_upkeep();
    }
}

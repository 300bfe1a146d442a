//! What was measured, for people and for programs.

use std::time::Duration;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use super::{crew::FIRST, tally::Tally};

/// What was measured. The fields' names are those of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    clients: usize,
    /// On the map when the window opened.
    pub(super) connected: usize,
    seconds: f64,
    /// Of all clients together.
    inputs_per_s: f64,
    /// Snapshots a second for each client.
    pub(super) hz: f64,
    /// Received by each client, with the frames' headers.
    bytes_per_s: f64,
    neighbours: InView,
    /// From when an input was due until a snapshot acknowledged it.
    pub(super) echo_ms: Spread,
    /// Inputs that were never acknowledged; they are in the echo with as long as they waited.
    unanswered: u64,
    /// From when an input was due until it was sent, which is the bots' own part of the echo.
    late_ms: Spread,
    /// The longest wait of each client between two snapshots.
    gap_ms: Spread,
    warps: u64,
    refused: u64,
    disconnects: u64,
    reasons: Vec<String>,
    /// Of this process, of one core.
    bots_cpu_percent: f64,
    server: Option<Server>,
}

/// Others in view, as sampled bots saw it.
#[derive(Debug, Serialize)]
struct InView {
    avg: f64,
    max: usize,
    /// Positions that were told off the map; there should be none.
    odd_positions: usize,
}

/// How long something took, in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Spread {
    pub(super) count: u64,
    p50: f64,
    p90: f64,
    pub(super) p99: f64,
    max: f64,
}

/// The process named by `--server-pid`.
#[derive(Debug, Serialize)]
pub(super) struct Server {
    /// Of one core, over the window.
    pub(super) cpu_percent: f64,
    /// At the window's end, in bytes.
    pub(super) resident: u64,
    /// Each player's part of what is of no file, beyond the first hundred.
    pub(super) bytes_per_player: Option<u64>,
}

/// What is known beside the bots' counts.
pub(super) struct Frame {
    pub(super) clients: usize,
    pub(super) connected: usize,
    /// How long the window was open.
    pub(super) seconds: f64,
    /// This process's share of a core.
    pub(super) cpu_percent: f64,
    pub(super) server: Option<Server>,
}

impl Report {
    pub(super) fn new(tally: &Tally, frame: Frame) -> Self {
        let Frame { clients, connected, seconds, cpu_percent, server } = frame;
        let each = |count: u64| count as f64 / seconds / connected.max(1) as f64;
        let spread = |times: &super::tally::Times| Spread {
            count: times.count(),
            p50: times.quantile(0.5),
            p90: times.quantile(0.9),
            p99: times.quantile(0.99),
            max: times.max(),
        };
        let seen = &tally.neighbours;
        Self {
            clients,
            connected,
            seconds,
            inputs_per_s: tally.inputs as f64 / seconds,
            hz: each(tally.snapshots),
            bytes_per_s: each(tally.bytes),
            neighbours: InView { avg: seen.average(), max: seen.max, odd_positions: seen.odd },
            echo_ms: spread(&tally.echo),
            unanswered: tally.unanswered,
            late_ms: spread(&tally.late),
            gap_ms: spread(&tally.gaps),
            warps: tally.warps,
            refused: tally.refused,
            disconnects: tally.disconnects,
            reasons: tally.reasons.iter().map(|(why, n)| format!("{n} × {why}")).collect(),
            bots_cpu_percent: cpu_percent,
            server,
        }
    }

    /// The same, to be read.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(["what", "measured"]);
        let spread = |s: &Spread| {
            format!("p50 {:.1}  p90 {:.1}  p99 {:.1}  max {:.1} ms", s.p50, s.p90, s.p99, s.max)
        };
        let seen = &self.neighbours;
        let mut rows = vec![
            ("clients connected", format!("{} of {}", self.connected, self.clients)),
            ("seconds", format!("{:.1}", self.seconds)),
            ("inputs, all clients", format!("{:.0} /s", self.inputs_per_s)),
            ("snapshots, each client", format!("{:.2} Hz", self.hz)),
            ("received, each client", format!("{:.0} bytes/s", self.bytes_per_s)),
            ("others in view", format!("avg {:.1}  max {}", seen.avg, seen.max)),
            ("positions off the map", seen.odd_positions.to_string()),
            ("echo", format!("{} of {}", spread(&self.echo_ms), self.echo_ms.count)),
            ("inputs never answered", self.unanswered.to_string()),
            ("inputs sent late by", spread(&self.late_ms)),
            ("longest wait of each", spread(&self.gap_ms)),
            ("warps, refusals", format!("{}, {}", self.warps, self.refused)),
            ("disconnects", format!("{} {}", self.disconnects, self.reasons.join(", "))),
            ("bots' CPU", format!("{:.0} %", self.bots_cpu_percent)),
        ];
        if let Some(server) = &self.server {
            let each = match server.bytes_per_player {
                Some(bytes) => format!("{bytes} bytes"),
                None => format!("needs more than {FIRST} players"),
            };
            rows.push(("server's CPU", format!("{:.0} %", server.cpu_percent)));
            rows.push(("server's memory", format!("{} KiB", server.resident / 1024)));
            rows.push(("of it for each player more", each));
        }
        table.add_rows(rows.into_iter().map(|(what, measured)| [what.to_owned(), measured]));
        table
    }
}

/// A time on a core as a share of one core.
pub(super) fn percent(cpu: Duration, lasted: Duration) -> f64 {
    100.0 * cpu.as_secs_f64() / lasted.as_secs_f64()
}

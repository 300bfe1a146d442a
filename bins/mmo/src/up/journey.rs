//! Two players who see each other.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use tokio::{process::Command, time::timeout};

use super::{parts::Cluster, run_folder::RunFolder};
use crate::talk;

/// Who plays, and whom each one waits for.
const PLAYERS: [(&str, &str); 2] = [("Ada", "Grace"), ("Grace", "Ada")];
/// How long a journey may take in all.
const JOURNEY: Duration = Duration::from_secs(120);

/// Has two clients go the whole way at once, and shows both ways one after the other.
pub(super) async fn play(
    programs: &Path,
    cluster: &Cluster<'_>,
    folder: &RunFolder,
) -> anyhow::Result<ExitCode> {
    let [first, second] = PLAYERS.map(|(name, other)| one(programs, cluster, folder, name, other));
    let (first, second) = tokio::join!(first, second);
    let held = first? & second?;
    talk(if held { "\nthe journey held" } else { "\nthe journey did not hold" });
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn one(
    programs: &Path,
    cluster: &Cluster<'_>,
    folder: &RunFolder,
    name: &str,
    other: &str,
) -> anyhow::Result<bool> {
    let mut command = Command::new(programs.join("client"));
    command
        .args(["journey", "--central", &cluster.central, "--character", name, "--meet", other])
        .args(["--account", &format!("demo.{}", name.to_lowercase())])
        // With several spawners there are several channels, and they would not meet.
        .args(["--channel", "1"])
        .env("MMO_PASSWORD", &folder.secrets.players)
        .process_group(0)
        .kill_on_drop(true);
    let Ok(output) = timeout(JOURNEY, command.output()).await else {
        bail!("{name}'s journey took longer than {JOURNEY:?}")
    };
    let output = output.with_context(|| format!("cannot start {name}'s client"))?;
    talk(&format!("\n{name}'s journey"));
    for text in [&output.stdout, &output.stderr] {
        talk(String::from_utf8_lossy(text).trim_end());
    }
    Ok(output.status.success())
}

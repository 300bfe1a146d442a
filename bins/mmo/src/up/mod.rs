//! A whole cluster on this machine, and the journey through it.
//!
//! # Layout
//! - here: the order in which things start and stop.
//! - [`run_folder`]: where state lives: one `up` at a time, secrets, logs.
//! - [`part`]: one process: started, waited for, ended.
//! - [`parts`]: how each kind of process is started.
//! - [`journey`]: two players who see each other.

mod journey;
mod part;
mod parts;
mod run_folder;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::{part::Part, parts::Cluster, run_folder::RunFolder};
use crate::talk;

/// How long a part may take to end before it is killed. A spawner gives its maps 8 s.
const GRACE: Duration = Duration::from_secs(12);

#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// End after the journey, with its exit status
    #[arg(long)]
    once: bool,

    /// How many Map Spawn Servers to run
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=64))]
    spawners: u16,

    /// Where state lives: databases, logs, secrets
    #[arg(long, value_name = "FOLDER", default_value = ".run")]
    dir: PathBuf,

    /// Where the servers' programs are; the folder of this one if not given
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,

    /// The folder with nats-server's configuration
    #[arg(long, value_name = "FOLDER", default_value = "nats/conf")]
    nats_conf: PathBuf,
}

impl Up {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let folder = RunFolder::open(&self.dir)?;
        let programs = match &self.programs {
            Some(programs) => programs.clone(),
            None => {
                let this = std::env::current_exe().context("cannot tell where this program is")?;
                this.parent().context("this program has no folder")?.to_owned()
            }
        };
        let mut stop = Stop::listen()?;
        let mut running = Running::default();
        let start = self.start_and_play(&folder, programs, &mut running);
        let outcome = tokio::select! {
            outcome = start => outcome,
            () = stop.asked() => Ok(ExitCode::SUCCESS),
        };
        if outcome.as_ref().is_ok_and(|code| *code == ExitCode::SUCCESS)
            && !self.once
            && !stop.was_asked
        {
            tokio::select! {
                () = stop.asked() => {}
                name = running.ended() => talk(&format!("{name} has ended; stopping the rest")),
            }
        }
        talk("stopping");
        running.stop(&mut stop).await;
        outcome
    }

    async fn start_and_play(
        &self,
        folder: &RunFolder,
        programs: PathBuf,
        running: &mut Running,
    ) -> anyhow::Result<ExitCode> {
        let mut cluster = Cluster::new(folder, programs.clone(), self.nats_conf.clone());
        running.parts.push(cluster.nats().await?);
        running.parts.push(cluster.redis().await?);
        running.parts.push(cluster.central().await?);
        for number in 1..=self.spawners {
            running.parts.push(cluster.spawner(number).await?);
        }
        cluster.maps_are_up(usize::from(self.spawners)).await?;
        let code = journey::play(&programs, &cluster, folder).await?;
        if !self.once && code == ExitCode::SUCCESS {
            talk(&cluster.how_to_join());
        }
        Ok(code)
    }
}

/// What runs, in the order in which it was started.
#[derive(Default)]
struct Running {
    parts: Vec<Part>,
}

impl Running {
    /// Waits until one of them has ended by itself, and names it.
    async fn ended(&mut self) -> String {
        loop {
            if let Some(part) =
                self.parts.iter_mut().find_map(|part| part.has_ended().then_some(part))
            {
                return part.name().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends them, the last one first, each within its grace. A second signal ends them at once.
    async fn stop(&mut self, stop: &mut Stop) {
        while let Some(mut part) = self.parts.pop() {
            tokio::select! {
                () = part.end(GRACE) => {}
                () = stop.asked() => part.kill().await,
            }
        }
    }
}

/// Ctrl-C, SIGTERM, and the end of the terminal.
struct Stop {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    was_asked: bool,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            was_asked: false,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.hangup.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.was_asked = true;
    }
}

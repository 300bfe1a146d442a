//! A program from its flags to its exit status.

use std::{
    env,
    error::Error,
    future::Future,
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use tokio::runtime::{self, Runtime};

use crate::{
    BoxError, Instance, Role, StartError, Stopped, chain,
    config::{self, ConfigError, Loaded},
    logging, signals,
};

/// Status for a bad configuration. A failure at run time is 1, a clean end 0.
const EXIT_CONFIG: u8 = 2;

/// One of the servers, as a program; `examples/echo.rs` is a whole one.
#[derive(Debug, Clone)]
pub struct Program {
    pub(crate) role: Role,
    pub(crate) about: &'static str,
    pub(crate) version: &'static str,
    threads: Threads,
}

#[derive(Debug, Clone, Copy)]
enum Threads {
    PerCore,
    Workers(usize),
    Current,
}

impl Program {
    /// A program with a worker thread per core. `about` stands at the top of its help.
    pub fn new(role: Role, about: &'static str, version: &'static str) -> Self {
        Self { role, about, version, threads: Threads::PerCore }
    }

    /// With this many worker threads, at least one.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.threads = Threads::Workers(count.max(1));
        self
    }

    /// With no threads but the first.
    #[must_use]
    pub fn current_thread(mut self) -> Self {
        self.threads = Threads::Current;
        self
    }

    /// Reads the configuration, starts logging, the admin port and signals, runs `start` as the
    /// short task `start`, and stays until the lifecycle is done.
    ///
    /// `start` may end when all is spawned, or stay until [`draining`](crate::Lifecycle::draining)
    /// and close things in its own order. Stdout is left to it.
    ///
    /// The status is 0 after a clean drain, 1 after a failure, 2 for a bad configuration. **A
    /// second signal exits at once with 130.**
    pub fn run<C, F, Fut, E>(self, start: F) -> ExitCode
    where
        C: Args,
        F: FnOnce(C, Instance) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let args: Vec<_> = env::args_os().collect();
        let loaded = match config::load::<C>(&self, &args, |name| env::var_os(name)) {
            Ok(loaded) => loaded,
            Err(error) => return self.refuse(&error),
        };
        if loaded.basics.print_config {
            // A reader that went away has seen enough.
            let _ = write!(io::stdout(), "{}", loaded.report);
            return ExitCode::SUCCESS;
        }
        match self.serve(loaded, start) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                self.complain(error.as_ref());
                ExitCode::FAILURE
            }
        }
    }

    fn serve<C, F, Fut, E>(&self, loaded: Loaded<C>, start: F) -> Result<(), BoxError>
    where
        F: FnOnce(C, Instance) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let Loaded { config, basics, .. } = loaded;
        logging::init(basics.log_format, basics.log.clone())?;
        let signal = signals::listen().map_err(StartError::System)?;
        let runtime = self.runtime().map_err(StartError::System)?;
        let done = runtime.block_on(async {
            let instance = Instance::start(self.role, &basics).await?;
            let lifecycle = instance.lifecycle.clone();
            self.introduce(&instance);
            lifecycle.spawn_short("start", start(config, instance));
            Ok(lifecycle.run_until_done(signal, basics.drain()).await?)
        });
        // What the drain did not end in its time may not hold the exit up either.
        runtime.shutdown_background();
        done
    }

    fn introduce(&self, instance: &Instance) {
        let (role, version, realm) = (self.role.as_str(), self.version, instance.realm.to_string());
        tracing::info!("{role} {version} starts in realm {realm}");
        // Prometheus' way to put labels such as a version beside every other number.
        let info = metrics::gauge!(
            "mmo_instance_info", "role" => role, "version" => version, "realm" => realm
        );
        info.set(1.0);
    }

    fn runtime(&self) -> io::Result<Runtime> {
        let mut builder = match self.threads {
            Threads::Current => runtime::Builder::new_current_thread(),
            Threads::PerCore | Threads::Workers(_) => runtime::Builder::new_multi_thread(),
        };
        if let Threads::Workers(count) = self.threads {
            builder.worker_threads(count);
        }
        builder.enable_all().thread_name(self.role.as_str()).build()
    }

    /// Logging is not up yet, nor is its format known.
    fn refuse(&self, error: &ConfigError) -> ExitCode {
        if let ConfigError::Usage(usage) = error {
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(EXIT_CONFIG));
        }
        eprintln!("{}: {}", self.role, chain(error));
        ExitCode::from(EXIT_CONFIG)
    }

    fn complain(&self, error: &(dyn Error + 'static)) {
        // The lifecycle has logged its own already.
        if !error.is::<Stopped>() {
            tracing::error!("{}", chain(error));
        }
        if !tracing::enabled!(tracing::Level::ERROR) {
            eprintln!("{}: {}", self.role, chain(error));
        }
    }
}

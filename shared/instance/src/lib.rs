//! The server instance: what every server has around its own work.
//!
//! # Layout
//! - [`program`](Program): from flags to exit status; a `main` is one call of it.
//! - [`instance`](Instance): what a running server is given.
//! - [`config`]: flag over environment over file over default, and where each value came from.
//! - [`basics`](Basics): the settings that every server has. [`role`](Role): which server it is.
//! - [`logging`]: to stderr, for people or as JSON.
//! - [`lifecycle`](Lifecycle): named tasks, drain and deadline. [`stopped`](Stopped): why it ended.
//! - [`signals`]: the first asks for a drain, the second ends the process at once.
//! - [`readiness`](Readiness): named conditions. `backing`: conditions of what a server needs to be
//!   there. `admin`: the port that tells them.
//! - `recorder`: what /metrics renders.

mod admin;
mod backing;
mod basics;
pub mod config;
mod instance;
mod lifecycle;
pub mod logging;
mod program;
mod readiness;
mod recorder;
mod role;
pub mod signals;
mod stopped;

use std::error::Error;

pub use self::{
    basics::Basics,
    instance::{Instance, StartError},
    lifecycle::{CLOSE_LIMIT, Lifecycle},
    program::Program,
    readiness::{Condition, Conditions, Readiness},
    role::Role,
    signals::Signal,
    stopped::Stopped,
};

/// Any error of a task; `anyhow::Error` turns into it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An error and its causes in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors repeat their cause in their own text.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line.replace('\n', " ")
}

//! The whole way: a login, two maps and back, a logout; each step checked and timed.
//!
//! # Layout
//! - [`lobby`]: the steps with Central. [`play`]: the steps on a map.
//! - [`course`]: where to walk. [`witness`]: what was seen and heard on the way.
//! - [`report`]: how the steps are told. [`broken`]: why a step did not hold.

mod broken;
mod course;
mod lobby;
mod play;
mod report;
#[cfg(test)]
mod tests;
mod witness;

use std::{
    io::{self, Write},
    time::Duration,
};

use client::{Client, ClientConfig};
use protocol::Channel;
use serde_json::json;

use self::{
    broken::Broken,
    report::{Report, Stop},
    witness::Witness,
};
use crate::cli::JourneyArguments;

/// The least time for another player to come, whose own steps take theirs.
const MEET_MIN: Duration = Duration::from_secs(30);

/// What a step that held gives on, and what is told of it.
type Step<T> = Result<(T, serde_json::Value), Broken>;

/// Who goes, and how long each step may take.
#[derive(Debug, Clone)]
struct Plan {
    account: String,
    password: String,
    character: Option<String>,
    meet: Option<String>,
    channel: Option<Channel>,
    deadline: Duration,
    meet_deadline: Duration,
}

impl Plan {
    fn new(arguments: JourneyArguments) -> Self {
        let random = || format!("{:016x}", rand::random::<u64>());
        let deadline = Duration::from_secs(arguments.deadline_s);
        Self {
            account: arguments.account.unwrap_or_else(|| format!("guest-{}", random())),
            password: arguments.password.unwrap_or_else(random),
            character: arguments.character,
            meet: arguments.meet,
            channel: arguments.channel,
            deadline,
            meet_deadline: deadline.max(MEET_MIN),
        }
    }
}

/// Goes on a journey and tells it on stdout. True if every step held.
///
/// # Errors
/// When stdout takes no more.
pub(crate) async fn main(
    config: ClientConfig,
    arguments: JourneyArguments,
) -> Result<bool, io::Error> {
    let mut report = Report::new(io::stdout(), arguments.json);
    let secret = arguments.password.is_some();
    let plan = Plan::new(arguments);
    let password = if secret { "(as given)" } else { &plan.password };
    report.names(&config.central, &plan.account, password)?;
    match Box::pin(go(config, &plan, &mut report)).await {
        Ok(()) => Ok(true),
        Err(Stop::Step) => Ok(false),
        Err(Stop::Output(error)) => Err(error),
    }
}

async fn go<W: Write>(
    config: ClientConfig,
    plan: &Plan,
    report: &mut Report<W>,
) -> Result<(), Stop> {
    let (client, events) = Client::new(config);
    let mut witness = Witness::new(events);
    let within = plan.deadline;

    report.step("connect", within, lobby::connect(&client)).await?;
    if !report.step("register", within, lobby::register(&client, plan)).await? {
        report.step("login", within, lobby::login(&client, plan)).await?;
    }
    let character = report.step("character", within, lobby::character(&client, plan)).await?;
    report.step("maps", within, lobby::maps(&client, &character.map)).await?;
    let seat = report.step("select", within, lobby::select(&client, &character, plan)).await?;
    let first = report.step("enter", within, play::enter(&client, &mut witness, &seat)).await?;
    report.step("walk", within, play::walk(&client, &mut witness)).await?;
    if let Some(other) = &plan.meet {
        let meet = play::meet(&client, &mut witness, other);
        report.step("meet", plan.meet_deadline, meet).await?;
    }
    let text = format!("hello from {}", character.name);
    report.step("say", within, play::say(&client, &mut witness, &text)).await?;
    if let Some(other) = &plan.meet {
        report.step("hear", plan.meet_deadline, play::hear(&mut witness, other)).await?;
    }
    let second = report.step("warp", within, play::warp(&client, &mut witness, None)).await?;
    let back = play::warp(&client, &mut witness, Some(&first));
    report.step("return", within, back).await?;
    report.step("leave", within, play::leave(&client)).await?;
    report.step("validate", within, lobby::validate(&client, &character, &first)).await?;
    report.step("logout", within, lobby::logout(&client)).await?;
    report.end(json!({ "character": character.name, "maps": [first, second] }))
}

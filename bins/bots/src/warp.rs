//! From map to map: how long a warp takes, from the step into a portal to standing behind it.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, value_parser};
use protocol::{
    ConnectionInfo, Position,
    frame::Encoding,
    play::{PlayInput, PlayMessage, Portal, STEPS},
    snapshot::Snapshot,
};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use wire::Connection;

use crate::{
    company::{self, Member},
    entrance::{Place, arrive},
    lobby::Lobby,
    times::{Spread, Times, Verdict},
};

/// How far outside of a portal's circle one waits, in tiles: less than a step.
const BEFORE: f32 = 0.05;
/// How near to a place one is there.
const NEAR: f32 = 0.03;
/// Between two ticks of a map.
const TICK: Duration = Duration::from_millis(50);
/// For a walk to the portal, and for a warp.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `bots warp` is told.
#[derive(Debug, Args)]
pub(crate) struct Warp {
    /// Where Central listens
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7700")]
    central: String,

    /// How many warps, one after the other
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = value_parser!(u32).range(1..=1_000_000))]
    count: u32,

    /// What the name of its account begins with
    #[arg(long, value_name = "PREFIX", default_value = "warp")]
    accounts: String,

    #[command(flatten)]
    verdict: Verdict,
}

/// What was measured. The fields' names are those of the JSON.
#[derive(Debug, Serialize)]
struct Report {
    /// From the word that steps into the circle to the first word of the other map. The map takes
    /// the word in with its next tick.
    warp: Spread,
    /// Of it, from when the map showed the step: the route, the seat, the transfer, the arrival.
    handoff: Spread,
}

impl Warp {
    /// Warps there and back, and judges.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let members = company::gather(&self.central, &self.accounts, 1).await?;
        let member = members.into_iter().next().context("nobody came")?;
        let mut stay = Stay::begin(&self.central, &member).await?;
        let (mut warp, mut handoff) = (Times::new()?, Times::new()?);
        for _ in 0..self.count {
            let portal = stay.stand_before_a_portal().await?;
            // Whoever steps in right after a tick showed it there always waits for a whole one.
            sleep(TICK.mul_f64(rand::random())).await;
            let step = Instant::now();
            let shown = stay.step_into(&portal, &member).await?;
            warp.record(step.elapsed());
            handoff.record(shown.elapsed());
        }
        stay.connection.send(&PlayInput::Leave).await?;
        let report = Report { warp: warp.spread(), handoff: handoff.spread() };
        self.verdict.tell(&report, || report.text(), &report.warp)
    }
}

impl Report {
    fn text(&self) -> String {
        format!("warp: {}\nhand-off: {}", self.warp, self.handoff)
    }
}

/// A stay on a map.
struct Stay {
    connection: Connection,
    place: Place,
}

impl Stay {
    async fn begin(central: &str, member: &Member) -> anyhow::Result<Self> {
        let mut lobby = Lobby::connect(central).await?;
        lobby.validate(member.login.clone()).await?;
        let seat = lobby.select(member.character).await?;
        let (connection, place, _) = arrive(&seat, member.login.clone(), member.character).await?;
        Ok(Self { connection, place })
    }

    async fn stand_before_a_portal(&mut self) -> anyhow::Result<Portal> {
        let from = self.place.position;
        let portals = self.place.portals.iter();
        let nearest = portals.min_by(|a, b| far(from, a.at).total_cmp(&far(from, b.at)));
        let portal = nearest.with_context(|| format!("{} has no portal", self.place.map))?.clone();
        let before = towards(portal.at, from, portal.radius + BEFORE);
        self.connection.send(&PlayInput::Walk { to: before, seq: 0 }).await?;
        timeout(PATIENCE, self.until_at(before)).await.context("the portal is not reached")??;
        Ok(portal)
    }

    async fn until_at(&mut self, there: Position) -> anyhow::Result<()> {
        let mut at = self.place.position;
        while far(at, there) > NEAR {
            if let PlayMessage::Snapshot { view } = self.hear().await? {
                at = self.own_position(&view).unwrap_or(at);
            }
        }
        Ok(())
    }

    /// Goes through, and returns when the step was shown.
    async fn step_into(&mut self, portal: &Portal, member: &Member) -> anyhow::Result<Instant> {
        self.connection.send(&PlayInput::Walk { to: portal.at, seq: 0 }).await?;
        let telling = timeout(PATIENCE, self.until_told(portal)).await;
        let (shown, seat) = telling.context("the warp takes too long")??;
        let (connection, place, _) = arrive(&seat, member.login.clone(), member.character).await?;
        *self = Self { connection, place };
        Ok(shown)
    }

    async fn until_told(&mut self, portal: &Portal) -> anyhow::Result<(Instant, ConnectionInfo)> {
        let mut shown = None;
        loop {
            match self.hear().await? {
                PlayMessage::Snapshot { view } => {
                    let at = self.own_position(&view);
                    if at.is_some_and(|at| far(at, portal.at) <= portal.radius) {
                        shown = shown.or_else(|| Some(Instant::now()));
                    }
                }
                PlayMessage::WarpTo { connection } => {
                    return Ok((shown.unwrap_or_else(Instant::now), connection));
                }
                PlayMessage::WarpRefused { failure, .. } => return Err(failure.into()),
                _ => {}
            }
        }
    }

    fn own_position(&self, view: &Snapshot) -> Option<Position> {
        let own = view.moves.iter().find(|moved| moved.entity == self.place.you);
        own.map(|moved| moved.position)
    }

    async fn hear(&mut self) -> anyhow::Result<PlayMessage> {
        match Encoding::Msgpack.decode(&self.connection.receive().await?)? {
            PlayMessage::Goodbye { failure } => bail!("sent away: {failure:?}"),
            message => Ok(message),
        }
    }
}

fn far(a: Position, b: Position) -> f32 {
    (a.x - b.x).hypot(a.y - b.y)
}

/// The place so far from `from`, on the way to `to`, as the map takes a walk there.
fn towards(from: Position, to: Position, distance: f32) -> Position {
    let share = distance / far(from, to).max(distance);
    let on_a_step = |tiles: f32| (tiles * STEPS).round() / STEPS;
    let on_the_way = |from: f32, to: f32| on_a_step(from + (to - from) * share);
    Position { x: on_the_way(from.x, to.x), y: on_the_way(from.y, to.y) }
}

//! How the steps are told.

use std::{
    fmt::Write as _,
    future::Future,
    io::{self, Write},
    time::Duration,
};

use protocol::Code;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{Broken, Step};

/// Why a journey goes no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A step did not hold, which was told.
    Step,
    /// Nothing can be told any more.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// A step in JSON; a struct, so that the fields keep their order.
#[derive(Serialize)]
struct Line<'a> {
    step: &'a str,
    ok: bool,
    ms: f64,
    #[serde(flatten)]
    details: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Broken>,
}

/// Tells each step, for people or one JSON object a line.
#[derive(Debug)]
pub(crate) struct Report<W> {
    out: W,
    json: bool,
    start: Instant,
    steps: u32,
}

impl<W: Write> Report<W> {
    pub(crate) fn new(out: W, json: bool) -> Self {
        Self { out, json, start: Instant::now(), steps: 0 }
    }

    /// Says who goes, so that a random name can be used again.
    pub(crate) fn names(&mut self, central: &str, account: &str, password: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(self.out, "journey to {central} as {account}, password {password}")
    }

    /// Does a step within a time, and tells how it went.
    pub(crate) async fn step<T>(
        &mut self,
        name: &str,
        within: Duration,
        work: impl Future<Output = Step<T>>,
    ) -> Result<T, Stop> {
        let start = Instant::now();
        // Steps are large futures; a box keeps the journey's own small.
        let outcome = timeout(within, Box::pin(work)).await.unwrap_or_else(|_| {
            let message = format!("this step took longer than {within:?}");
            Err(Broken { code: Code::DeadlinePassed.to_string(), message })
        });
        let ms = milliseconds(start.elapsed());
        self.steps += 1;
        match outcome {
            Ok((value, details)) => {
                self.tell(name, ms, &details, None)?;
                Ok(value)
            }
            Err(broken) => {
                self.tell(name, ms, &json!({}), Some(&broken))?;
                Err(Stop::Step)
            }
        }
    }

    /// Says that all held.
    pub(crate) fn end(&mut self, details: Value) -> Result<(), Stop> {
        if !self.json {
            let (steps, ms) = (self.steps, milliseconds(self.start.elapsed()));
            writeln!(self.out, "all {steps} steps held, {ms:.1} ms{}", plain(&details))?;
        }
        Ok(())
    }

    fn tell(
        &mut self,
        name: &str,
        ms: f64,
        details: &Value,
        broken: Option<&Broken>,
    ) -> io::Result<()> {
        if self.json {
            let line = Line { step: name, ok: broken.is_none(), ms, details, error: broken };
            let line = serde_json::to_string(&line).map_err(io::Error::from)?;
            writeln!(self.out, "{line}")?;
        } else if let Some(broken) = broken {
            writeln!(self.out, "FAIL  {name:<10} {ms:>9.1} ms  {broken}")?;
        } else {
            writeln!(self.out, "  ok  {name:<10} {ms:>9.1} ms{}", plain(details))?;
        }
        // A reader at the other end of a pipe wants each step when it happens.
        self.out.flush()
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn plain(details: &Value) -> String {
    let mut text = String::new();
    for (key, value) in details.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        // Writing to a string cannot fail.
        let _ = write!(text, "  {key}={value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn json_is_one_object_a_step() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, true);
        let held = report.step("one", SECOND, async { Ok((7, json!({ "map": "town" }))) }).await;
        assert!(matches!(held, Ok(7)));
        let broken = async { Err(Broken::unexpected("no echo")) };
        let stop = report.step::<()>("two", SECOND, broken).await;
        assert!(matches!(stop, Err(Stop::Step)));
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert!(text.starts_with(r#"{"step":"one","ok":true,"ms":"#), "{text}");
        assert_eq!((&lines[0]["step"], &lines[0]["ok"]), (&json!("one"), &json!(true)));
        assert!(lines[0]["ms"].is_number() && lines[0]["map"] == "town");
        assert_eq!(lines[1]["ok"], false);
        assert_eq!(lines[1]["error"], json!({ "code": "unexpected", "message": "no echo" }));
    }

    #[tokio::test]
    async fn a_step_that_never_ends_fails_at_its_deadline() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, true);
        let stuck = std::future::pending::<Step<()>>();
        let stop = report.step("stuck", Duration::from_millis(20), stuck).await;
        assert!(matches!(stop, Err(Stop::Step)));
        assert!(String::from_utf8(out).unwrap().contains("deadline_passed"));
    }
}

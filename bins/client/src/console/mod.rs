//! A session by hand: a line in, its outcome and the events out.
//!
//! # Layout
//! - [`order`]: what can be typed. [`printer`]: how events read.
//! - [`orders`]: how each order is obeyed. Here: the loop over lines and events.

mod order;
mod orders;
mod printer;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    io::{self, BufRead, Write},
    thread,
};

use anyhow::Context;
use client::{Client, ClientConfig, Events};
use tokio::sync::mpsc;

use self::{order::Order, printer::Printer};

/// Lines read ahead of what is obeyed.
const LINES: usize = 64;

/// Plays by the lines of stdin until `quit` or its end, then leaves.
///
/// # Errors
/// When stdin cannot be read or stdout takes no more.
pub(crate) async fn main(config: ClientConfig) -> anyhow::Result<()> {
    let mut console = Console::new(config, io::stdout());
    console.print(&format!("Central is at {}. Type `help`.", console.central))?;
    console.run(stdin()?).await
}

/// The lines of stdin. A thread of its own reads them, since a read cannot be cancelled: the
/// process must be able to end while one waits.
fn stdin() -> anyhow::Result<mpsc::Receiver<io::Result<String>>> {
    let (send, lines) = mpsc::channel(LINES);
    let read = move || {
        for line in io::stdin().lock().lines() {
            if send.blocking_send(line).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
    Ok(lines)
}

/// A client, and where its story is printed.
struct Console<W> {
    client: Client,
    events: Events,
    central: String,
    printer: Printer,
    out: W,
}

impl<W: Write> Console<W> {
    fn new(config: ClientConfig, out: W) -> Self {
        let central = config.central.clone();
        let (client, events) = Client::new(config);
        Self { client, events, central, printer: Printer::default(), out }
    }

    async fn run(&mut self, mut lines: mpsc::Receiver<io::Result<String>>) -> anyhow::Result<()> {
        loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                Some(event) = self.events.next() => {
                    self.show(&event)?;
                    continue;
                }
            };
            let Some(line) = line.transpose().context("cannot read stdin")? else { break };
            match line.parse::<Order>() {
                Ok(Order::Nothing) => {}
                Ok(Order::Quit) => break,
                Ok(order) => self.obey(order).await?,
                Err(wrong) => self.print(&format!("! {wrong}"))?,
            }
        }
        if self.client.server().is_some() {
            self.obey(Order::Leave).await?;
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        let Self { client, events, printer, out, .. } = self;
        let obeying = Box::pin(orders::obey(client, order));
        let outcome = telling(events, printer, out, obeying).await?;
        match outcome {
            Ok(text) if text.is_empty() => Ok(()),
            Ok(text) => self.print(&text),
            Err(wrong) => self.print(&format!("! {wrong}")),
        }
    }

    fn show(&mut self, event: &client::ClientEvent) -> anyhow::Result<()> {
        show(&mut self.printer, &mut self.out, event)
    }

    fn print(&mut self, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{text}")?;
        Ok(self.out.flush()?)
    }
}

/// Does something while events are printed as they come, and then those that came of it.
async fn telling<T, W: Write>(
    events: &mut Events,
    printer: &mut Printer,
    out: &mut W,
    work: impl Future<Output = T>,
) -> anyhow::Result<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            // What happened before the outcome is told before it.
            biased;
            Some(event) = events.next() => show(printer, out, &event)?,
            done = &mut work => {
                while let Some(event) = events.try_next() {
                    show(printer, out, &event)?;
                }
                return Ok(done);
            }
        }
    }
}

fn show<W: Write>(
    printer: &mut Printer,
    out: &mut W,
    event: &client::ClientEvent,
) -> anyhow::Result<()> {
    for line in printer.lines(event) {
        writeln!(out, "* {line}")?;
    }
    Ok(out.flush()?)
}

//! What was seen and heard on the way.

use std::collections::VecDeque;

use client::{ClientEvent, Events, Reason};

use super::Broken;

/// Words kept for a step that asks for them later.
const HEARD_MAX: usize = 256;

/// Reads the events, and fails a step when one of them breaks it.
#[derive(Debug)]
pub(crate) struct Witness {
    events: Events,
    /// Who said what, oldest first: the other player may speak before it is waited for.
    heard: VecDeque<(String, String)>,
}

impl Witness {
    pub(crate) fn new(events: Events) -> Self {
        Self { events, heard: VecDeque::new() }
    }

    /// Reads on until an event is the one that is wanted.
    pub(crate) async fn until<T>(
        &mut self,
        mut wanted: impl FnMut(&ClientEvent) -> Option<T>,
    ) -> Result<T, Broken> {
        loop {
            let event = self.events.next().await;
            let event = event.ok_or_else(|| Broken::disconnected("the client has ended"))?;
            if let ClientEvent::Said { name, text, .. } = &event {
                if self.heard.len() == HEARD_MAX {
                    self.heard.pop_front();
                }
                self.heard.push_back((name.clone(), text.clone()));
            }
            if let Some(found) = wanted(&event) {
                return Ok(found);
            }
            breaks(event)?;
        }
    }

    /// The last thing heard from somebody, waiting for a first word where there is none.
    pub(crate) async fn words_of(&mut self, somebody: &str) -> Result<String, Broken> {
        if let Some((_, text)) = self.heard.iter().rev().find(|(name, _)| name == somebody) {
            return Ok(text.clone());
        }
        self.until(|event| match event {
            ClientEvent::Said { name, text, .. } if name == somebody => Some(text.clone()),
            _ => None,
        })
        .await
    }
}

/// Whether an event that nobody waits for breaks whatever step it falls into.
fn breaks(event: ClientEvent) -> Result<(), Broken> {
    match event {
        ClientEvent::Disconnected { reason: Reason::Planned, .. } => Ok(()),
        ClientEvent::Disconnected { reason: Reason::Told(failure), .. }
        | ClientEvent::Refused { failure }
        | ClientEvent::WarpRefused { failure, .. } => Err(failure.into()),
        ClientEvent::Disconnected { from, reason } => {
            Err(Broken::disconnected(format!("{from}: {reason}")))
        }
        _ => Ok(()),
    }
}

//! The other Map Servers, as the Cluster tells of them. Pure.
//!
//! The Cluster numbers every change. A list that has heard every number since the full list it
//! started from equals the Cluster's; one that missed a number asks for the full list again.

use std::collections::BTreeMap;

use nats::table::PeerEvent;
use protocol::{
    ServerId,
    backbone::{View, maps::MapServer},
};

/// Every other Map Server.
#[derive(Debug, Default)]
pub(crate) struct PeerView {
    own: Option<ServerId>,
    /// `None` until the first full list came.
    view: Option<View>,
    servers: BTreeMap<ServerId, MapServer>,
    /// A number was missed: what comes does not count until the next full list.
    stale: bool,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is in the list now.
    Applied,
    /// It was in the list already.
    Late,
    /// Something is missing: ask for the full list.
    Missed,
}

impl PeerView {
    pub(crate) fn new(own: ServerId) -> Self {
        Self { own: Some(own), ..Self::default() }
    }

    /// Starts afresh from a full list. An older list of the same Cluster than what is known
    /// already, as an answer overtaken by events is, changes nothing.
    pub(crate) fn replace(&mut self, view: View, servers: Vec<MapServer>) {
        let is_older = |ours: View| ours.cluster == view.cluster && view.sequence < ours.sequence;
        if !self.stale && self.view.is_some_and(is_older) {
            return;
        }
        let others = servers.into_iter().filter(|server| Some(&server.server) != self.own.as_ref());
        self.servers = others.map(|server| (server.server.clone(), server)).collect();
        self.view = Some(view);
        self.stale = false;
    }

    /// Takes in one event.
    pub(crate) fn hear(&mut self, event: PeerEvent) -> Heard {
        let told = match &event {
            PeerEvent::Up(up) => up.view,
            PeerEvent::Changed(changed) => changed.view,
            PeerEvent::Down(down) => down.view,
        };
        let Some(ours) = self.view else { return self.miss() };
        if told.cluster != ours.cluster {
            // A dead Cluster's last word, or a new one's first: lives are ordered by time.
            return if told.cluster < ours.cluster { Heard::Late } else { self.miss() };
        }
        if told.sequence <= ours.sequence {
            return Heard::Late;
        }
        if self.stale || told.sequence != ours.sequence + 1 {
            return self.miss();
        }
        self.view = Some(told);
        self.apply(event);
        Heard::Applied
    }

    /// Whether this list is behind what the Cluster says its registry is.
    pub(crate) fn is_behind(&self, theirs: View) -> bool {
        self.stale
            || self.view.is_none_or(|ours| {
                ours.cluster != theirs.cluster || ours.sequence < theirs.sequence
            })
    }

    /// How many other Map Servers are known.
    pub(crate) fn len(&self) -> usize {
        self.servers.len()
    }

    fn miss(&mut self) -> Heard {
        self.stale = true;
        Heard::Missed
    }

    fn apply(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Up(up) => {
                if Some(&up.server.server) != self.own.as_ref() {
                    self.servers.insert(up.server.server.clone(), up.server);
                }
            }
            PeerEvent::Changed(changed) => {
                if let Some(server) = self.servers.get_mut(&changed.life.server)
                    && server.incarnation == changed.life.incarnation
                {
                    server.population = changed.population;
                }
            }
            PeerEvent::Down(down) => {
                // The end of an earlier life must not take away the present one.
                let is_it = |server: &MapServer| server.incarnation == down.life.incarnation;
                if self.servers.get(&down.life.server).is_some_and(is_it) {
                    self.servers.remove(&down.life.server);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

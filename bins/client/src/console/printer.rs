//! How events read.

use std::collections::HashMap;

use client::{ClientEvent, Surroundings};
use protocol::{EntityId, Position, play::Move};

/// Turns events into lines. Movement is told a tile at a time, or it would drown all else.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    names: HashMap<EntityId, String>,
    /// The tile each was last told to be on.
    tiles: HashMap<EntityId, (i64, i64)>,
}

impl Printer {
    pub(crate) fn lines(&mut self, event: &ClientEvent) -> Vec<String> {
        let line = match event {
            ClientEvent::ConnectedToCentral => "connected to Central".to_owned(),
            ClientEvent::LoggedIn { .. } => "logged in".to_owned(),
            ClientEvent::LoggedOut => "logged out".to_owned(),
            ClientEvent::EnteredMap(around) => return self.entered(around),
            ClientEvent::Appeared { sight } => {
                self.names.insert(sight.entity, sight.name.clone());
                format!("{} appears at {}", sight.name, point(sight.position))
            }
            ClientEvent::Moved { moves } => {
                return moves.iter().filter_map(|step| self.moved(step)).collect();
            }
            ClientEvent::Vanished { sight } => {
                self.names.remove(&sight.entity);
                self.tiles.remove(&sight.entity);
                format!("{} is out of sight", sight.name)
            }
            ClientEvent::Said { name, text, .. } => format!("{name}: {text}"),
            ClientEvent::Game { output } => output.to_string(),
            ClientEvent::Refused { failure } => format!("refused: {failure}"),
            ClientEvent::Queued { position, of } => {
                format!("all places are taken: waiting in line, {position} of {of}")
            }
            ClientEvent::Emptying { countdown_ms: None, .. } => {
                "this map stays up after all".to_owned()
            }
            ClientEvent::Emptying { countdown_ms: Some(ms), reason } => {
                let seconds = ms / 1000;
                format!("this map is being emptied in {seconds} s: {reason}")
            }
            ClientEvent::Warping { to } => format!("warping to {to}"),
            ClientEvent::WarpRefused { map, failure } => format!("no way to {map}: {failure}"),
            ClientEvent::LinkLost { from, reason } => {
                format!("lost the connection with {from}, trying again: {reason}")
            }
            ClientEvent::Resumed(around) => return self.entered(around),
            ClientEvent::Disconnected { from, reason } => {
                format!("disconnected from {from}: {reason}")
            }
            ClientEvent::Missed { events } => format!("{events} events were missed"),
        };
        vec![line]
    }

    fn entered(&mut self, around: &Surroundings) -> Vec<String> {
        self.tiles.clear();
        let others = around.others.values().map(|sight| (sight.entity, sight.name.clone()));
        self.names = others.chain([(around.you, "you".to_owned())]).collect();
        describe(around)
    }

    fn moved(&mut self, step: &Move) -> Option<String> {
        let name = self.names.get(&step.entity)?;
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and it is for people")]
        let tile = (step.position.x.floor() as i64, step.position.y.floor() as i64);
        if self.tiles.insert(step.entity, tile) == Some(tile) {
            return None;
        }
        Some(format!("{name} at {}", point(step.position)))
    }
}

/// Where the player is, who is in sight and where portals lead.
pub(crate) fn describe(around: &Surroundings) -> Vec<String> {
    let Surroundings { map, channel, position, size, portals, others, .. } = around;
    let here = point(*position);
    let mut lines =
        vec![format!("on {map}, channel {channel}, {} by {} tiles, at {here}", size.0, size.1)];
    let portal = |at, to| format!("a portal at {} leads to {to}", point(at));
    lines.extend(portals.iter().map(|found| portal(found.at, &found.to)));
    lines.extend(others.values().map(|seen| format!("{} at {}", seen.name, point(seen.position))));
    lines
}

fn point(position: Position) -> String {
    format!("{:.1} {:.1}", position.x, position.y)
}

#[cfg(test)]
mod tests {
    use protocol::play::Sight;

    use super::*;

    #[test]
    fn movement_is_told_a_tile_at_a_time() {
        let mut printer = Printer::default();
        let at = |x| Position { x, y: 0.0 };
        let (name, look) = ("Bob".to_owned(), "player".to_owned());
        let sight = Sight { entity: EntityId(2), name, look, position: at(0.0) };
        assert_eq!(printer.lines(&ClientEvent::Appeared { sight }), ["Bob appears at 0.0 0.0"]);
        let told: Vec<_> = [1.1, 1.6, 2.2]
            .iter()
            .flat_map(|x| {
                let moves = vec![Move { entity: EntityId(2), position: at(*x) }];
                printer.lines(&ClientEvent::Moved { moves })
            })
            .collect();
        assert_eq!(told, ["Bob at 1.1 0.0", "Bob at 2.2 0.0"]);
    }
}

//! What one of the sampled bots sees: it reads all that the others pass over.

use std::collections::HashSet;

use protocol::{
    EntityId, Position,
    frame::{Encoding, EncodingError},
    play::PlayMessage,
};

use super::tally::Neighbours;
use crate::entrance::Entered;

/// The entities in view.
#[derive(Debug)]
pub(super) struct Sight {
    you: EntityId,
    size: (f32, f32),
    others: HashSet<EntityId>,
}

impl Sight {
    pub(super) fn new(entered: &Entered) -> Self {
        let others = entered.others.iter().copied().collect();
        Self { you: entered.place.you, size: entered.place.size, others }
    }

    /// Reads a message; `tally` counts, where it is given, what a snapshot comes upon.
    ///
    /// # Errors
    /// When it is no message of the protocol.
    pub(super) fn hear(
        &mut self,
        message: &[u8],
        tally: Option<&mut Neighbours>,
    ) -> Result<(), EncodingError> {
        match Encoding::Msgpack.decode(message)? {
            PlayMessage::Appeared { sights } => {
                let others = sights.iter().map(|sight| sight.entity);
                self.others.extend(others.filter(|entity| *entity != self.you));
            }
            PlayMessage::Vanished { entities } => {
                for entity in entities {
                    self.others.remove(&entity);
                }
            }
            PlayMessage::Snapshot { view } => {
                if let Some(tally) = tally {
                    let odd = view.moves.iter().filter(|step| !self.is_on_map(step.position));
                    tally.add(self.others.len(), odd.count());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_on_map(&self, at: Position) -> bool {
        let (width, height) = self.size;
        (0.0..=width).contains(&at.x) && (0.0..=height).contains(&at.y)
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        play::{Move, Sight as Seen},
        snapshot::Snapshot,
    };

    use super::*;

    #[test]
    fn those_in_view_are_counted_and_positions_off_the_map_too() {
        let mut sight = Sight { you: EntityId(1), size: (10.0, 10.0), others: HashSet::new() };
        let mut tally = Neighbours::default();
        let mut hear = |message: PlayMessage, tally: Option<&mut Neighbours>| {
            sight.hear(&Encoding::Msgpack.encode(&message).unwrap(), tally).unwrap();
        };
        let seen = |entity| Seen {
            entity: EntityId(entity),
            name: "Ada".to_owned(),
            look: "player".to_owned(),
            position: Position { x: 1.0, y: 1.0 },
        };
        let step = |x| Move { entity: EntityId(2), position: Position { x, y: 1.0 } };
        let snapshot = |x| PlayMessage::Snapshot {
            view: Snapshot { moves: vec![step(x)], ..Snapshot::default() },
        };
        hear(PlayMessage::Appeared { sights: [1, 2, 3].map(seen).to_vec() }, None);
        hear(snapshot(1.0), Some(&mut tally));
        hear(PlayMessage::Vanished { entities: vec![EntityId(3)] }, None);
        hear(snapshot(11.0), Some(&mut tally));
        hear(snapshot(11.0), None);
        assert_eq!((tally.average(), tally.max, tally.odd), (1.5, 2, 1));
    }
}

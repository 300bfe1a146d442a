//! What the player sees, kept up to date from what the Map Server says.

use std::collections::BTreeMap;

use protocol::{
    Channel, EntityId, MapName, Position,
    play::{Move, PlayMessage, Portal, Sight},
};

/// The map around the player, as far as it is in sight.
#[derive(Debug, Clone, PartialEq)]
pub struct Surroundings {
    /// The map.
    pub map: MapName,
    /// Its channel.
    pub channel: Channel,
    /// The player's own entity.
    pub you: EntityId,
    /// Where the player stands.
    pub position: Position,
    /// Size of the map in tiles: width, then height.
    pub size: (f32, f32),
    /// How far one sees, in tiles.
    pub view: f32,
    /// Milliseconds between two ticks of the map's world.
    pub tick_ms: u32,
    /// Where one can leave to other maps.
    pub portals: Vec<Portal>,
    /// Everybody else in sight.
    pub others: BTreeMap<EntityId, Sight>,
}

impl Surroundings {
    /// What a player sees first; `None` when the message is not [`PlayMessage::Entered`].
    pub fn entered(message: PlayMessage) -> Option<Self> {
        let PlayMessage::Entered {
            map,
            channel,
            you,
            position,
            size,
            view,
            tick_ms,
            portals,
            others,
            ..
        } = message
        else {
            return None;
        };
        let others = others.into_iter().map(|sight| (sight.entity, sight)).collect();
        Some(Self { map, channel, you, position, size, view, tick_ms, portals, others })
    }

    /// Somebody came into sight, or looks different now. The player's own sight only moves the player.
    pub fn appeared(&mut self, sight: &Sight) {
        if sight.entity == self.you {
            self.position = sight.position;
        } else {
            self.others.insert(sight.entity, sight.clone());
        }
    }

    /// Entities have moved. One that never came into sight is passed over.
    pub fn moved(&mut self, moves: &[Move]) {
        for step in moves {
            if step.entity == self.you {
                self.position = step.position;
            } else if let Some(other) = self.others.get_mut(&step.entity) {
                other.position = step.position;
            }
        }
    }

    /// Somebody went out of sight; gives what was last seen of them.
    pub fn vanished(&mut self, entity: EntityId) -> Option<Sight> {
        self.others.remove(&entity)
    }

    /// Somebody else in sight, by name.
    pub fn other(&self, name: &str) -> Option<&Sight> {
        self.others.values().find(|sight| sight.name == name)
    }

    /// The nearest portal to a map, or to any map.
    pub fn portal(&self, to: Option<&MapName>) -> Option<&Portal> {
        let distance = |portal: &&Portal| portal.at.distance(self.position);
        self.portals
            .iter()
            .filter(|portal| to.is_none_or(|map| portal.to == *map))
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }
}

#[cfg(test)]
mod tests {
    use protocol::ResumeTicket;

    use super::*;

    fn at(x: f32, y: f32) -> Position {
        Position { x, y }
    }

    fn sight(entity: u32, name: &str) -> Sight {
        let (name, look) = (name.to_owned(), "player".to_owned());
        Sight { entity: EntityId(entity), name, look, position: at(0.0, 0.0) }
    }

    fn portal(x: f32, to: &str) -> Portal {
        Portal { at: at(x, 0.0), radius: 1.0, to: to.parse().unwrap() }
    }

    fn town() -> Surroundings {
        Surroundings::entered(PlayMessage::Entered {
            map: "town".parse().unwrap(),
            channel: Channel::FIRST,
            you: EntityId(1),
            position: at(2.0, 0.0),
            size: (30.0, 20.0),
            view: 16.0,
            tick_ms: 50,
            portals: vec![portal(9.0, "field"), portal(3.0, "cave"), portal(4.0, "field")],
            others: vec![sight(2, "Bob")],
            resume_ticket: ResumeTicket::from_bytes([1; 32]),
            link_grace_ms: 0,
        })
        .unwrap()
    }

    #[test]
    fn people_come_move_and_go() {
        let mut town = town();
        town.appeared(&sight(3, "Cy"));
        let step = |entity, x| Move { entity: EntityId(entity), position: at(x, 1.0) };
        town.moved(&[step(1, 5.0), step(3, 6.0), step(99, 7.0)]);
        assert_eq!(town.position, at(5.0, 1.0));
        assert_eq!(town.other("Cy").unwrap().position, at(6.0, 1.0));
        assert_eq!(town.vanished(EntityId(2)).unwrap().name, "Bob");
        assert_eq!(town.vanished(EntityId(2)), None);
        assert_eq!(town.others.len(), 1, "a movement makes nobody appear");
    }

    #[test]
    fn the_player_is_never_among_the_others() {
        let mut town = town();
        town.appeared(&sight(1, "Me"));
        assert_eq!(town.position, at(0.0, 0.0));
        assert!(town.other("Me").is_none());
    }

    #[test]
    fn the_nearest_portal_is_found_by_its_map_or_among_all() {
        let (town, field) = (town(), "field".parse().unwrap());
        assert_eq!(town.portal(None).unwrap().to.as_str(), "cave");
        assert_eq!(town.portal(Some(&field)).unwrap().at, at(4.0, 0.0));
        assert!(town.portal(Some(&"moon".parse().unwrap())).is_none());
    }

    #[test]
    fn only_entered_starts_a_stay() {
        assert!(Surroundings::entered(PlayMessage::Pong { nonce: 1 }).is_none());
    }
}

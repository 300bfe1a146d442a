//! Characters that wait for a place on a full map, first come, first served.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use protocol::{
    Channel, CharacterId, Code, Failure, MapName,
    backbone::operations::{ASK_AGAIN_S, Enqueue},
};

/// Characters that may wait for one map.
const LONGEST: usize = 10_000;
/// One that did not ask again for so long is in the queue no more.
const ASK_AGAIN: Duration = Duration::from_secs(ASK_AGAIN_S);

/// All queues, one for each map.
#[derive(Debug, Default)]
pub struct Queue {
    maps: BTreeMap<MapName, VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    character: CharacterId,
    channel: Option<Channel>,
    asked: Duration,
}

/// Where a character stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is its turn.
    Now,
    /// Others are before it, or there is no room.
    Waits {
        /// From 1.
        position: u32,
        /// How many wait.
        of: u32,
    },
}

impl Queue {
    /// A character asks for a place where `room` are free. It is in the queue from then on, until
    /// its turn comes or it asks no more.
    ///
    /// # Errors
    /// [`Code::MapFull`] when too many wait already.
    pub fn ask(&mut self, ask: &Enqueue, room: u32, now: Duration) -> Result<Standing, Failure> {
        self.forget_the_gone(now);
        let queue = self.maps.entry(ask.map.clone()).or_default();
        let place = queue.iter().position(|waiting| waiting.character == ask.character);
        let place = match place {
            Some(place) => place,
            None if queue.len() < LONGEST => {
                let (character, channel) = (ask.character, ask.channel);
                queue.push_back(Waiting { character, channel, asked: now });
                queue.len() - 1
            }
            None => {
                let message = format!("{LONGEST} wait for {} already; try again later", ask.map);
                return Err(Failure::new(Code::MapFull, message));
            }
        };
        if let Some(waiting) = queue.get_mut(place) {
            waiting.asked = now;
            waiting.channel = ask.channel;
        }
        // Who waits for another channel is not in the way.
        let in_the_way = |waiting: &&Waiting| {
            ask.channel.is_none() || waiting.channel.is_none() || waiting.channel == ask.channel
        };
        let before = queue.iter().take(place).filter(in_the_way).count();
        if before < room as usize {
            queue.remove(place);
            return Ok(Standing::Now);
        }
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Standing::Waits { position: number(before + 1), of: number(queue.len()) })
    }

    /// How many wait for a map.
    pub fn waiting(&self, map: &MapName) -> u32 {
        self.maps.get(map).map_or(0, |queue| u32::try_from(queue.len()).unwrap_or(u32::MAX))
    }

    /// The maps that somebody waits for.
    pub fn maps(&self) -> impl Iterator<Item = &MapName> {
        self.maps.keys()
    }

    /// Forgets those who do not ask any more.
    pub fn forget_the_gone(&mut self, now: Duration) {
        self.maps.retain(|_, queue| {
            queue.retain(|waiting| now.saturating_sub(waiting.asked) < ASK_AGAIN);
            !queue.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(queue: &mut Queue, character: CharacterId, room: u32, at_s: u64) -> Standing {
        let ask = Enqueue { character, map: "town".parse().unwrap(), channel: None, beside: None };
        queue.ask(&ask, room, Duration::from_secs(at_s)).unwrap()
    }

    #[test]
    fn first_come_first_served_and_who_asks_no_more_makes_way() {
        let mut queue = Queue::default();
        let [first, second, third] = [(); 3].map(|()| CharacterId::new());
        assert_eq!(ask(&mut queue, first, 0, 0), Standing::Waits { position: 1, of: 1 });
        assert_eq!(ask(&mut queue, second, 0, 1), Standing::Waits { position: 2, of: 2 });
        // A place has come free: it is not for who comes now, nor for the second.
        assert_eq!(ask(&mut queue, third, 1, 2), Standing::Waits { position: 3, of: 3 });
        assert_eq!(ask(&mut queue, second, 1, 2), Standing::Waits { position: 2, of: 3 });
        assert_eq!(ask(&mut queue, first, 1, 3), Standing::Now);
        assert_eq!(ask(&mut queue, third, 1, 3), Standing::Waits { position: 2, of: 2 });
        // The second has gone.
        assert_eq!(ask(&mut queue, third, 1, 7), Standing::Now);
        assert_eq!(queue.waiting(&"town".parse().unwrap()), 0);
    }

    #[test]
    fn two_places_are_for_the_first_two() {
        let mut queue = Queue::default();
        let [first, second, third] = [(); 3].map(|()| CharacterId::new());
        for character in [first, second, third] {
            ask(&mut queue, character, 0, 0);
        }
        assert_eq!(ask(&mut queue, third, 2, 1), Standing::Waits { position: 3, of: 3 });
        assert_eq!(ask(&mut queue, second, 2, 1), Standing::Now);
        assert_eq!(ask(&mut queue, first, 1, 1), Standing::Now);
    }
}

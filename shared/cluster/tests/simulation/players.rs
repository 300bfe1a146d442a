//! Players, parties and operators.

use cluster::{Answer, Asked};
use protocol::{
    CharacterId, Failure, ServerId, SpawnerId,
    backbone::{
        operations::{Drain, Enqueue, Placed, Target},
        spawners::SpawnMap,
    },
};
use rand::RngExt;
use uuid::Uuid;

use crate::{
    letter::Node,
    theatre::{Happening, Purpose, Theatre},
};

/// How long a seat is kept.
const KEPT: u64 = 3_000;

/// Somebody who wants to be on a map.
#[derive(Debug)]
pub(crate) struct Player {
    map: &'static str,
    /// Gives up then.
    until: u64,
}

impl Theatre {
    pub(crate) fn crowd_comes(&mut self, players: u32) {
        let map = if self.rng.random() { "town" } else { "forest" };
        for _ in 0..players {
            let number = u64::try_from(self.players.len()).unwrap() + 1;
            let (wait, until) = (self.between(0, 3_000), self.now + self.between(3_000, 15_000));
            self.players.insert(number, Player { map, until });
            self.at(wait, Happening::Player(number));
        }
    }

    /// Asks for a place, every second while it waits.
    pub(crate) fn player_asks(&mut self, number: u64) {
        let now = self.now;
        let Some(player) = self.players.get(&number).filter(|player| now < player.until) else {
            return;
        };
        let character = CharacterId::from(Uuid::from_u128(number.into()));
        let ask =
            Enqueue { character, map: player.map.parse().unwrap(), channel: None, beside: None };
        self.ask(Node::Outside, Asked::Enqueue(ask), Purpose::Player(number));
        self.at(1_000, Happening::Player(number));
    }

    pub(crate) fn player_hears(&mut self, number: u64, answer: Result<Answer, Failure>) {
        let Ok(Answer::Placed(Placed::Go(server))) = answer else { return };
        let Some(player) = self.players.get_mut(&number) else { return };
        player.until = 0;
        let incarnation = server.incarnation;
        let now = self.now;
        let map = self
            .maps
            .values_mut()
            .find(|map| map.server == server.server && map.life().incarnation == incarnation);
        let Some(map) = map.filter(|map| map.hung_until <= now && !map.ending) else { return };
        // The Map Server has the last word.
        if map.taken() >= map.capacity {
            return;
        }
        map.kept.insert(number, now + KEPT);
        let process = map.number;
        let arrival = self.between(50, 1_500);
        self.at(arrival, Happening::PlayerArrives(number, process));
    }

    pub(crate) fn player_arrives(&mut self, number: u64, process: u64) {
        let stay = self.between(1_000, 12_000);
        let now = self.now;
        let Some(map) = self.maps.get_mut(&process) else { return };
        if map.kept.remove(&number).is_some_and(|until| now < until) && !map.ending {
            map.players.insert(number);
            self.at(stay, Happening::PlayerLeaves(number, process));
        }
    }

    pub(crate) fn player_leaves(&mut self, number: u64, process: u64) {
        if let Some(map) = self.maps.get_mut(&process) {
            map.players.remove(&number);
        }
    }

    pub(crate) fn party_asks(&mut self) {
        let map = "crypt".parse().unwrap();
        let spawn = SpawnMap { map, channel: None, instance: true };
        let patience = std::time::Duration::from_secs(5);
        self.ask(Node::Outside, Asked::Spawn(spawn, patience), Purpose::Party);
    }

    /// The party goes there: the first seat claims it.
    pub(crate) fn party_hears(&mut self, answer: Result<Answer, Failure>) {
        let Ok(Answer::MapSpawned(spawned)) = answer else { return };
        if !self.rng.random_bool(0.8) {
            return; // it has thought better of it
        }
        let first = u64::MAX / 2 + self.processes * 10;
        let stay = self.between(1_000, 9_000);
        let map = self.maps.values_mut().find(|map| map.life() == spawned.life);
        let Some(map) = map.filter(|map| !map.ending) else { return };
        map.claimed = true;
        let process = map.number;
        for player in first..first + 3 {
            if let Some(map) = self.maps.get_mut(&process) {
                map.players.insert(player);
            }
            self.at(stay, Happening::PlayerLeaves(player, process));
        }
    }

    pub(crate) fn operator_spawns(&mut self, patience_ms: u64) {
        let spawn = SpawnMap { map: "cave".parse().unwrap(), channel: None, instance: false };
        let patience = std::time::Duration::from_millis(patience_ms);
        self.ask(Node::Outside, Asked::Spawn(spawn, patience), Purpose::Spawn);
    }

    pub(crate) fn drain_spawner(&mut self, id: &SpawnerId, countdown_s: u32) {
        self.drain(Target::Spawner(id.clone()), countdown_s);
    }

    pub(crate) fn drain_server(&mut self, server: ServerId, countdown_s: u32) {
        self.drain(Target::Server(server), countdown_s);
    }

    fn drain(&mut self, target: Target, countdown_s: u32) {
        let purpose = Purpose::Drain(target.clone());
        let drain = Drain { target, countdown_s, reason: String::new() };
        self.ask(Node::Outside, Asked::Drain(drain), purpose);
    }
}

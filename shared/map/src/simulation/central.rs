//! Central: serves the store, routes, and brings a character home that is selected, as
//! `bins/central/src/lobby/select.rs` does.

use std::time::Duration;

use protocol::{
    CharacterId, Code, Failure, MapName,
    backbone::{
        Life,
        maps::MapServer,
        seats::{CancelSeat, EvictCharacter, ReserveSeat},
    },
};

use super::{
    Simulation,
    maps::seated,
    network::{Answer, Ask, Caller, Party, Said},
};

/// Longest wait for a Map Server.
const MAP_SERVER: (u64, u32) = (900, 1);
/// How often a character is looked for that moves meanwhile.
const ROUNDS: usize = 2;
/// A server that has ended is known to be gone after so long.
const NOTICED: Duration = Duration::from_millis(500);
/// One that is cut off gets nobody any more after so long, and is passed over after so long.
const SILENT: Duration = Duration::from_millis(3200);
const PASSED_OVER: Duration = Duration::from_millis(6200);

/// A selection that waits for a Map Server.
#[derive(Debug)]
pub(super) struct Select {
    round: usize,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Evicting { owner: Life, epoch: u64 },
    Reserving(Box<MapServer>),
}

impl Simulation {
    pub(super) fn serve_central(&mut self, ask: Ask) -> Answer {
        let store = &mut self.store;
        match ask {
            Ask::Load(load) => {
                store.load(load.character, &load.owner).map(|loaded| Said::Loaded(Box::new(loaded)))
            }
            Ask::Save(save) => store.save(save).map(Said::Claims),
            Ask::Commit(saves) => store.commit(saves).map(Said::Claims),
            Ask::Transfer(transfer) => store.transfer(transfer).map(Said::Claims),
            Ask::Release(release) => store.release(release).map(|_| Said::Done),
            Ask::Abandon(abandon) => {
                store.abandon(abandon.character, &abandon.owner, None);
                Ok(Said::Done)
            }
            Ask::Route(map) => self.route(&map).map(|server| Said::Routed(Box::new(server))),
            other => panic!("Central does not serve {other:?}"),
        }
    }

    fn route(&self, name: &MapName) -> Result<MapServer, Failure> {
        let map = self.maps.iter().find(|map| map.own.map == *name).unwrap();
        let is_down = map.down_since.is_some_and(|since| self.now >= since + NOTICED);
        let is_silent = map.cut.is_some_and(|(since, _)| self.now >= since + SILENT);
        if is_down || is_silent {
            return Err(Failure::new(Code::NoServer, "none is up"));
        }
        Ok(map.own.clone())
    }

    /// Whether a life of a server is known to be over.
    fn is_gone(&self, life: &Life) -> bool {
        let map = &self.maps[self.place(life)];
        map.own.incarnation != life.incarnation
            || map.down_since.is_some_and(|since| self.now >= since + NOTICED)
            || map.cut.is_some_and(|(since, _)| self.now >= since + PASSED_OVER)
    }

    /// A client selects its character, or goes on to.
    pub(super) fn select(&mut self, client: usize, mut round: usize) {
        let character = self.clients[client].character;
        loop {
            let row = self.store.row(character);
            let Some(owner) = row.owner.clone() else { break };
            let epoch = row.epoch;
            if round == ROUNDS {
                return self.refuse(client);
            }
            if self.is_gone(&owner) {
                // Passed over while it lives: what it has not saved is lost.
                self.is_lossy = true;
                self.store.abandon(character, &owner, Some(epoch));
                round += 1;
                continue;
            }
            let evict = Ask::Evict(EvictCharacter {
                incarnation: owner.incarnation,
                character,
                reason: "selected again".to_owned(),
            });
            let to = Party::Map(self.place(&owner));
            let step = Step::Evicting { owner, epoch };
            self.selects.insert(client, Select { round, step });
            return self.call(Caller::Select(client), None, to, evict, MAP_SERVER);
        }
        let row = self.store.row(character);
        let (account, home) = (row.account, row.state.map.clone());
        let Ok(server) = self.route(&home) else { return self.refuse(client) };
        let reserve = Ask::Reserve(ReserveSeat {
            incarnation: server.incarnation,
            account,
            character,
            name: "Ada".to_owned(),
            instance: false,
        });
        let to = Party::Map(self.place(&server.life()));
        let step = Step::Reserving(Box::new(server));
        self.selects.insert(client, Select { round, step });
        self.call(Caller::Select(client), None, to, reserve, MAP_SERVER);
    }

    pub(super) fn select_answered(&mut self, client: usize, answer: Answer) {
        // It was broken off with the Central that was asked.
        let Some(Select { round, step }) = self.selects.remove(&client) else { return };
        let character = self.clients[client].character;
        match (step, answer) {
            (Step::Evicting { owner, epoch }, Ok(_)) => {
                self.store.abandon(character, &owner, Some(epoch));
                self.select(client, round + 1);
            }
            (Step::Reserving(server), Ok(seat)) => {
                let ticket = seated(Ok(seat)).unwrap().ticket;
                match self.store.claim(character, &server.life(), None) {
                    Ok(()) => self.go(client, self.place(&server.life()), ticket),
                    Err(_) => {
                        self.cancel(character, ticket, &server);
                        self.refuse(client);
                    }
                }
            }
            (_, Err(_)) => self.refuse(client),
        }
    }

    fn cancel(&mut self, character: CharacterId, ticket: protocol::Ticket, server: &MapServer) {
        let to = Party::Map(self.place(&server.life()));
        let ask = Ask::Cancel(CancelSeat { character, ticket });
        self.call(Caller::Nobody, None, to, ask, MAP_SERVER);
    }
}

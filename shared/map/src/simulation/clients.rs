//! Clients: each selects its one character, enters, plays, and selects again when it is lost.

use std::time::{Duration, Instant};

use protocol::{
    AccountId, CharacterId, Code, Incarnation, ResumeTicket, SessionId, Ticket,
    backbone::characters::LoadCharacter,
    frame::Encoding,
    play::{PlayInput, PlayMessage},
};

use super::{
    Simulation,
    game::Wish,
    maps::CALL,
    network::{Answer, Ask, Caller, Party, Said},
};
use crate::host::{Admitted, Command, Ending, Entry, Resumption, Shown};

/// Before it selects again.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Client {
    pub(super) character: CharacterId,
    pub(super) account: AccountId,
    session: SessionId,
    pub(super) state: State,
    /// How long it takes to the Map Server.
    pub(super) way: Duration,
}

pub(super) enum State {
    Idle {
        until: Instant,
    },
    Selecting,
    /// It has a ticket, and is on its way.
    Going {
        map: usize,
        life: Incarnation,
        ticket: Ticket,
        at: Instant,
    },
    Arriving {
        map: usize,
    },
    Playing {
        map: usize,
        admitted: Admitted,
        resume: Option<ResumeTicket>,
    },
    /// Its connection is lost, and it will try to come back.
    Lost {
        map: usize,
        resume: ResumeTicket,
        at: Instant,
    },
    /// It wants nothing any more.
    Done,
}

impl Client {
    pub(super) fn new(number: u128, now: Instant) -> Self {
        let id = format!("0198c0de-0000-7000-8000-{number:012x}");
        let (character, account) = (id.parse().unwrap(), id.parse().unwrap());
        let state = State::Idle { until: now };
        Self { character, account, session: SessionId::new(), state, way: Duration::ZERO }
    }

    pub(super) fn map(&self) -> Option<usize> {
        match self.state {
            State::Going { map, .. }
            | State::Arriving { map, .. }
            | State::Playing { map, .. }
            | State::Lost { map, .. } => Some(map),
            State::Idle { .. } | State::Selecting | State::Done => None,
        }
    }

    pub(super) fn is_playing(&self) -> bool {
        matches!(self.state, State::Playing { .. })
    }
}

impl Simulation {
    fn pause(&mut self, client: usize) {
        self.clients[client].state = State::Idle { until: self.now + PAUSE };
    }

    pub(super) fn refuse(&mut self, client: usize) {
        self.pause(client);
    }

    /// The server of these connections has ended.
    pub(super) fn connections_end(&mut self, map: usize) {
        for client in 0..self.clients.len() {
            if self.clients[client].map() == Some(map) {
                self.pause(client);
            }
        }
    }

    /// It was told where to go.
    pub(super) fn go(&mut self, client: usize, map: usize, ticket: Ticket) {
        let life = self.maps[map].own.incarnation;
        let at = self.now + self.clients[client].way;
        self.clients[client].state = State::Going { map, life, ticket, at };
    }

    /// What is due at each client.
    pub(super) fn tick_clients(&mut self) {
        let now = self.now;
        for client in 0..self.clients.len() {
            match &self.clients[client].state {
                State::Idle { until } if *until <= now => {
                    if self.is_central_away() {
                        self.pause(client);
                        continue;
                    }
                    self.clients[client].state = State::Selecting;
                    self.select(client, 0);
                }
                State::Going { map, life, ticket, at } if *at <= now => {
                    let (map, life, ticket) = (*map, *life, ticket.clone());
                    self.arrive(client, map, life, ticket);
                }
                State::Lost { map, resume, at } if *at <= now => {
                    let (map, resume) = (*map, resume.clone());
                    self.resume(client, map, resume);
                }
                State::Playing { .. } => self.read(client),
                _ => {}
            }
        }
    }

    /// It shows its ticket; its character is loaded then.
    fn arrive(&mut self, client: usize, map: usize, life: Incarnation, ticket: Ticket) {
        let Client { account, character, .. } = self.clients[client];
        if self.maps[map].host.is_none() || self.maps[map].own.incarnation != life {
            return self.pause(client); // Nobody is there, or its connection key is another one.
        }
        let shown = Shown { account, character, ticket };
        if self.ask_host(map, |reply| Command::TakeSeat(shown, reply)).is_err() {
            return self.pause(client);
        }
        self.clients[client].state = State::Arriving { map };
        let load = Ask::Load(LoadCharacter { character, owner: self.maps[map].own.life() });
        let caller = Caller::Admission(map, life, client);
        self.call(caller, Some(map), Party::Central, load, CALL);
    }

    /// Its character is loaded, or cannot be.
    pub(super) fn loaded(&mut self, client: usize, map: usize, answer: Answer) {
        let Client { character, session, .. } = self.clients[client];
        let entered = match answer {
            Ok(Said::Loaded(loaded)) => {
                let entry = Box::new(Entry {
                    loaded: *loaded,
                    session,
                    note: sessions::Note::default(),
                    encoding: Encoding::Json,
                });
                self.ask_host(map, |reply| Command::Enter(entry, reply))
            }
            other => Err(other.unwrap_err()),
        };
        match entered {
            Ok(admitted) => {
                self.clients[client].state = State::Playing { map, admitted, resume: None };
                self.read(client);
            }
            Err(_) => {
                self.with_host(map, |host, now| host.handle(Command::Forfeit(character), now));
                self.pause(client);
            }
        }
    }

    fn resume(&mut self, client: usize, map: usize, ticket: ResumeTicket) {
        let Client { character, account, session, .. } = self.clients[client];
        let encoding = Encoding::Json;
        let back = Box::new(Resumption {
            account,
            character,
            session,
            note: sessions::Note::default(),
            ticket,
            encoding,
        });
        match self.ask_host(map, |reply| Command::Resume(back, reply)) {
            Ok(admitted) => {
                self.clients[client].state = State::Playing { map, admitted, resume: None };
                self.read(client);
            }
            Err(_) => self.pause(client),
        }
    }

    /// It reads what it was told.
    pub(super) fn read(&mut self, client: usize) {
        let character = self.clients[client].character;
        let State::Playing { map: here, admitted, resume } = &mut self.clients[client].state else {
            return;
        };
        let here = self.maps[*here].own.life();
        let (told, is_over) =
            (admitted.messages.read(Encoding::Json), admitted.messages.is_closed());
        let mut to = None;
        for message in told {
            match message {
                PlayMessage::Entered { resume_ticket, .. } => *resume = Some(resume_ticket),
                PlayMessage::WarpTo { connection } => to = Some(connection),
                PlayMessage::Goodbye { failure: Some(failure) }
                    if failure.code == Code::Fenced && !self.is_lossy =>
                {
                    self.store.broken(format!("{character} lost its copy without need"));
                }
                _ => {}
            }
        }
        if let Some(to) = to {
            let map = self.maps.iter().position(|map| map.own.server == to.server).unwrap();
            if self.store.row(character).owner.as_ref() == Some(&here) {
                self.store.broken(format!("{character} was told to go and is not handed over"));
            }
            self.warps += 1;
            // A successor that is there by now has another connection key and refuses, so the
            // life does not matter but for that.
            self.go(client, map, to.ticket);
        } else if is_over {
            self.pause(client);
        }
    }

    pub(super) fn wish(&mut self, client: usize, wish: &Wish) {
        let action = serde_json::to_value(wish).unwrap();
        self.input(client, PlayInput::Act { action, seq: 0 });
    }

    pub(super) fn input(&mut self, client: usize, input: PlayInput) {
        if let State::Playing { map, admitted, .. } = &self.clients[client].state {
            let (map, link) = (*map, admitted.link);
            self.with_host(map, |host, now| host.hear(link, Ok(input), now));
        }
    }

    /// Its connection is lost; it tries to come back after a while, or selects again.
    pub(super) fn lose_link(&mut self, client: usize, back: Option<Duration>) {
        let State::Playing { map, admitted, resume } = &self.clients[client].state else { return };
        let (map, link, resume) = (*map, admitted.link, resume.clone());
        let ending = Ending::Lost("reset".to_owned(), None);
        self.with_host(map, |host, now| host.handle(Command::Ended(link, ending), now));
        match (resume, back) {
            (Some(resume), Some(back)) => {
                let at = self.now + back;
                self.clients[client].state = State::Lost { map, resume, at };
            }
            _ => self.pause(client),
        }
    }
}

//! The loop: inputs are read as they come, and at each tick all clients are written to.

use std::{
    io,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpListener};
use protocol::EntityId;
use serde_json::json;

use crate::{
    Cli,
    client::{Client, Welcome},
    data,
    meter::{Meter, Pass},
    tick::Tick,
};

/// For the listener; clients have their numbers.
const LISTENER: Token = Token(usize::MAX);
/// Sockets looked at between two looks at the clock.
const EVENTS: usize = 256;
/// Room for whatever a client has said between two looks.
const BUFFER: usize = 64 * 1024;
const SECOND: Duration = Duration::from_secs(1);

/// A listener and all its clients.
pub(crate) struct Server {
    poll: Poll,
    listener: TcpListener,
    /// By number; those that left leave a gap.
    clients: Vec<Option<Client>>,
    /// How many play.
    playing: usize,
    period: Duration,
    tick: Tick,
    ticks: u32,
    /// When the next tick is due.
    due: Instant,
    buffer: Vec<u8>,
    /// The running second.
    second: Meter,
    /// Since the last one came, until the first one leaves.
    all: Meter,
    /// How many there were, once somebody has left.
    most: Option<usize>,
}

impl Server {
    /// Listens, and prints where.
    pub(crate) fn open(cli: &Cli) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(cli.listen)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        data(&json!({ "listen": listener.local_addr()? }).to_string());
        let now = Instant::now();
        Ok(Self {
            poll,
            listener,
            clients: Vec::new(),
            playing: 0,
            period: SECOND / cli.hz,
            tick: Tick::new(cli.bytes as usize),
            ticks: 0,
            due: now,
            buffer: vec![0; BUFFER],
            second: Meter::new(now)?,
            all: Meter::new(now)?,
            most: None,
        })
    }

    /// Serves until the last client has left.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.most.is_none() || self.playing > 0 {
            let wait = self.due.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(number) => self.read(number, event.is_read_closed()),
                }
            }
            if Instant::now() >= self.due {
                self.pass();
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nodelay(true)?;
            let token = Token(self.clients.len());
            self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
            self.clients.push(Some(Client::new(socket)));
        }
    }

    fn read(&mut self, number: usize, ended: bool) {
        let Some(client) = self.clients.get_mut(number).and_then(Option::as_mut) else {
            return;
        };
        let welcome =
            Welcome { you: EntityId(number as u32 + 1), tick_ms: self.period.as_millis() as u32 };
        let played = client.plays();
        if client.read(&mut self.buffer, ended, &welcome).is_err() {
            self.lose(number);
        } else if client.plays() != played {
            self.playing += 1;
            self.all.restart(Instant::now());
        }
    }

    fn lose(&mut self, number: usize) {
        let gone = self.clients.get_mut(number).and_then(Option::take);
        if gone.is_none_or(|client| !client.plays()) {
            return;
        }
        if self.most.is_none() {
            let reading = self.all.read("all", self.playing, Instant::now());
            self.most = Some(self.playing);
            print(&reading);
        }
        self.playing -= 1;
    }

    fn pass(&mut self) {
        let began = Instant::now();
        let (due, length) = (self.due, self.tick.frame(0).len() as u64);
        let (mut sent, mut skipped, mut lost) = (0, 0, Vec::new());
        self.ticks = self.ticks.wrapping_add(1);
        self.tick.set_tick(self.ticks);
        for (number, client) in self.clients.iter_mut().enumerate() {
            let Some(client) = client.as_mut().filter(|client| client.plays()) else {
                continue;
            };
            match client.say(self.tick.frame(client.ack())) {
                Ok(true) => sent += 1,
                Ok(false) => skipped += 1,
                Err(_) => lost.push(number),
            }
        }
        let ended = Instant::now();
        for number in lost {
            self.lose(number);
        }
        self.next(&Pass { due, began, ended, skipped, bytes: sent * length });
    }

    /// Counts a tick and plans the next one.
    fn next(&mut self, pass: &Pass) {
        self.second.add(pass, self.period);
        self.all.add(pass, self.period);
        if self.second.lasted(pass.ended) >= SECOND {
            print(&self.second.read("second", self.playing, pass.ended));
            self.second.restart(pass.ended);
        }
        self.due += self.period;
        // Who is behind by a whole tick and more does not make up for it.
        if self.due + self.period < pass.ended {
            self.due = pass.ended;
        }
    }
}

fn print(reading: &crate::meter::Reading) {
    data(&serde_json::to_string(reading).unwrap_or_default());
}

//! The connection with a Map Server.

use std::time::Duration;

use protocol::{
    CharacterId, ConnectionInfo, MapName, ResumeTicket,
    play::{Arrival, PlayInput, PlayMessage},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::{
    ClientConfig, ClientError, Reason, Session, Surroundings,
    command::Reply,
    link::{Fault, Link, Unreached},
    pending::Pending,
    recovery::Recovery,
};

/// Pings in a row without a word from the server after which it is lost.
const QUIET_MAX: u32 = 3;
/// The nonce of pings that nobody waits for; [`Pending`] numbers start at 1.
const KEEPALIVE: u32 = 0;

/// A link that held for so long is steady: if it is lost, it is made again at once.
const STEADY: Duration = Duration::from_secs(5);

/// A stay on a map.
#[derive(Debug)]
pub(crate) struct Visit {
    link: Link<PlayMessage>,
    map: MapName,
    pass: Pass,
    since: Instant,
    /// Attempts to get back until this link stood.
    attempts: u32,
    pings: Pending<(), ()>,
    leave: Option<Reply<()>>,
    pulse: Interval,
    /// Pings since the server last said anything.
    quiet: u32,
}

/// How to get back, should the link be lost.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) character: CharacterId,
    /// The server, as it was entered.
    pub(crate) to: ConnectionInfo,
    pub(crate) resume_ticket: ResumeTicket,
    /// For how long; zero where the server does not wait.
    pub(crate) grace: Duration,
}

impl Visit {
    /// Takes the seat that is kept on a Map Server.
    pub(crate) async fn enter(
        connection: &ConnectionInfo,
        character: CharacterId,
        session: Session,
        config: &ClientConfig,
    ) -> Result<(Self, Surroundings), ClientError> {
        let late = |_| ClientError::DeadlinePassed { call: "enter", after: config.deadline };
        let arrival = Arrival::Enter {
            account: session.account,
            access_token: session.access_token,
            character,
            connection_key: connection.connection_key.clone(),
            ticket: connection.ticket.clone(),
        };
        let arriving = Self::arrive(connection, character, &arrival, config);
        Ok(timeout(config.deadline, arriving).await.map_err(late)??)
    }

    /// Takes up a stay whose link was lost, once.
    pub(crate) async fn resume(
        pass: &Pass,
        attempts: u32,
        session: Session,
        config: &ClientConfig,
    ) -> Result<(Self, Surroundings), Unreached> {
        let arrival = Arrival::Resume {
            account: session.account,
            access_token: session.access_token,
            character: pass.character,
            connection_key: pass.to.connection_key.clone(),
            resume_ticket: pass.resume_ticket.clone(),
        };
        let (visit, surroundings) =
            Self::arrive(&pass.to, pass.character, &arrival, config).await?;
        Ok((Self { attempts, ..visit }, surroundings))
    }

    async fn arrive(
        to: &ConnectionInfo,
        character: CharacterId,
        arrival: &Arrival,
        config: &ClientConfig,
    ) -> Result<(Self, Surroundings), Unreached> {
        let mut link = Link::open(&to.address, to.port, config).await?;
        link.say(arrival).await.map_err(|fault| match fault {
            Fault::Message(error) => error,
            Fault::Connection(reason) => refused(reason),
        })?;
        let first = link.hear().await.map_err(refused)?;
        let pass = pass(&first, character, to);
        let (Some(pass), Some(surroundings)) = (pass, Surroundings::entered(first)) else {
            let what = "the Map Server's first word was not `entered`".to_owned();
            return Err(ClientError::Disconnected(Reason::Lost(what)).into());
        };
        let mut pulse = interval_at(Instant::now() + config.keepalive, config.keepalive);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let visit = Self {
            link,
            map: surroundings.map.clone(),
            pass,
            since: Instant::now(),
            attempts: 0,
            pings: Pending::new(),
            leave: None,
            pulse,
            quiet: 0,
        };
        Ok((visit, surroundings))
    }

    pub(crate) fn map(&self) -> &MapName {
        &self.map
    }

    /// The next message, or why none will come. Cancel-safe but for a ping, which may repeat.
    pub(crate) async fn hear(&mut self) -> Result<PlayMessage, Reason> {
        loop {
            tokio::select! {
                heard = self.link.hear() => {
                    self.quiet = 0;
                    return heard;
                }
                _ = self.pulse.tick() => self.keep_alive().await?,
            }
        }
    }

    async fn keep_alive(&mut self) -> Result<(), Reason> {
        if self.quiet >= QUIET_MAX {
            let silence: Duration = self.pulse.period() * QUIET_MAX;
            return Err(Reason::Lost(format!("the Map Server said nothing for {silence:?}")));
        }
        self.quiet += 1;
        match self.link.say(&PlayInput::Ping { nonce: KEEPALIVE }).await {
            Err(Fault::Connection(reason)) => Err(reason),
            Ok(()) | Err(Fault::Message(_)) => Ok(()),
        }
    }

    /// Sends an input.
    ///
    /// # Errors
    /// The reason, when the connection is over.
    pub(crate) async fn play(&mut self, input: &PlayInput, reply: Reply<()>) -> Result<(), Reason> {
        let outcome = match self.link.say(input).await {
            Ok(()) => Ok(()),
            Err(Fault::Message(error)) => Err(error),
            Err(Fault::Connection(reason)) => {
                drop(reply.send(Err(ClientError::Disconnected(reason.clone()))));
                return Err(reason);
            }
        };
        drop(reply.send(outcome));
        Ok(())
    }

    /// Sends a ping, answered by [`Visit::pong`].
    ///
    /// # Errors
    /// The reason, when the connection is over.
    pub(crate) async fn ping(&mut self, reply: Reply<()>) -> Result<(), Reason> {
        let nonce = self.pings.add((), reply);
        match self.link.say(&PlayInput::Ping { nonce }).await {
            Err(Fault::Connection(reason)) => Err(reason),
            Ok(()) | Err(Fault::Message(_)) => Ok(()),
        }
    }

    pub(crate) fn pong(&mut self, nonce: u32) {
        if let Some(waiting) = self.pings.take(nonce) {
            drop(waiting.reply.send(Ok(())));
        }
    }

    /// Asks to leave, answered by [`Visit::close`] once the server has said goodbye.
    ///
    /// # Errors
    /// The reason, when the connection is over.
    pub(crate) async fn leave(&mut self, reply: Reply<()>) -> Result<(), Reason> {
        if self.leave.is_some() {
            drop(reply.send(Err(ClientError::WrongState("already leaving"))));
            return Ok(());
        }
        self.leave = Some(reply);
        match self.link.say(&PlayInput::Leave).await {
            Err(Fault::Connection(reason)) => Err(reason),
            Ok(()) | Err(Fault::Message(_)) => Ok(()),
        }
    }

    /// What the end means: a goodbye without a reason is planned only if this client asked.
    pub(crate) fn reason(&self, heard: Reason) -> Reason {
        if heard == Reason::Planned && self.leave.is_none() {
            return Reason::Lost("the Map Server ended the stay without saying why".to_owned());
        }
        heard
    }

    /// Whether the server waits for this client to come back, after an end that was heard of so.
    pub(crate) fn is_resumable(&self, heard: &Reason) -> bool {
        let is_lost = matches!(heard, Reason::Lost(_)) && !self.link.is_garbled();
        is_lost && self.leave.is_none() && !self.pass.grace.is_zero()
    }

    /// Gives the link up, which is lost; calls that still wait hear of it.
    pub(crate) fn recovery(self, reason: Reason) -> Recovery {
        self.pings.fail(&ClientError::Disconnected(reason.clone()));
        let attempts = if self.since.elapsed() < STEADY { self.attempts } else { 0 };
        Recovery::new(self.pass, attempts, reason)
    }

    /// Ends the connection; calls that still wait hear why.
    pub(crate) async fn close(self, reason: Reason) {
        if let Some(reply) = self.leave {
            let left = match &reason {
                Reason::Planned => Ok(()),
                other => Err(ClientError::Disconnected(other.clone())),
            };
            drop(reply.send(left));
        }
        self.pings.fail(&ClientError::Disconnected(reason));
        self.link.close().await;
    }

    /// Ends the connection because the character went to another map.
    pub(crate) async fn depart(self) {
        let gone = ClientError::WrongState("the character is on its way to another map; try there");
        if let Some(reply) = self.leave {
            drop(reply.send(Err(gone.clone())));
        }
        self.pings.fail(&gone);
        self.link.close().await;
    }
}

/// How to get back to where a server has let somebody in.
fn pass(entered: &PlayMessage, character: CharacterId, to: &ConnectionInfo) -> Option<Pass> {
    let PlayMessage::Entered { resume_ticket, link_grace_ms, .. } = entered else { return None };
    let grace = Duration::from_millis(*link_grace_ms);
    Some(Pass { character, to: to.clone(), resume_ticket: resume_ticket.clone(), grace })
}

/// A server that says why it does not let somebody in has answered the call.
fn refused(reason: Reason) -> ClientError {
    match reason {
        Reason::Told(failure) => ClientError::Failed(failure),
        other => ClientError::Disconnected(other),
    }
}

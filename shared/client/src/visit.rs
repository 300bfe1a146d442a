//! The connection with a Map Server.

use std::time::Duration;

use protocol::{
    CharacterId, ConnectionInfo, MapName,
    play::{Arrival, PlayInput, PlayMessage},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::{
    ClientConfig, ClientError, Reason, Session, Surroundings,
    command::Reply,
    link::{Fault, Link},
    pending::Pending,
};

/// Pings in a row without a word from the server after which it is lost.
const QUIET_MAX: u32 = 3;
/// The nonce of pings that nobody waits for; [`Pending`] numbers start at 1.
const KEEPALIVE: u32 = 0;

/// A stay on a map.
#[derive(Debug)]
pub(crate) struct Visit {
    link: Link<PlayMessage>,
    map: MapName,
    pings: Pending<(), ()>,
    leave: Option<Reply<()>>,
    pulse: Interval,
    /// Pings since the server last said anything.
    quiet: u32,
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
        let arriving = arrive(connection, character, session, config);
        let (link, surroundings) = timeout(config.deadline, arriving).await.map_err(late)??;
        let mut pulse = interval_at(Instant::now() + config.keepalive, config.keepalive);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let map = surroundings.map.clone();
        Ok((Self { link, map, pings: Pending::new(), leave: None, pulse, quiet: 0 }, surroundings))
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

async fn arrive(
    connection: &ConnectionInfo,
    character: CharacterId,
    session: Session,
    config: &ClientConfig,
) -> Result<(Link<PlayMessage>, Surroundings), ClientError> {
    let mut link = Link::open(&connection.address, connection.port, config).await?;
    let arrival = Arrival::Enter {
        account: session.account,
        access_token: session.access_token,
        character,
        connection_key: connection.connection_key.clone(),
        ticket: connection.ticket.clone(),
    };
    link.say(&arrival).await.map_err(|fault| match fault {
        Fault::Message(error) => error,
        Fault::Connection(reason) => refused(reason),
    })?;
    let first = link.hear().await.map_err(refused)?;
    match Surroundings::entered(first) {
        Some(surroundings) => Ok((link, surroundings)),
        None => {
            let what = "the Map Server's first word was not `entered`".to_owned();
            Err(ClientError::Disconnected(Reason::Lost(what)))
        }
    }
}

/// A server that says why it does not let somebody in has answered the call.
fn refused(reason: Reason) -> ClientError {
    match reason {
        Reason::Told(failure) => ClientError::Failed(failure),
        other => ClientError::Disconnected(other),
    }
}

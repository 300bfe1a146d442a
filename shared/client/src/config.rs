//! What a client is told at the start.

use std::time::Duration;

use protocol::frame::Encoding;

use crate::ClientError;

/// The settings of a [`Client`](crate::Client).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where Central listens: `HOST:PORT`.
    pub central: String,
    /// How messages are written.
    pub encoding: Encoding,
    /// Name and version of the program, for the servers' logs.
    pub program: String,
    /// How long each call may take, and each warp.
    pub deadline: Duration,
    /// How often a Map Server is pinged. One that says nothing for three times as long is lost.
    pub keepalive: Duration,
    /// Whether a lost connection with a Map Server is made again by itself, for as long as that keeps
    /// the character's place; [`ClientEvent::LinkLost`](crate::ClientEvent::LinkLost) tells.
    pub resume: bool,
}

impl ClientConfig {
    /// MessagePack, 5 seconds for each call and between pings, lost connections are made again.
    pub fn new(central: impl Into<String>) -> Self {
        Self {
            central: central.into(),
            encoding: Encoding::default(),
            program: concat!("waystone-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            deadline: Duration::from_secs(5),
            keepalive: Duration::from_secs(5),
            resume: true,
        }
    }

    /// Central's host and port.
    ///
    /// # Errors
    /// [`ClientError::Address`] when [`ClientConfig::central`] is no address.
    pub fn address(&self) -> Result<(&str, u16), ClientError> {
        let wrong = || ClientError::Address(self.central.clone());
        let (host, port) = self.central.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() { Err(wrong()) } else { Ok((host, port)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!(ClientConfig::new("localhost:7700").address(), Ok(("localhost", 7700)));
        assert_eq!(ClientConfig::new("[::1]:7700").address(), Ok(("::1", 7700)));
        for wrong in ["localhost", ":7700", "localhost:", "localhost:70000"] {
            let error = ClientError::Address(wrong.to_owned());
            assert_eq!(ClientConfig::new(wrong).address(), Err(error));
        }
    }
}

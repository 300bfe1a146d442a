//! Where clients connect: bound before anything else, so that nobody is told a port that is not
//! there.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::net::{TcpListener, TcpSocket};

use crate::settings::Ports;

/// Bytes that the system takes for a client that does not read: some ten seconds of play. Left to
/// itself it takes megabytes, and a slow client is told of what was long ago.
const SEND_BUFFER: u32 = 32 * 1024;
/// Connections that wait to be taken, at most.
const BACKLOG: u32 = 1024;

/// Why no port could be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}, ports {ports}: give other --ports or --listen-address")]
pub struct NoPort {
    address: IpAddr,
    ports: Ports,
    source: io::Error,
}

/// Binds the first port that is free, and says which one it is.
pub(crate) fn bind(address: IpAddr, ports: &Ports) -> Result<(TcpListener, u16), NoPort> {
    let mut last = io::Error::other("no port to try");
    for port in ports.iter() {
        match listen((address, port).into()).and_then(|listener| Ok((listener.local_addr()?.port(), listener))) {
            Ok((port, listener)) => return Ok((listener, port)),
            Err(error) => last = error,
        }
    }
    Err(NoPort { address, ports: ports.clone(), source: last })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A server that starts again takes its port at once.
    socket.set_reuseaddr(true)?;
    // Whoever connects inherits it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_port_is_tried_and_the_error_names_the_range() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let (_taken, port) = bind(address, &"0".parse().unwrap()).unwrap();
        let only: Ports = port.to_string().parse().unwrap();
        let error = bind(address, &only).unwrap_err().to_string();
        assert!(error.contains(&format!("ports {port}")), "{error}");

        let range: Ports = format!("{port}-{}", port.saturating_add(50)).parse().unwrap();
        let (_, next) = bind(address, &range).unwrap();
        assert!(next > port);
    }
}

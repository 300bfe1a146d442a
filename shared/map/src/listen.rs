//! Where clients connect: bound before anything else, so that nobody is told a port that is not
//! there.

use std::{io, net::IpAddr};

use tokio::net::TcpListener;

use crate::settings::Ports;

/// Why no port could be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}, ports {ports}: give other --ports or --listen-address")]
pub struct NoPort {
    address: IpAddr,
    ports: Ports,
    source: io::Error,
}

/// Binds the first port that is free, and says which one it is.
pub(crate) async fn bind(address: IpAddr, ports: &Ports) -> Result<(TcpListener, u16), NoPort> {
    let mut last = io::Error::other("no port to try");
    for port in ports.iter() {
        let bound = TcpListener::bind((address, port)).await;
        match bound.and_then(|listener| Ok((listener.local_addr()?.port(), listener))) {
            Ok((port, listener)) => return Ok((listener, port)),
            Err(error) => last = error,
        }
    }
    Err(NoPort { address, ports: ports.clone(), source: last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_port_is_tried_and_the_error_names_the_range() {
        let address = IpAddr::from([127, 0, 0, 1]);
        let (_taken, port) = bind(address, &"0".parse().unwrap()).await.unwrap();
        let only: Ports = port.to_string().parse().unwrap();
        let error = bind(address, &only).await.unwrap_err().to_string();
        assert!(error.contains(&format!("ports {port}")), "{error}");

        let range: Ports = format!("{port}-{}", port.saturating_add(50)).parse().unwrap();
        let (_, next) = bind(address, &range).await.unwrap();
        assert!(next > port);
    }
}

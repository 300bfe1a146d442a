//! A link that can be cut: a TCP port in front of a server, for one of those who talk to it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

/// How a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// Nothing passes either way, and nobody is told: what was sent comes late, once it is healed,
    /// as TCP would bring it.
    Both,
    /// What the client says does not reach the server; it still hears.
    Out,
    /// What the server says does not reach the client; it is still heard.
    In,
    /// Connections end at once, and new ones too.
    Refused,
}

/// Where a link leads.
#[derive(Debug, Clone)]
pub enum Server {
    /// `HOST:PORT`.
    Tcp(String),
    /// A socket's file.
    Unix(PathBuf),
}

/// A link. It is open at first, and ends with this.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<Option<Cut>>,
    accepting: AbortHandle,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Boxed = Box<dyn Stream>;

impl Proxy {
    /// A link to a server, on a port that the system picks.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a port");
        let (state, seen) = watch::channel(None);
        let accepting = tokio::spawn(accept(listener, Arc::new(server), seen)).abort_handle();
        Self { address, state, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts it.
    pub fn cut(&self, cut: Cut) {
        self.state.send_replace(Some(cut));
    }

    /// Lets everything pass again.
    pub fn heal(&self) {
        self.state.send_replace(None);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its connections are in a set that ends with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>, state: watch::Receiver<Option<Cut>>) {
    let mut carrying = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while carrying.try_join_next().is_some() {}
        let (server, state) = (server.clone(), state.clone());
        // A connection that breaks is as if the network had broken it: both ends see that.
        carrying.spawn(async move { drop(carry(client, &server, state).await) });
    }
}

async fn carry(
    client: TcpStream,
    server: &Server,
    mut state: watch::Receiver<Option<Cut>>,
) -> io::Result<()> {
    let refused = |state: &Option<Cut>| *state == Some(Cut::Refused);
    if refused(&state.borrow()) {
        return Ok(());
    }
    client.set_nodelay(true)?;
    let (mut opened, up, down) = (state.clone(), state.clone(), state.clone());
    let carried = async {
        // As a first packet that is lost until the link is healed.
        passes(&mut opened, Cut::Out).await;
        let server = dial(server).await?;
        let (from_client, to_client) = io::split(Box::new(client) as Boxed);
        let (from_server, to_server) = io::split(server);
        // One side's end is the end of both, after all that it had said.
        tokio::select! {
            sent = pump(from_client, to_server, up, Cut::Out) => sent,
            sent = pump(from_server, to_client, down, Cut::In) => sent,
        }
    };
    tokio::select! {
        done = carried => done,
        _ = state.wait_for(refused) => Ok(()),
    }
}

async fn dial(server: &Server) -> io::Result<Boxed> {
    Ok(match server {
        Server::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Server::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

/// Carries one way until there is nothing more to carry.
async fn pump(
    mut from: ReadHalf<Boxed>,
    mut to: WriteHalf<Boxed>,
    mut state: watch::Receiver<Option<Cut>>,
    way: Cut,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        passes(&mut state, way).await;
        let read = from.read(&mut buffer).await?;
        // It may have been cut while nothing was said.
        passes(&mut state, way).await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}

/// Waits until this way is open. The state's owner is gone only when the link is.
async fn passes(state: &mut watch::Receiver<Option<Cut>>, way: Cut) {
    let is_open = |state: &Option<Cut>| state.is_none_or(|cut| cut != Cut::Both && cut != way);
    let _ = state.wait_for(is_open).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(10);

    /// A server that says everything again, behind a link, and a client of it.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _ = io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::start(Server::Tcp(address)).await;
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, client)
    }

    async fn hears(client: &mut TcpStream, within: Duration) -> Option<u8> {
        timeout(within, client.read_u8()).await.ok().map(Result::unwrap)
    }

    #[tokio::test]
    async fn what_is_said_in_a_cut_comes_once_it_is_healed() {
        let (proxy, mut client) = echo().await;
        client.write_u8(1).await.unwrap();
        assert_eq!(hears(&mut client, LONG).await, Some(1));
        for (said, cut) in [(2, Cut::Both), (3, Cut::Out), (4, Cut::In)] {
            proxy.cut(cut);
            client.write_u8(said).await.unwrap();
            assert_eq!(hears(&mut client, SHORT).await, None, "{cut:?}");
            proxy.heal();
            assert_eq!(hears(&mut client, LONG).await, Some(said), "{cut:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_link_ends_connections() {
        let (proxy, mut client) = echo().await;
        client.write_u8(1).await.unwrap();
        assert_eq!(hears(&mut client, LONG).await, Some(1));
        proxy.cut(Cut::Refused);
        assert!(timeout(LONG, client.read_u8()).await.unwrap().is_err());
        let mut late = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(timeout(LONG, late.read_u8()).await.unwrap().is_err());
        proxy.heal();
        let mut next = TcpStream::connect(proxy.address()).await.unwrap();
        next.write_u8(2).await.unwrap();
        assert_eq!(hears(&mut next, LONG).await, Some(2));
    }
}

//! A way to a server that can be cut, or carry nothing any more.

use std::future::pending;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What becomes of the connections that there are.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Carried,
    Cut,
    Hung,
}

/// A port that leads to another one. It takes new connections whatever became of earlier ones.
pub struct Cable {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    fate: watch::Sender<Fate>,
    carrier: JoinHandle<()>,
}

impl Cable {
    /// A way to this port of 127.0.0.1.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (fate, fates) = watch::channel(Fate::Carried);
        let carrier = tokio::spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let mut fates = fates.clone();
                fates.mark_unchanged();
                carried.spawn(carry(client, port, fates));
            }
        });
        Self { port: own, fate, carrier }
    }

    /// Ends every connection, as a cable that is pulled out and in again.
    pub fn cut(&self) {
        self.fate.send_replace(Fate::Cut);
    }

    /// Leaves every connection open and carries nothing on it any more, as a network that forgot.
    pub fn hang(&self) {
        self.fate.send_replace(Fate::Hung);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

async fn carry(mut client: TcpStream, port: u16, mut fates: watch::Receiver<Fate>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = fates.changed() => {}
    }
    if matches!(*fates.borrow(), Fate::Hung) {
        pending().await
    }
}

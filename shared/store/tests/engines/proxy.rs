//! A wire to PostgreSQL that can be cut without anybody being told, as when a machine vanishes.

use std::{net::SocketAddr, str::FromStr};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

pub(crate) struct Proxy {
    /// Wires of an earlier generation carry nothing any more; each cut begins a new one.
    generation: watch::Sender<u32>,
    address: SocketAddr,
    options: PgConnectOptions,
}

impl Proxy {
    pub(crate) async fn to(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let generation = watch::Sender::new(0);
        tokio::spawn(accept(listener, options.clone(), generation.subscribe()));
        Self { generation, address, options }
    }

    /// The way to the same database through this wire.
    pub(crate) fn url(&self) -> String {
        let user = self.options.get_username();
        let database = self.options.get_database().unwrap();
        format!("postgres://{user}@{}/{database}?sslmode=disable", self.address)
    }

    /// Nothing passes on the connections there are, and none is closed; new ones work.
    pub(crate) fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

async fn accept(
    listener: TcpListener,
    options: PgConnectOptions,
    generation: watch::Receiver<u32>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (options, generation) = (options.clone(), generation.clone());
        tokio::spawn(async move {
            if let Some(folder) = options.get_socket() {
                let file = folder.join(format!(".s.PGSQL.{}", options.get_port()));
                carry(client, UnixStream::connect(file).await.unwrap(), generation).await;
            } else {
                let server = (options.get_host(), options.get_port());
                carry(client, TcpStream::connect(server).await.unwrap(), generation).await;
            }
        });
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    mut generation: watch::Receiver<u32>,
) {
    generation.mark_unchanged();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => (),
        // Both ends stay open: neither side learns of it.
        _ = generation.changed() => std::future::pending().await,
    }
}

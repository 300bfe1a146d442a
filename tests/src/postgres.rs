//! An empty database on a real PostgreSQL, behind a wire that can be cut.

use std::{net::SocketAddr, str::FromStr};

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    task::{AbortHandle, JoinSet},
};

/// A database of one story.
pub struct Postgres {
    server: PgConnectOptions,
    database: String,
    address: SocketAddr,
    wire: Option<AbortHandle>,
}

impl Postgres {
    /// Makes a database on the server that WAYSTONE_TEST_POSTGRES names, as `./check` does. `None`
    /// if it names none; that is said.
    ///
    /// # Panics
    /// When the server is not there.
    pub async fn start() -> Option<Self> {
        let Ok(url) = std::env::var("WAYSTONE_TEST_POSTGRES") else {
            eprintln!("skipped: WAYSTONE_TEST_POSTGRES is not set; ./check sets it");
            return None;
        };
        let server = PgConnectOptions::from_str(&url).expect("WAYSTONE_TEST_POSTGRES");
        let database = format!("waystone_story_{}", protocol::RequestId::new().uuid().simple());
        run(&server, format!("CREATE DATABASE {database}")).await;
        let address = "127.0.0.1:0".parse().unwrap();
        let mut postgres = Self { server, database, address, wire: None };
        postgres.mend().await;
        Some(postgres)
    }

    /// `postgres://…`, through the wire.
    pub fn url(&self) -> String {
        let user = self.server.get_username();
        format!("postgres://{user}:s3cret@{}/{}?sslmode=disable", self.address, self.database)
    }

    /// Ends all connections and takes no more, as when PostgreSQL is killed.
    pub fn cut(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.abort();
        }
    }

    /// Takes connections again, on the same port.
    ///
    /// # Panics
    /// When the port is gone.
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the wire's port");
        self.address = listener.local_addr().unwrap();
        self.wire = Some(tokio::spawn(carry_all(listener, self.server.clone())).abort_handle());
    }

    /// Removes the database.
    pub async fn end(mut self) {
        self.cut();
        run(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.database)).await;
    }
}

async fn run(server: &PgConnectOptions, sql: String) {
    let mut connection = PgConnection::connect_with(server).await.expect("PostgreSQL");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.expect("SQL");
}

/// Aborted, it drops the listener and every connection.
async fn carry_all(listener: TcpListener, server: PgConnectOptions) {
    let mut wires = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while wires.try_join_next().is_some() {}
        wires.spawn(carry(client, server.clone()));
    }
}

async fn carry(client: TcpStream, server: PgConnectOptions) {
    let port = server.get_port();
    if let Some(folder) = server.get_socket() {
        let socket = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await;
        join(client, socket.expect("PostgreSQL")).await;
    } else {
        let socket = TcpStream::connect((server.get_host(), port)).await;
        join(client, socket.expect("PostgreSQL")).await;
    }
}

async fn join(mut client: TcpStream, mut server: impl AsyncRead + AsyncWrite + Unpin) {
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

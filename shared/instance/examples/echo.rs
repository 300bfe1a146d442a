//! A whole server: it sends every client its bytes back.
//!
//! `cargo run -p waystone-instance --example echo -- --help`

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context;
use instance::{Basics, Instance, Program, Role};
use tokio::{
    io,
    net::{TcpListener, TcpStream},
};

#[derive(Debug, clap::Args)]
struct Config {
    #[command(flatten)]
    basics: Basics,

    /// Where clients connect
    #[arg(long, env = "MMO_LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

fn main() -> ExitCode {
    Program::new(Role::Map, "Echo Server", env!("CARGO_PKG_VERSION")).current_thread().run(start)
}

async fn start(config: Config, instance: Instance) -> anyhow::Result<()> {
    let clients = instance.readiness.condition("clients");
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} for clients", config.listen))?;
    println!("{}", listener.local_addr()?);
    let lifecycle = instance.lifecycle;
    lifecycle.spawn("clients", {
        let lifecycle = lifecycle.clone();
        async move {
            while let Some(client) =
                lifecycle.draining().run_until_cancelled(listener.accept()).await
            {
                let (stream, address) = client?;
                lifecycle.spawn_short(format!("client {address}"), echo(stream));
            }
            io::Result::Ok(())
        }
    });
    clients.up();
    Ok(())
}

/// Goes on while the server drains: what is in hand is finished.
async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = stream.split();
    io::copy(&mut from, &mut to).await?;
    Ok(())
}

//! The living cluster.

use std::process::ExitCode;

use protocol::backbone::maps::{ListPeers, Peers};

use crate::{data, link::Link};

#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    link: Link,
}

impl Status {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let backbone = self.link.connect().await?;
        let peers = backbone.call(&(), ListPeers {}).await?;
        if self.json {
            data(&serde_json::to_string(&peers)?);
        } else {
            tables(&peers);
        }
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

fn tables(peers: &Peers) {
    data(&format!(
        "{:<32} {:<12} {:>7} {:>11} {}",
        "map server", "map", "channel", "players", "address"
    ));
    for map in &peers.maps {
        let players = format!("{}/{}", map.population, map.capacity);
        let address = format!("{}:{}", map.address, map.port);
        let (server, name, channel) = (&map.server, &map.map, map.channel.0);
        data(&format!(
            "{:<32} {:<12} {channel:>7} {players:>11} {address}",
            server.as_str(),
            name.as_str()
        ));
    }
    data("");
    data(&format!("{:<32} {:>7} {:<16} {}", "spawner", "slots", "address", "may run"));
    for spawner in &peers.spawners {
        let slots = format!("{}/{}", spawner.used, spawner.slots);
        let maps: Vec<&str> = spawner.maps.iter().map(|map| map.as_str()).collect();
        let (id, address) = (spawner.spawner.as_str(), &spawner.address);
        data(&format!("{id:<32} {slots:>7} {address:<16} {}", maps.join(",")));
    }
}

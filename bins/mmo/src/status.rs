//! The living cluster.

use std::process::ExitCode;

use protocol::backbone::{
    maps::Peers,
    operations::{ClusterStatus, Drain, GetStatus, Target},
};
use serde::Serialize;

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
        let peers = backbone.all_peers(nats::call::DEADLINE).await?;
        let cluster = backbone.call(&(), GetStatus {}).await?;
        if self.json {
            data(&serde_json::to_string(&Shown { peers, cluster })?);
        } else {
            desired(&cluster);
            tables(&peers);
        }
        backbone.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// All that is known, for programs.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    peers: Peers,
    cluster: ClusterStatus,
}

/// How desired and living agree, and what is not as it should be.
fn desired(cluster: &ClusterStatus) {
    let settled = if cluster.settled { "" } else { ", listening to who lives" };
    data(&format!("term {}, desired revision {}{settled}", cluster.epoch, cluster.revision));
    data("");
    data(&format!("{:<12} {:>6} {:>6} {:>8} {:>7}", "map", "wanted", "ready", "players", "queued"));
    for map in &cluster.maps {
        let (name, players, queued) = (map.map.as_str(), map.players, map.queued);
        let trouble = map.trouble.as_deref().unwrap_or_default();
        let line = format!(
            "{name:<12} {:>6} {:>6} {players:>8} {queued:>7}  {trouble}",
            map.wanted, map.ready
        );
        data(line.trim_end());
    }
    for pending in &cluster.pending {
        let state = serde_json::to_value(pending.state).unwrap_or_default();
        data(&format!("{} is {}", pending.server, state.as_str().unwrap_or_default()));
    }
    for Drain { target, countdown_s, reason } in &cluster.drains {
        let what = match target {
            Target::Server(server) => server.to_string(),
            Target::Map(map) => format!("map {map}"),
            Target::Spawner(spawner) => format!("spawner {spawner}"),
            Target::All => "everything".to_owned(),
        };
        data(&format!("{what} is to be empty in {countdown_s} s: {reason}"));
    }
    for server in &cluster.draining {
        data(&format!("{server} is being emptied"));
    }
    data("");
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

//! What NATS and Central say and use.

use anyhow::Context;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Where to look.
pub(crate) struct Gauges {
    pub(crate) monitor: String,
    pub(crate) central: u32,
}

/// What was seen; sums since the start.
pub(crate) struct Reading {
    pub(crate) messages: f64,
    pub(crate) bytes: f64,
    pub(crate) cpu_s: f64,
    pub(crate) mib: f64,
}

#[derive(Deserialize)]
struct Varz {
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
}

impl Gauges {
    pub(crate) async fn read(&self) -> anyhow::Result<Reading> {
        let varz = self.varz().await?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.central))
            .context("Central's process")?;
        // After the name, which may hold spaces: utime and stime are the 12th and 13th.
        let words: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |place: usize| words.get(place).and_then(|word| word.parse::<f64>().ok());
        let cpu_s = (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.central))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = rss.and_then(|rss| rss.split_whitespace().next()?.parse::<f64>().ok());
        Ok(Reading {
            messages: (varz.in_msgs + varz.out_msgs) as f64,
            bytes: (varz.in_bytes + varz.out_bytes) as f64,
            cpu_s,
            mib: kib.unwrap_or(0.0) / 1024.0,
        })
    }

    async fn varz(&self) -> anyhow::Result<Varz> {
        let mut stream = TcpStream::connect(&self.monitor).await.context("NATS's monitoring")?;
        stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).context("NATS's numbers")
    }
}

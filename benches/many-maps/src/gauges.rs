//! What NATS and Central say and use.

use anyhow::Context;
use serde::Deserialize;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
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
        let (pid, mut system) = (Pid::from_u32(self.central), System::new());
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
        let central = system.process(pid).context("Central's process is gone")?;
        Ok(Reading {
            messages: (varz.in_msgs + varz.out_msgs) as f64,
            bytes: (varz.in_bytes + varz.out_bytes) as f64,
            cpu_s: central.accumulated_cpu_time() as f64 / 1000.0,
            mib: central.memory() as f64 / f64::from(1 << 20),
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

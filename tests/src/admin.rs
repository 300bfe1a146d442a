//! A server's admin port.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Process,
    wait::{SOON, until},
};

/// Where a server answers `/healthz`, `/readyz` and `/metrics`.
pub struct Admin {
    address: String,
}

impl Admin {
    /// The admin port that a server's log names.
    ///
    /// # Panics
    /// When it does not name one soon.
    pub async fn of(process: &Process) -> Self {
        let address = until(SOON, "the admin port's address in the log", async || {
            let log = process.log();
            let (_, rest) = log.split_once("admin port on http://")?;
            // A line that is not whole yet may lack the end of the port.
            let end = rest.find(|c: char| c != ':' && c != '.' && !c.is_ascii_digit())?;
            rest.get(..end).map(str::to_owned)
        })
        .await;
        Self { address }
    }

    /// A page's status and body.
    ///
    /// # Panics
    /// When it does not answer soon.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let asked = async {
            let mut stream = TcpStream::connect(&self.address).await.expect("the admin port");
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("the admin port");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            answer
        };
        let answer = timeout(SOON, asked).await.expect("the admin port answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// Whether the server is ready, and its conditions.
    ///
    /// # Panics
    /// When `/readyz` does not answer with JSON and a status that fits it.
    pub async fn readiness(&self) -> (bool, Value) {
        let (status, body) = self.get("/readyz").await;
        let conditions: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(conditions.get("ready"), Some(&Value::Bool(status == 200)), "{status} {body}");
        assert!(status == 200 || status == 503, "{status} {body}");
        (status == 200, conditions)
    }

    /// Waits until the server is ready.
    pub async fn is_ready(&self, limit: Duration) {
        until(limit, "being ready", async || self.readiness().await.0.then_some(())).await;
    }

    /// Waits until the server is not ready because of `condition`, and returns what it says of it.
    pub async fn names(&self, condition: &str) -> String {
        let what = format!("`{condition}: down` in /readyz");
        until(SOON, &what, async || {
            let (is_ready, conditions) = self.readiness().await;
            let why = conditions.get(condition)?.as_str()?.strip_prefix("down: ")?;
            (!is_ready).then(|| why.to_owned())
        })
        .await
    }
}

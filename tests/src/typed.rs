//! A request as somebody types it: `nats req mmo.v1.main.cluster.spawn '{"map":"town"}'`. Bytes on
//! a socket, so that nothing of our own adds a request id or a deadline.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// Asks on a subject of realm `main` and returns the answer, or the error header's text, such as
/// `map_unknown: …`.
///
/// # Panics
/// When no answer comes within `limit`.
pub(crate) async fn ask(
    address: &str,
    words: &str,
    payload: &str,
    limit: Duration,
) -> Result<Value, String> {
    // Several may ask at once, and none may hear another one's answer.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let inbox = format!("_INBOX.typed.{}", ASKED.fetch_add(1, Relaxed));
    let asked = async {
        let stream = TcpStream::connect(address).await.expect("NATS");
        let mut stream = BufReader::new(stream);
        let hello = r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#;
        let subject = format!("mmo.v1.main.{words}");
        let request = format!(
            "{hello}\r\nSUB {inbox} 1\r\nPUB {subject} {inbox} {}\r\n{payload}\r\n",
            payload.len()
        );
        stream.write_all(request.as_bytes()).await.expect("NATS");
        answer(&mut stream).await
    };
    let answered = timeout(limit, asked).await;
    answered.unwrap_or_else(|_| panic!("no answer on {words} within {limit:?}"))
}

async fn answer(stream: &mut BufReader<TcpStream>) -> Result<Value, String> {
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await.expect("NATS");
        assert!(read > 0, "NATS closed the connection");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["PING"] => stream.write_all(b"PONG\r\n").await.expect("NATS"),
            ["MSG", .., total] => return Ok(json(&body(stream, total).await)),
            ["HMSG", .., headers, total] => {
                let body = body(stream, total).await;
                let headers = headers.parse().expect("a length");
                let (headers, payload) = body.split_at_checked(headers).expect("headers");
                return match error(&String::from_utf8_lossy(headers)) {
                    Some(error) => Err(error),
                    None => Ok(json(payload)),
                };
            }
            _ => {}
        }
    }
}

pub(crate) async fn body(stream: &mut (impl AsyncRead + Unpin), length: &str) -> Vec<u8> {
    let mut body = vec![0; length.parse().expect("a length")];
    stream.read_exact(&mut body).await.expect("NATS");
    body
}

fn json(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).expect("an answer in JSON")
}

fn error(headers: &str) -> Option<String> {
    if headers.starts_with("NATS/1.0 503") {
        return Some("nobody serves this subject".to_owned());
    }
    let mut lines = headers.lines();
    lines.find_map(|line| Some(line.strip_prefix("Nats-Service-Error:")?.trim().to_owned()))
}

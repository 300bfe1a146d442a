//! What servers say of themselves over NATS, as `nats micro ls | info | stats` asks for it.

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{typed, wait::SOON};

/// Asks everybody on a subject such as `$SRV.PING` and returns the first `count` answers.
///
/// # Panics
/// When fewer come soon.
pub async fn ask_everybody(nats: &str, subject: &str, count: usize) -> Vec<Value> {
    let mut answers = Vec::new();
    let asked = async {
        let mut stream = BufReader::new(TcpStream::connect(nats).await.expect("NATS"));
        let request = format!(
            "CONNECT {{\"verbose\":false,\"headers\":true}}\r\nSUB _INBOX.micro 1\r\n\
             PUB {subject} _INBOX.micro 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("NATS");
        while answers.len() < count {
            let mut line = String::new();
            let read = stream.read_line(&mut line).await.expect("NATS");
            assert!(read > 0 && !line.starts_with("-ERR"), "NATS refuses: {line}");
            if line.starts_with("PING") {
                stream.write_all(b"PONG\r\n").await.expect("NATS");
            } else if line.starts_with("MSG ") {
                let length = line.split_whitespace().last().expect("a length");
                let body = typed::body(&mut stream, length).await;
                answers.push(serde_json::from_slice(&body).expect("an answer in JSON"));
            }
        }
    };
    let in_time = timeout(SOON, asked).await.is_ok();
    assert!(in_time, "{} of {count} answers on {subject}: {answers:#?}", answers.len());
    answers
}

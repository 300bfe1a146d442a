//! What an earlier release hears on NATS, and a way to answer: lines on a socket.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};

use serde_json::Value;

use crate::typed;

/// Messages that wait to be taken.
const QUEUE: usize = 256;

pub(super) struct Message {
    pub(super) subject: String,
    pub(super) reply: Option<String>,
    pub(super) body: Vec<u8>,
}

enum Heard {
    Ping,
    Pong,
    Message(Message),
}

pub(super) struct Wire {
    heard: mpsc::Receiver<Heard>,
    say: OwnedWriteHalf,
}

impl Wire {
    /// Connects, and hears these commands and what befalls Map Servers in realm `main`, from when
    /// this returns on.
    pub(super) async fn connect(nats: &str, commands: &str) -> Self {
        let stream = TcpStream::connect(nats).await.expect("NATS");
        let (hear, say) = stream.into_split();
        let (queue, heard) = mpsc::channel(QUEUE);
        tokio::spawn(listen(BufReader::new(hear), queue));
        let mut wire = Self { heard, say };
        let hello = r#"CONNECT {"verbose":false}"#;
        let subscribe = format!(
            "{hello}\r\nSUB mmo.v1.main.{commands} 1\r\nSUB mmo.v1.main.event.map.* 2\r\nPING\r\n"
        );
        wire.write(&subscribe).await;
        let answer = wire.heard.recv().await;
        assert!(matches!(answer, Some(Heard::Pong)), "subscribed before anything is said");
        wire
    }

    /// The next message. Cancelled and called again, it loses none.
    pub(super) async fn next(&mut self) -> Message {
        loop {
            match self.heard.recv().await.expect("NATS lives") {
                Heard::Message(message) => return message,
                Heard::Ping => self.write("PONG\r\n").await,
                Heard::Pong => {}
            }
        }
    }

    pub(super) async fn publish(&mut self, subject: &str, body: &Value) {
        let body = body.to_string();
        self.write(&format!("PUB {subject} {}\r\n{body}\r\n", body.len())).await;
    }

    async fn write(&mut self, lines: &str) {
        self.say.write_all(lines.as_bytes()).await.expect("NATS");
    }
}

/// Reads until the connection or the listener has gone.
async fn listen(mut stream: BufReader<OwnedReadHalf>, queue: mpsc::Sender<Heard>) {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (subject, reply, length) = match words.as_slice() {
            ["PING"] | ["PONG"] => {
                let heard = if line.starts_with("PING") { Heard::Ping } else { Heard::Pong };
                if queue.send(heard).await.is_err() {
                    return;
                }
                continue;
            }
            ["MSG", subject, _, length] => (*subject, None, *length),
            ["MSG", subject, _, reply, length] => (*subject, Some((*reply).to_owned()), *length),
            // Its greeting, and the end of a body's line.
            ["INFO", ..] | [] => continue,
            _ => panic!("NATS says {line}"),
        };
        let body = typed::body(&mut stream, length).await;
        let message = Message { subject: subject.to_owned(), reply, body };
        if queue.send(Heard::Message(message)).await.is_err() {
            return;
        }
    }
}

//! NATS's protocol, as far as it is needed here: a client that has thousands of subscriptions on one
//! connection, and looks into few of the messages.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::tcp::OwnedReadHalf,
};

/// A message, as it came.
#[derive(Debug)]
pub(crate) struct Message {
    /// The subject.
    pub(crate) subject: String,
    /// Which subscription.
    pub(crate) sid: u32,
    pub(crate) payload: Vec<u8>,
}

/// What came over the line.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Message),
    Ping,
    Other,
}

/// Reads one.
pub(crate) async fn read(reader: &mut BufReader<OwnedReadHalf>) -> anyhow::Result<Heard> {
    let mut line = String::new();
    if reader.read_line(&mut line).await? == 0 {
        anyhow::bail!("NATS has closed the connection");
    }
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["PING"] => Ok(Heard::Ping),
        ["-ERR", ..] => anyhow::bail!("NATS says {}", line.trim()),
        ["MSG", subject, sid, .., size] => {
            let (subject, sid) = ((*subject).to_owned(), sid.parse()?);
            let payload = body(reader, size.parse()?).await?;
            Ok(Heard::Message(Message { subject, sid, payload }))
        }
        // With headers, as errors have them.
        ["HMSG", subject, sid, .., _, size] => {
            let (subject, sid) = ((*subject).to_owned(), sid.parse()?);
            let payload = body(reader, size.parse()?).await?;
            Ok(Heard::Message(Message { subject, sid, payload }))
        }
        _ => Ok(Heard::Other),
    }
}

async fn body(reader: &mut BufReader<OwnedReadHalf>, size: usize) -> anyhow::Result<Vec<u8>> {
    let mut payload = vec![0; size + 2]; // and the line's end
    reader.read_exact(&mut payload).await?;
    payload.truncate(size);
    Ok(payload)
}

//! What a client is to be told: letters that must not be lost, and the newest snapshot.
//!
//! The host writes to the connection itself as long as that takes all at once, which costs no
//! task a turn. What it does not take waits here, for the one task of the connection: letters up
//! to a bound, beyond which the client is too slow for this map, and one snapshot, so that a slow
//! client gets fewer of them, each as new as can be.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use protocol::{
    frame::Encoding,
    play::PlayMessage,
    snapshot::{self, Snapshot},
};
use wire::{Frame, WireError, Writer};

/// Letters that wait for one client at most.
pub(crate) const LETTERS: usize = 256;

#[derive(Debug, Default)]
struct Mailbox {
    post: Mutex<Post>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct Post {
    letters: VecDeque<Bytes>,
    /// Empty when there is none.
    snapshot: Frame,
    /// The connection, while nothing waits for it.
    line: Option<Writer>,
    /// One of the two ends is gone.
    closed: bool,
}

impl Post {
    fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.snapshot.is_empty()
    }

    /// Whether a snapshot can be shown now.
    fn room(&self) -> Room {
        match (self.closed, self.snapshot.is_empty()) {
            (true, _) => Room::Closed,
            (false, true) => Room::Free,
            (false, false) => Room::Taken,
        }
    }

    /// Writes what waits. False: the connection does not take it now, and its task must.
    fn send(&mut self) -> Result<bool, WireError> {
        let Some(line) = &mut self.line else { return Ok(self.is_empty()) };
        // Looked at first and taken then: what cannot be sent is left for the task to fail with.
        while let Some(letter) = self.letters.front() {
            line.push(letter)?;
            self.letters.pop_front();
        }
        if self.snapshot.is_empty() {
            return line.try_flush();
        }
        let sent = line.try_send(&self.snapshot);
        self.snapshot.clear();
        sent
    }
}

impl Mailbox {
    fn post(&self) -> MutexGuard<'_, Post> {
        // Every change of the post is whole by itself, so what a panic left is still sound.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host's end. Dropping it ends the connection once all letters are sent.
#[derive(Debug)]
pub(crate) struct Outbox {
    encoding: Encoding,
    mailbox: Arc<Mailbox>,
}

/// The connection's end. The host notices when it is dropped.
#[derive(Debug)]
pub(crate) struct Inbox(Arc<Mailbox>);

/// What the connection's task is to write, and the connection.
#[derive(Debug)]
struct Load {
    line: Writer,
    letters: VecDeque<Bytes>,
    snapshot: Frame,
    /// The host has ended the connection, and nothing comes after this.
    is_last: bool,
}

impl Load {
    async fn send(&mut self) -> Result<(), WireError> {
        for letter in &self.letters {
            self.line.push(letter)?;
        }
        self.line.try_send(&self.snapshot)?;
        self.line.flush().await
    }
}

/// Whether a client can be shown a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Free,
    /// The last one was not taken yet.
    Taken,
    /// The connection has stopped listening.
    Closed,
}

/// Too many letters wait: the client is too slow for this map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Outbox {
    pub(crate) fn new(encoding: Encoding) -> (Self, Inbox) {
        let mailbox = Arc::new(Mailbox::default());
        (Self { encoding, mailbox: mailbox.clone() }, Inbox(mailbox))
    }

    /// Tells something that must not be lost, with the next [`Outbox::flush`] or snapshot.
    pub(crate) fn tell(&mut self, message: &mut Spread) -> Result<(), Overflow> {
        let Some(bytes) = message.encoded(self.encoding) else { return Ok(()) };
        let mut post = self.mailbox.post();
        // A closed one is a connection at its end, of which the host hears otherwise.
        if post.closed {
            return Ok(());
        }
        if post.letters.len() >= LETTERS {
            return Err(Overflow);
        }
        post.letters.push_back(bytes);
        Ok(())
    }

    /// Tells the last thing, for which there is always room, and ends the connection.
    pub(crate) fn end(self, message: &mut Spread) {
        let last = message.encoded(self.encoding);
        // Dropping this end sends what waits.
        self.mailbox.post().letters.extend(last);
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) {
        self.send(&mut self.mailbox.post());
    }

    fn send(&self, post: &mut Post) {
        if !matches!(post.send(), Ok(true)) {
            self.mailbox.reader.wake();
        }
    }

    /// Shows the snapshot that `write` adds to what it is given, as [`snapshot`] writes it, and sends
    /// what waits; unless there is no room, or `write` says that there is nothing to show. `frame` is
    /// memory to write it in.
    pub(crate) fn show(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
        frame: &mut Frame,
    ) -> Room {
        let mut post = self.mailbox.post();
        let room = post.room();
        if room != Room::Free {
            return room;
        }
        let mut is_told = false;
        let written = match self.encoding {
            Encoding::Msgpack => frame.fill(|out| {
                let begun = snapshot::begin(out);
                is_told = write(out);
                snapshot::finish(out, begun);
            }),
            Encoding::Json => frame.fill(|out| {
                let mut view = Vec::new();
                is_told = write(&mut view) && put_json(&view, out);
            }),
        };
        if let Err(error) = written {
            tracing::error!(%error, "a snapshot cannot be written");
        } else if is_told {
            std::mem::swap(&mut post.snapshot, frame);
            self.send(&mut post);
            if post.snapshot.is_empty() {
                // It was sent at once, and the memory serves the next player's.
                std::mem::swap(&mut post.snapshot, frame);
            }
        }
        room
    }
}

/// Whether it could be written.
fn put_json(view: &[u8], out: &mut Vec<u8>) -> bool {
    let message = Snapshot::decode(view).map(|view| PlayMessage::Snapshot { view });
    let Ok(Ok(json)) = message.map(|message| Encoding::Json.encode(&message)) else {
        tracing::error!("a snapshot cannot be written as JSON");
        return false;
    };
    out.extend_from_slice(&json);
    true
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.mailbox.post().closed = true;
        self.mailbox.reader.wake();
    }
}

impl Inbox {
    /// Writes what the host could not at once, until the host has ended the connection.
    ///
    /// # Errors
    /// A client that does not read, or a failed connection. The host notices by the dropped inbox.
    pub(crate) async fn deliver(self, mut line: Writer) -> Result<(), WireError> {
        loop {
            let mut load = self.wait(line).await;
            // Boxed, as what is rare: most of the time there is nothing to do here.
            Box::pin(load.send()).await?;
            line = load.line;
            if load.is_last {
                Box::pin(line.close()).await;
                return Ok(());
            }
        }
    }

    /// Leaves the connection to the host until something waits that it does not take at once, or
    /// the host has ended the connection.
    async fn wait(&self, line: Writer) -> Load {
        self.0.post().line = Some(line);
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Load> {
        // Registered first: what comes between the look and the wait is not slept through.
        self.0.reader.register(context.waker());
        let mut post = self.0.post();
        let is_idle = !post.closed && post.is_empty();
        if is_idle && post.line.as_ref().is_none_or(Writer::is_flushed) {
            return Poll::Pending;
        }
        let Some(line) = post.line.take() else { return Poll::Pending };
        Poll::Ready(Load {
            line,
            letters: std::mem::take(&mut post.letters),
            snapshot: std::mem::take(&mut post.snapshot),
            is_last: post.closed,
        })
    }

    /// Whether the host has ended the connection.
    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        self.0.post().closed
    }

    /// Takes all that waits, as messages.
    #[cfg(test)]
    pub(crate) fn read(&mut self, encoding: Encoding) -> Vec<PlayMessage> {
        let mut post = self.0.post();
        let mut read: Vec<Bytes> = post.letters.drain(..).collect();
        let snapshot = std::mem::take(&mut post.snapshot);
        read.extend(
            Some(Bytes::copy_from_slice(snapshot.payload())).filter(|bytes| !bytes.is_empty()),
        );
        read.iter().map(|bytes| encoding.decode(bytes).unwrap()).collect()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut post = self.0.post();
        post.closed = true;
        // The host may keep its end for a while; the connection ends now.
        post.line = None;
    }
}

/// A message for many, written once in each encoding that somebody reads.
#[derive(Debug)]
pub(crate) struct Spread {
    message: PlayMessage,
    msgpack: Option<Bytes>,
    json: Option<Bytes>,
}

impl Spread {
    pub(crate) fn new(message: PlayMessage) -> Self {
        Self { message, msgpack: None, json: None }
    }

    fn encoded(&mut self, encoding: Encoding) -> Option<Bytes> {
        let slot = match encoding {
            Encoding::Msgpack => &mut self.msgpack,
            Encoding::Json => &mut self.json,
        };
        if slot.is_none() {
            match encoding.encode(&self.message) {
                Ok(bytes) => *slot = Some(Bytes::from(bytes)),
                Err(error) => tracing::error!(%error, "a message cannot be written"),
            }
        }
        slot.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use protocol::{EntityId, Position, frame::Role, play::Move};
    use tokio::time::timeout;
    use wire::{Connection, Limits};

    use super::*;

    /// Longer than anything here takes, so that a test that hangs fails.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn view(tick: u32) -> Snapshot {
        let position = Position { x: 1.0, y: 2.0 };
        Snapshot { tick, ack: 1, moves: vec![Move { entity: EntityId(1), position }] }
    }

    impl Outbox {
        fn room(&self) -> Room {
            self.mailbox.post().room()
        }

        fn show_view(&mut self, view: &Snapshot) -> Room {
            let write = |out: &mut Vec<u8>| {
                out.extend(view.encode());
                true
            };
            self.show(write, &mut Frame::default())
        }
    }

    fn pong(nonce: u32) -> PlayMessage {
        PlayMessage::Pong { nonce }
    }

    #[test]
    fn letters_come_before_the_snapshot_in_both_encodings() {
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            let (mut outbox, mut inbox) = Outbox::new(encoding);
            assert_eq!(outbox.room(), Room::Free);
            outbox.show_view(&view(7));
            assert_eq!(outbox.room(), Room::Taken);
            outbox.tell(&mut Spread::new(pong(1))).unwrap();
            assert_eq!(inbox.read(encoding), [pong(1), PlayMessage::Snapshot { view: view(7) }]);
            assert_eq!(outbox.room(), Room::Free);
        }
    }

    #[test]
    fn letters_that_nobody_takes_overflow_in_the_end() {
        let (mut outbox, inbox) = Outbox::new(Encoding::Msgpack);
        for nonce in 0..LETTERS {
            outbox.tell(&mut Spread::new(pong(nonce as u32))).unwrap();
        }
        assert_eq!(outbox.tell(&mut Spread::new(pong(0))), Err(Overflow));
        drop(inbox);
        assert_eq!(outbox.room(), Room::Closed);
        assert_eq!(outbox.tell(&mut Spread::new(pong(0))), Ok(()), "at its end is not slow");
    }

    /// The server's and the client's end of a connection.
    async fn ends(encoding: Encoding) -> (Connection, Connection) {
        let local = IpAddr::from([127, 0, 0, 1]);
        let (listener, port) = crate::listen::bind(local, &"0".parse().unwrap()).unwrap();
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            wire::accept(stream, Role::Map, Limits::default()).await.unwrap()
        };
        let client = wire::connect("127.0.0.1", port, encoding, "test", PATIENCE);
        let (server, client) = tokio::join!(server, client);
        (server, client.unwrap().0)
    }

    async fn next(client: &mut Connection) -> PlayMessage {
        let frame = timeout(PATIENCE, client.receive()).await.expect("nothing came").unwrap();
        client.encoding().decode(&frame).unwrap()
    }

    #[tokio::test]
    async fn the_host_writes_at_once_what_the_connection_takes() {
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            let (server, mut client) = ends(encoding).await;
            let (mut outbox, inbox) = Outbox::new(encoding);
            let (_reader, line) = server.split();
            // Polled once, it has left the connection to the host, and is never polled again.
            let mut delivery = Box::pin(inbox.deliver(line));
            assert!(futures_util::poll!(&mut delivery).is_pending());
            for tick in 1..4 {
                outbox.tell(&mut Spread::new(pong(tick))).unwrap();
                outbox.show_view(&view(tick));
                assert_eq!(outbox.room(), Room::Free);
                assert_eq!(next(&mut client).await, pong(tick));
                assert_eq!(next(&mut client).await, PlayMessage::Snapshot { view: view(tick) });
            }
            outbox.tell(&mut Spread::new(pong(9))).unwrap();
            outbox.flush();
            assert_eq!(next(&mut client).await, pong(9));
        }
    }

    #[tokio::test]
    async fn a_client_that_reads_late_reads_all_letters_and_the_newest_snapshot() {
        let encoding = Encoding::Msgpack;
        let (server, mut client) = ends(encoding).await;
        let (mut outbox, inbox) = Outbox::new(encoding);
        let (_reader, line) = server.split();
        let delivery = tokio::spawn(inbox.deliver(line));
        let long = "x".repeat(16 * 1024);
        let said = |number: u32| PlayMessage::Said {
            entity: EntityId(number),
            name: String::new(),
            text: long.clone(),
        };
        // More than the operating system takes for a client that does not read.
        let (mut told, mut newest) = (0, 0);
        while outbox.room() == Room::Free || told < 100 {
            outbox.tell(&mut Spread::new(said(told))).unwrap();
            told += 1;
            if outbox.room() == Room::Free {
                newest = told;
                outbox.show_view(&view(told));
            } else {
                outbox.flush();
            }
            tokio::task::yield_now().await;
        }
        drop(outbox);
        let (mut heard, mut seen) = (0, 0);
        while heard < told || seen < newest {
            match next(&mut client).await {
                PlayMessage::Said { entity, .. } => {
                    assert_eq!(entity, EntityId(heard));
                    heard += 1;
                }
                PlayMessage::Snapshot { view } => {
                    assert!(view.tick > seen);
                    seen = view.tick;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(seen < told, "some snapshots were passed over");
        assert!(matches!(client.receive().await, Err(WireError::Closed)));
        delivery.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_its_task_has_left_is_over_although_the_host_is_not() {
        let (server, mut client) = ends(Encoding::Json).await;
        let (outbox, inbox) = Outbox::new(Encoding::Json);
        let (reader, line) = server.split();
        let mut delivery = Box::pin(inbox.deliver(line));
        assert!(futures_util::poll!(&mut delivery).is_pending());
        drop((delivery, reader));
        assert!(matches!(client.receive().await, Err(WireError::Closed)));
        assert_eq!(outbox.room(), Room::Closed);
    }
}

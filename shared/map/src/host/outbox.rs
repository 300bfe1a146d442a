//! What a client is to be told: letters that must not be lost, and the newest snapshot.
//!
//! The host writes, one connection reads. Neither waits for the other: the letters are bounded,
//! and beyond that the client is too slow for this map; a snapshot is written only once the one
//! before it was taken, so a slow client gets fewer of them, each as new as can be.

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
    /// A whole message; empty when there is none.
    snapshot: Vec<u8>,
    /// One of the two ends is gone.
    closed: bool,
}

impl Mailbox {
    fn post(&self) -> MutexGuard<'_, Post> {
        // Every change of the post is whole by itself, so what a panic left is still sound.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.post().closed = true;
        self.reader.wake();
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

    /// Tells something that must not be lost.
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
        drop(post);
        self.mailbox.reader.wake();
        Ok(())
    }

    /// Whether a snapshot can be shown now.
    pub(crate) fn room(&self) -> Room {
        let post = self.mailbox.post();
        match (post.closed, post.snapshot.is_empty()) {
            (true, _) => Room::Closed,
            (false, true) => Room::Free,
            (false, false) => Room::Taken,
        }
    }

    /// Shows a snapshot, as [`snapshot`] writes it.
    pub(crate) fn show(&mut self, view: &[u8]) {
        let mut post = self.mailbox.post();
        post.snapshot.clear();
        match self.encoding {
            Encoding::Msgpack => {
                let begun = snapshot::begin(&mut post.snapshot);
                post.snapshot.extend_from_slice(view);
                snapshot::finish(&mut post.snapshot, begun);
            }
            Encoding::Json => {
                let message = Snapshot::decode(view).map(|view| PlayMessage::Snapshot { view });
                let json = message.map(|message| self.encoding.encode(&message));
                match json {
                    Ok(Ok(json)) => post.snapshot = json,
                    _ => tracing::error!("a snapshot cannot be written"),
                }
            }
        }
        drop(post);
        self.mailbox.reader.wake();
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl Inbox {
    /// Takes all that waits, letters before the snapshot, into memory that is empty. False: the
    /// host has ended the connection and nothing waits any more. Cancel-safe.
    pub(crate) async fn take(&self, letters: &mut VecDeque<Bytes>, snapshot: &mut Vec<u8>) -> bool {
        poll_fn(|context| self.poll_take(context, letters, snapshot)).await
    }

    fn poll_take(
        &self,
        context: &mut Context<'_>,
        letters: &mut VecDeque<Bytes>,
        snapshot: &mut Vec<u8>,
    ) -> Poll<bool> {
        // Registered first: what comes between the look and the wait is not slept through.
        self.0.reader.register(context.waker());
        let mut post = self.0.post();
        if post.letters.is_empty() && post.snapshot.is_empty() {
            return if post.closed { Poll::Ready(false) } else { Poll::Pending };
        }
        letters.append(&mut post.letters);
        std::mem::swap(snapshot, &mut post.snapshot);
        Poll::Ready(true)
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
        read.extend(
            Some(std::mem::take(&mut post.snapshot).into())
                .filter(|bytes: &Bytes| !bytes.is_empty()),
        );
        read.iter().map(|bytes| encoding.decode(bytes).unwrap()).collect()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.close();
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
    use protocol::{EntityId, Position, play::Move};

    use super::*;

    fn view(tick: u32) -> Snapshot {
        let position = Position { x: 1.0, y: 2.0 };
        Snapshot { tick, ack: 1, moves: vec![Move { entity: EntityId(1), position }] }
    }

    fn pong(nonce: u32) -> PlayMessage {
        PlayMessage::Pong { nonce }
    }

    #[test]
    fn letters_come_before_the_snapshot_in_both_encodings() {
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            let (mut outbox, mut inbox) = Outbox::new(encoding);
            assert_eq!(outbox.room(), Room::Free);
            outbox.show(&view(7).encode());
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

    #[tokio::test]
    async fn a_reader_is_woken_and_reads_all_before_the_end() {
        let (mut outbox, inbox) = Outbox::new(Encoding::Json);
        let reading = tokio::spawn(async move {
            let (mut letters, mut snapshot) = (VecDeque::new(), Vec::new());
            let mut read = 0;
            while inbox.take(&mut letters, &mut snapshot).await {
                read += letters.drain(..).count() + usize::from(!snapshot.is_empty());
                snapshot.clear();
            }
            read
        });
        for nonce in 0..3 {
            tokio::task::yield_now().await;
            outbox.tell(&mut Spread::new(pong(nonce))).unwrap();
        }
        outbox.show(&view(1).encode());
        drop(outbox);
        assert_eq!(reading.await.unwrap(), 4);
    }
}

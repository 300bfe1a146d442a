//! Frames over TCP: the handshake and its limits, for clients and servers alike.
//!
//! A server calls [`accept`], a client [`connect`]; both get a [`Connection`] that carries whole
//! messages. Nothing a stranger sends is held beyond the frame limit, and nothing waits for ever:
//! the handshake and each write have a deadline. How long to wait for a message is the caller's
//! to say, so wrap [`Connection::receive`] in a time-out.
//!
//! # Layout
//! - [`handshake`](accept): the first frame each way, and what a bad one is answered with.
//! - [`connection`](Connection): both directions in one value, and closing so that the last
//!   words arrive.
//! - [`reader`](Reader), [`writer`](Writer): one direction each, for two tasks.
//! - `codec`: where a frame ends.
//! - [`error`](WireError): what can go wrong, and what to tell the peer about it.

mod codec;
mod connection;
mod error;
mod handshake;
#[cfg(test)]
mod loopback;
mod reader;
mod writer;

pub use connection::Connection;
pub use error::WireError;
pub use handshake::{Limits, accept, connect};
pub use reader::Reader;
pub use writer::{Frame, Writer};

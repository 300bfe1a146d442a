//! The client instance: holds a player's connection, account id and access token, offers every
//! client call, and reports events for a user interface to hang on.
//!
//! ```no_run
//! # async fn play() -> Result<(), client::ClientError> {
//! use client::{Client, ClientConfig};
//!
//! let (client, mut events) = Client::new(ClientConfig::new("127.0.0.1:7700"));
//! client.connect().await?;
//! client.login("ada", "correct horse").await?;
//! if let Some(character) = client.list_characters().await?.first() {
//!     client.play(character.character, None).await?;
//!     client.say("hello").await?;
//! }
//! while let Some(event) = events.next().await {
//!     println!("{event:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! A warp needs no call: on the server's word the client leaves, enters the other Map Server and
//! reports [`ClientEvent::Warping`], then [`ClientEvent::EnteredMap`] or
//! [`ClientEvent::Disconnected`].
//!
//! Nor does a lost connection with a Map Server: for as long as that keeps the character's place, the
//! client tries to get back to it, and reports [`ClientEvent::LinkLost`], then
//! [`ClientEvent::Resumed`] or [`ClientEvent::Disconnected`].
//!
//! # Layout
//! - [`client`](Client): every call. [`config`](ClientConfig): what it is told at the start.
//! - [`event`](ClientEvent): what happens. [`backlog`](Events): events waiting to be read.
//! - [`error`](ClientError): why a call failed, why a connection ended.
//! - [`wish`](Wish): where a player would like to be.
//! - [`surroundings`](Surroundings): what the player sees, kept up to date from the messages.
//! - `driver`: the one background task; it owns the connection. `lobby` and `visit` are its two
//!   kinds of connection and `link` what they share; `command` is what the calls ask of it,
//!   `calls` which of them Central may be asked now, `pending` those that wait for an answer;
//!   `recovery` is a visit whose connection was lost.

mod backlog;
mod calls;
mod client;
mod command;
mod config;
mod driver;
mod error;
mod event;
mod link;
mod lobby;
mod pending;
mod recovery;
mod surroundings;
mod visit;
mod wish;

pub use backlog::Events;
pub use client::{Client, Session};
pub use config::ClientConfig;
pub use error::{ClientError, Reason};
pub use event::{ClientEvent, Server};
pub use surroundings::Surroundings;
pub use wish::Wish;

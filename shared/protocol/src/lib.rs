//! What is said in a Waystone cluster: serde types only, no I/O.
//!
//! # Layout
//! - [`ids`]: a type per identity; nothing is a bare string or number.
//! - [`secret`]: 256-bit values that prove something; they never show in logs.
//! - [`names`]: the rules for what players type: account and character names, passwords, chat.
//! - [`failure`]: the one error shape, with a code that a caller can act on.
//! - [`frame`]: the first words on a client's connection, encodings and limits.
//! - [`lobby`]: client and Central. [`play`]: client and Map Server; [`snapshot`]: where everything
//!   in sight stands, in few bytes.
//! - [`backbone`]: servers among themselves, over NATS.
//! - [`world`]: places and characters, shared by all of them. `text`: reading what is text.

pub mod backbone;
pub mod failure;
pub mod frame;
pub mod ids;
pub mod lobby;
pub mod names;
pub mod play;
pub mod secret;
pub mod snapshot;
pub mod world;

mod text;

pub use failure::{Code, Failure};
pub use ids::{
    AccountId, Channel, CharacterId, EntityId, Incarnation, Label, MapName, Realm, RequestId,
    ServerId, SessionId, SpawnerId,
};
pub use secret::{AccessToken, ConnectionKey, ResumeTicket, Ticket};
pub use world::{CharacterState, ConnectionInfo, LedgerEntry, Position};

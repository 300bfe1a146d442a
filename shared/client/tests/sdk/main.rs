//! The client instance against servers that do what a test says.

mod lobby;
mod play;
mod recovery;
// Clippy lets helpers unwrap only where it can see that they are a test's.
#[cfg(test)]
mod server;

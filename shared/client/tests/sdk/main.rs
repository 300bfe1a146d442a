//! The client instance against servers that do what a test says.

mod lobby;
mod play;
// Clippy lets helpers unwrap only where it can see that they are a test's.
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod server;

//! Where NATS is and as whom: what `NATS_URL` says.

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::BackboneError;

/// `nats://[user:password@]host:port`, several separated by commas. async-nats takes no user from
/// an address, so it is taken here and given to it by itself.
pub(crate) struct Addresses {
    pub(crate) servers: Vec<ServerAddr>,
    user: Option<User>,
}

enum User {
    Named { name: String, password: String },
    Token(String),
}

impl Addresses {
    /// Reads the whole list; the first address that names a user names it for all.
    pub(crate) fn parse(text: &str) -> Result<Self, BackboneError> {
        let servers: Vec<ServerAddr> =
            text.split(',').map(|one| address(one.trim())).collect::<Result<_, _>>()?;
        let user = match servers.iter().find(|server| server.has_user_pass()) {
            Some(server) => user(server)?,
            None => None,
        };
        Ok(Self { servers, user })
    }

    /// The addresses without user and password, for logs and errors.
    pub(crate) fn masked(&self) -> String {
        let shown = |server: &ServerAddr| {
            let url = server.clone().into_inner();
            let host = url.host_str().unwrap_or_default();
            format!("{}://{host}:{}", server.scheme(), server.port())
        };
        self.servers.iter().map(shown).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn authenticate(&self, options: ConnectOptions) -> ConnectOptions {
        match &self.user {
            Some(User::Named { name, password }) => {
                options.user_and_password(name.clone(), password.clone())
            }
            Some(User::Token(token)) => options.token(token.clone()),
            None => options,
        }
    }
}

fn address(text: &str) -> Result<ServerAddr, BackboneError> {
    let server: ServerAddr = text.parse().map_err(|error| unusable(&error))?;
    if server.host().is_empty() { Err(unusable(&"it names no host")) } else { Ok(server) }
}

/// NATS's custom: a user without a password is a token.
fn user(server: &ServerAddr) -> Result<Option<User>, BackboneError> {
    let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(unusable(&"its user or password is not UTF-8 once decoded")),
    };
    Ok(match (server.username(), server.password()) {
        (Some(name), Some(password)) => {
            Some(User::Named { name: decode(name)?, password: decode(password)? })
        }
        (Some(token), None) => Some(User::Token(decode(token)?)),
        (None, _) => None,
    })
}

/// Shows nothing of the text: a password may stand anywhere in an address that cannot be read.
fn unusable(why: &dyn std::fmt::Display) -> BackboneError {
    BackboneError::BadOptions(format!(
        "NATS_URL has an address that cannot be read ({why}); write nats://user:password@host:port \
         and percent-encode what is special in a password, such as %40 for @"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<(String, String)> {
        match Addresses::parse(text).unwrap().user? {
            User::Named { name, password } => Some((name, password)),
            User::Token(token) => Some((token, "(token)".to_owned())),
        }
    }

    #[test]
    fn user_and_password_come_from_the_address_decoded() {
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(named("nats://map:pw@a:4222, b:4222"), pair("map", "pw"));
        assert_eq!(named("b,map:p%40w%2F%2C@a"), pair("map", "p@w/,"));
        assert_eq!(named("map:p@w@a:4222"), pair("map", "p@w"));
        assert_eq!(named("nats://s3cret@a"), pair("s3cret", "(token)"));
        assert_eq!(named("nats://a:4222"), None);
    }

    #[test]
    fn a_password_is_never_shown() {
        let masked = |text: &str| Addresses::parse(text).unwrap().masked();
        assert_eq!(masked("nats://map:pw@a:4222, b"), "nats://a:4222,nats://b:4222");
        assert_eq!(masked("map:p@w@[::1]:4223"), "nats://[::1]:4223");
        for bad in ["", "nats://", "nats://map:pass,word@a:4222", "http://map:password@a:4222"] {
            let error = Addresses::parse(bad).err().expect(bad).to_string();
            assert!(error.contains("percent-encode") && !error.contains("pass,"), "{error}");
            assert!(!error.contains("map:"), "{error}");
        }
    }
}

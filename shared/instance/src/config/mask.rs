//! Passwords in addresses.

use super::key::MASK;

/// Schemes whose user part without a colon is a token, not a name.
const TOKEN_SCHEMES: [&str; 4] = ["nats", "tls", "ws", "wss"];

/// The text with the password of every URL in it replaced by `***`: in `user:password@`, in the
/// token of `nats://token@`, and in a parameter named `…password`. URLs may stand in a list with
/// commas between them.
///
/// Where a URL is not well-formed it rather hides too much.
pub fn mask_passwords(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        // The next URL of a list begins after the last comma before its scheme; any comma before
        // that may be part of a password.
        let next = after.find("://").and_then(|next| after.get(..next)?.rfind(','));
        let (url, tail) = after.split_at(next.unwrap_or(after.len()));
        let scheme = before.rsplit(',').next().unwrap_or(before).trim();
        masked.push_str(before);
        masked.push_str("://");
        masked.push_str(&mask_parameters(&mask_user(scheme, url)));
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

/// The last `@` ends the user part: a password with an unescaped `/` or `@` must not get through.
fn mask_user(scheme: &str, url: &str) -> String {
    match url.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASK}@{host}"),
            None if TOKEN_SCHEMES.contains(&scheme) => format!("{MASK}@{host}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}

fn mask_parameters(url: &str) -> String {
    let Some((address, parameters)) = url.split_once('?') else { return url.to_owned() };
    let masked = parameters.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().ends_with("password") => {
            format!("{name}={MASK}")
        }
        _ => parameter.to_owned(),
    });
    format!("{address}?{}", masked.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_gets_through() {
        for (text, masked) in [
            ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
            (
                "postgres://me:s3cret@host/db?sslmode=require",
                "postgres://me:***@host/db?sslmode=require",
            ),
            (
                "postgres://host/db?user=me&password=s3cret",
                "postgres://host/db?user=me&password=***",
            ),
            ("nats://s3cret@host", "nats://***@host"),
            ("nats://a:s3cret@h1:4222,nats://b:s3cret@h2", "nats://a:***@h1:4222,nats://b:***@h2"),
            ("postgres://me:s3/c,r@et@host/db", "postgres://me:***@host/db"),
            ("nats://a:s3,cret@h1,nats://b:s3cret@h2", "nats://a:***@h1,nats://b:***@h2"),
        ] {
            assert_eq!(mask_passwords(text), masked);
        }
    }

    #[test]
    fn the_rest_stays() {
        for text in [
            "",
            "town",
            "nats://127.0.0.1:4222",
            "postgres://me@host/db",
            "a@b",
            "sqlite://x.db?mode=rwc",
        ] {
            assert_eq!(mask_passwords(text), text);
        }
    }
}

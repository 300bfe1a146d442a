//! The rules for what players type. Central and Map Servers hold them; clients may check first.

use crate::{Code, Failure};

/// Account names: 3 to 32 of `a-z`, `0-9`, `.`, `_`, `-`; upper case is folded.
pub const ACCOUNT_RULE: &str = "3 to 32 of a-z, 0-9, `.`, `_` and `-`";
/// Character names.
pub const CHARACTER_RULE: &str =
    "3 to 20 ASCII letters and digits, starting with a letter; single `-`, `'` or space inside";
/// Passwords. The upper bound keeps hashing cheap to bound, the lower one is OWASP's.
pub const PASSWORD_RULE: &str = "8 to 128 characters";
/// Chat lines.
pub const TEXT_RULE: &str = "1 to 255 characters, none of them control characters";

/// The account name as it is stored, folded to lower case.
///
/// # Errors
/// [`Code::NameInvalid`] with the rule.
pub fn account(name: &str) -> Result<String, Failure> {
    let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let folded = name.to_ascii_lowercase();
    if (3..=32).contains(&folded.len()) && folded.bytes().all(fits) {
        Ok(folded)
    } else {
        Err(invalid(Code::NameInvalid, "account name", ACCOUNT_RULE))
    }
}

/// The key under which a character's name is unique: two names that differ only in case are one.
///
/// # Errors
/// [`Code::NameInvalid`] with the rule.
pub fn character_key(name: &str) -> Result<String, Failure> {
    let inner = |c: char| matches!(c, '-' | '\'' | ' ');
    let mut last_was_inner = true; // no mark may lead
    let mut fits =
        (3..=20).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_alphabetic());
    for c in name.chars() {
        fits &= c.is_ascii_alphanumeric() || (inner(c) && !last_was_inner);
        last_was_inner = inner(c);
    }
    if fits && !last_was_inner {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(invalid(Code::NameInvalid, "character name", CHARACTER_RULE))
    }
}

/// Checks a new password.
///
/// # Errors
/// [`Code::PasswordInvalid`] with the rule.
pub fn password(password: &str) -> Result<(), Failure> {
    if (8..=128).contains(&password.chars().count()) {
        Ok(())
    } else {
        Err(invalid(Code::PasswordInvalid, "password", PASSWORD_RULE))
    }
}

/// Checks a line of chat.
///
/// # Errors
/// [`Code::TextInvalid`] with the rule.
pub fn text(text: &str) -> Result<(), Failure> {
    if (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(invalid(Code::TextInvalid, "text", TEXT_RULE))
    }
}

fn invalid(code: Code, what: &str, rule: &str) -> Failure {
    Failure::new(code, format!("that {what} cannot be used; it takes {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_names_keep_the_rule() {
        for good in ["Ada", "Mary Ann", "O'Neil", "Jean-Luc 2"] {
            assert!(character_key(good).is_ok(), "{good:?} was refused");
        }
        let long = "a".repeat(21);
        for bad in
            ["", "Al", " Ada", "Ada ", "A--b", "A - b", "9lives", "Ada\n", "Ad\u{0}a", "Ädä", &long]
        {
            assert_eq!(character_key(bad).unwrap_err().code, Code::NameInvalid, "{bad:?}");
        }
    }

    #[test]
    fn names_that_differ_only_in_case_are_one() {
        assert_eq!(character_key("Ada"), character_key("aDA"));
        assert_eq!(account("Ada.L"), account("ada.l"));
    }

    #[test]
    fn account_names_passwords_and_chat_keep_their_rules() {
        assert!(
            account("ab").is_err() && account("a b c").is_err() && account("ada\u{7}").is_err()
        );
        assert!(password("1234567").is_err() && password(&"x".repeat(129)).is_err());
        assert!(password("correct horse").is_ok());
        assert!(
            text("").is_err() && text("a\u{1b}[2J").is_err() && text(&"x".repeat(256)).is_err()
        );
        assert!(text("héllo, wörld").is_ok());
    }
}

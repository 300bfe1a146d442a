//! What can be typed.

use std::{str::FromStr, time::Duration};

use protocol::{MapName, Position};

/// All orders, for people.
pub(crate) const HELP: &str = "\
register NAME PASSWORD   make an account and log in
login NAME PASSWORD      log in; an older session of the account ends
characters               list the account's characters
create NAME              make a character
delete NAME              delete a character
maps                     list the maps that are up
select NAME [CHANNEL] [with FRIEND]
                         enter the map the character is on
walk X Y                 walk to a point, in tiles from the top left corner
say TEXT                 speak to everybody near
act JSON                 do something that the game knows
who                      where you are, who is in sight, where portals lead
portal [MAP]             walk to the nearest portal, or the nearest one to MAP
ping                     how long a word to the Map Server and back takes
wait SECONDS             only watch, for scripts
leave                    save and leave the map, or leave Central
logout                   end the session
quit                     leave and end; so does the end of the input";

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    Nothing,
    Help,
    Register {
        account: String,
        password: String,
    },
    Login {
        account: String,
        password: String,
    },
    Characters,
    Create {
        name: String,
    },
    Delete {
        name: String,
    },
    Maps,
    /// A name, perhaps a channel and a friend: names may end in a number, so only the list can tell.
    Select {
        text: String,
    },
    Walk {
        to: Position,
    },
    Say {
        text: String,
    },
    /// What the game knows, as JSON.
    Act {
        action: serde_json::Value,
    },
    Who,
    Portal {
        to: Option<MapName>,
    },
    Ping,
    Wait {
        time: Duration,
    },
    Leave,
    Logout,
    Quit,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (word, rest) = split(line);
        let some = |what: &str| match rest {
            "" => Err(format!("`{word}` needs {what}; type `help`")),
            rest => Ok(rest.to_owned()),
        };
        Ok(match word {
            "" => Self::Nothing,
            "help" | "?" => Self::Help,
            "register" => {
                let (account, password) = credentials(word, rest)?;
                Self::Register { account, password }
            }
            "login" => {
                let (account, password) = credentials(word, rest)?;
                Self::Login { account, password }
            }
            "characters" => Self::Characters,
            "create" => Self::Create { name: some("a name")? },
            "delete" => Self::Delete { name: some("a name")? },
            "maps" => Self::Maps,
            "select" => Self::Select { text: some("a character's name")? },
            "walk" => Self::Walk { to: position(rest)? },
            "say" => Self::Say { text: some("a text")? },
            "act" => Self::Act { action: action(&some("a JSON value")?)? },
            "who" => Self::Who,
            "portal" if rest.is_empty() => Self::Portal { to: None },
            "portal" => {
                let to = rest.parse().map_err(|error| format!("{error}"))?;
                Self::Portal { to: Some(to) }
            }
            "ping" => Self::Ping,
            "wait" => Self::Wait { time: time(rest)? },
            "leave" => Self::Leave,
            "logout" => Self::Logout,
            "quit" | "exit" => Self::Quit,
            _ => return Err(format!("no order is called `{word}`; type `help`")),
        })
    }
}

/// A word, and what follows it.
fn action(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("`{text}` is no JSON: {error}"))
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn credentials(word: &str, rest: &str) -> Result<(String, String), String> {
    match split(rest) {
        (_, "") => Err(format!("`{word}` needs a name and a password")),
        (account, password) => Ok((account.to_owned(), password.to_owned())),
    }
}

fn position(text: &str) -> Result<Position, String> {
    let (x, y) = split(text);
    match (x.parse::<f32>(), y.parse::<f32>()) {
        (Ok(x), Ok(y)) if x.is_finite() && y.is_finite() => Ok(Position { x, y }),
        _ => Err("`walk` needs two numbers, such as `walk 12 7.5`".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "`wait` needs seconds, 0 to 3600, such as `wait 2.5`".to_owned();
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_with_what_they_need() {
        let texts = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let (account, password) = texts("ada", "correct horse");
        for (line, order) in [
            ("  ", Order::Nothing),
            (" login  ada  correct horse ", Order::Login { account, password }),
            ("walk 1 -2.5", Order::Walk { to: Position { x: 1.0, y: -2.5 } }),
            ("act \"pick_up\"", Order::Act { action: "pick_up".into() }),
            ("say  hello, all", Order::Say { text: "hello, all".to_owned() }),
            ("select Mary Ann 2", Order::Select { text: "Mary Ann 2".to_owned() }),
            ("portal field", Order::Portal { to: Some("field".parse().unwrap()) }),
            ("portal", Order::Portal { to: None }),
            ("wait 0.5", Order::Wait { time: Duration::from_millis(500) }),
        ] {
            assert_eq!(line.parse(), Ok(order), "{line:?}");
        }
    }

    #[test]
    fn a_wrong_line_says_what_it_needs() {
        for (line, hint) in [
            ("dance", "help"),
            ("login ada", "password"),
            ("walk 1", "two numbers"),
            ("walk NaN 1", "two numbers"),
            ("say", "a text"),
            ("act pick up", "no JSON"),
            ("portal The Moon", "a-z"),
            ("wait -1", "seconds"),
        ] {
            let wrong = line.parse::<Order>().unwrap_err();
            assert!(wrong.contains(hint), "{line:?}: {wrong}");
        }
    }

    #[test]
    fn help_names_every_order() {
        for line in HELP.lines() {
            let word = line.split(' ').next().unwrap();
            let known = word.parse::<Order>();
            assert!(!matches!(&known, Err(wrong) if wrong.contains("no order")), "{word}");
        }
    }
}

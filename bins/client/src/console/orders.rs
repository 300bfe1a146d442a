//! How each order is obeyed.

use client::{Client, ClientError, Server, Surroundings, Wish};
use protocol::{Channel, MapName, lobby::MapSummary, world::CharacterSummary};
use tokio::time::sleep;

use super::{
    order::{HELP, Order},
    printer::describe,
};

/// Does what was typed. Gives what to print, or what is wrong and what to do.
pub(crate) async fn obey(client: &Client, order: Order) -> Result<String, String> {
    let done = |()| String::new();
    match order {
        Order::Nothing | Order::Quit => Ok(String::new()),
        Order::Help => Ok(HELP.to_owned()),
        Order::Register { account, password } => {
            connected(client).await?;
            told(client.register(&account, &password).await.map(drop)).map(done)
        }
        Order::Login { account, password } => {
            connected(client).await?;
            told(client.login(&account, &password).await.map(drop)).map(done)
        }
        Order::Characters => characters(client).await,
        Order::Create { name } => {
            at_central(client).await?;
            let created = told(client.create_character(&name).await)?;
            Ok(format!("{} is on {}", created.name, created.map))
        }
        Order::Delete { name } => delete(client, &name).await,
        Order::Maps => maps(client).await,
        Order::Select { text } => select(client, &text).await,
        Order::Walk { to } => told(client.walk(to).await).map(done),
        Order::Say { text } => told(client.say(&text).await).map(done),
        Order::Act { action } => told(client.act(action).await).map(done),
        Order::Who => surroundings(client).map(|around| describe(&around).join("\n")),
        Order::Portal { to } => portal(client, to.as_ref()).await,
        Order::Ping => told(client.ping().await).map(|time| format!("{time:.1?}")),
        Order::Wait { time } => {
            sleep(time).await;
            Ok(String::new())
        }
        Order::Leave => told(client.leave().await).map(done),
        Order::Logout => {
            at_central(client).await?;
            told(client.logout().await).map(done)
        }
    }
}

/// Connects to Central if to nothing.
async fn connected(client: &Client) -> Result<(), String> {
    match client.server() {
        None => told(client.connect().await),
        Some(Server::Central) => Ok(()),
        Some(Server::Map(map)) => Err(format!("you are on {map}; type `leave` first")),
    }
}

/// Connects to Central and goes on with the session.
async fn at_central(client: &Client) -> Result<(), String> {
    if client.server() == Some(Server::Central) {
        return Ok(());
    }
    connected(client).await?;
    match client.session() {
        Some(session) => told(client.validate(session.account, session.access_token).await),
        None => Ok(()),
    }
}

async fn characters(client: &Client) -> Result<String, String> {
    at_central(client).await?;
    let characters = told(client.list_characters().await)?;
    if characters.is_empty() {
        return Ok("no characters yet; type `create NAME`".to_owned());
    }
    let line = |summary: &CharacterSummary| format!("{} on {}", summary.name, summary.map);
    Ok(characters.iter().map(line).collect::<Vec<_>>().join("\n"))
}

async fn delete(client: &Client, name: &str) -> Result<String, String> {
    at_central(client).await?;
    let characters = told(client.list_characters().await)?;
    let found = named(&characters, name).ok_or_else(|| unknown(name))?;
    told(client.delete_character(found.character).await)?;
    Ok(format!("{} is gone", found.name))
}

async fn maps(client: &Client) -> Result<String, String> {
    at_central(client).await?;
    let maps = told(client.list_maps().await)?;
    if maps.is_empty() {
        return Ok("no map is up yet".to_owned());
    }
    Ok(maps.iter().flat_map(channels).collect::<Vec<_>>().join("\n"))
}

fn channels(summary: &MapSummary) -> impl Iterator<Item = String> {
    summary.channels.iter().map(|one| {
        let MapSummary { map, .. } = summary;
        format!("{map}, channel {}: {} of {} players", one.channel, one.population, one.capacity)
    })
}

async fn select(client: &Client, text: &str) -> Result<String, String> {
    at_central(client).await?;
    let characters = told(client.list_characters().await)?;
    let (found, wish) = chosen(&characters, text).ok_or_else(|| unknown(text))?;
    told(client.play(found.character, wish).await)?;
    Ok(String::new())
}

/// A character, perhaps a channel and a friend. A name that ends in a number goes before a channel.
fn chosen<'a>(
    characters: &'a [CharacterSummary],
    text: &str,
) -> Option<(&'a CharacterSummary, Wish)> {
    if let Some(found) = named(characters, text) {
        return Some((found, Wish::default()));
    }
    if let Some((text, friend)) = text.rsplit_once(" with ") {
        let (found, wish) = chosen(characters, text.trim_end())?;
        return Some((found, Wish { beside: Some(friend.trim().to_owned()), ..wish }));
    }
    let (name, channel) = text.rsplit_once(' ')?;
    let channel: Channel = channel.parse().ok()?;
    Some((named(characters, name.trim_end())?, channel.into()))
}

fn named<'a>(characters: &'a [CharacterSummary], name: &str) -> Option<&'a CharacterSummary> {
    characters.iter().find(|summary| summary.name.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> String {
    format!("you have no character `{name}`; type `characters`")
}

async fn portal(client: &Client, to: Option<&MapName>) -> Result<String, String> {
    let around = surroundings(client)?;
    let portal = around.portal(to).ok_or_else(|| match to {
        Some(to) => format!("no portal here leads to {to}; type `who`"),
        None => "there is no portal here".to_owned(),
    })?;
    told(client.walk(portal.at).await)?;
    Ok(format!("walking to the portal to {}", portal.to))
}

fn surroundings(client: &Client) -> Result<Surroundings, String> {
    client.surroundings().ok_or_else(|| "you are on no map; type `select NAME`".to_owned())
}

fn told<T>(outcome: Result<T, ClientError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use protocol::CharacterId;

    use super::*;

    #[test]
    fn a_name_that_ends_in_a_number_goes_before_a_channel() {
        let character = |name: &str| CharacterSummary {
            character: CharacterId::new(),
            name: name.to_owned(),
            map: "town".parse().unwrap(),
        };
        let all = [character("Mary Ann"), character("Luc 2")];
        let pick = |text| chosen(&all, text).map(|(found, wish)| (found.name.as_str(), wish));
        assert_eq!(pick("mary ann"), Some(("Mary Ann", Wish::default())));
        assert_eq!(pick("Mary Ann 2"), Some(("Mary Ann", Channel(2).into())));
        assert_eq!(pick("Luc 2"), Some(("Luc 2", Wish::default())));
        assert_eq!(pick("Luc 2 3"), Some(("Luc 2", Channel(3).into())));
        assert_eq!(pick("Luc 2 with Mary Ann"), Some(("Luc 2", Wish::beside("Mary Ann"))));
        let both = Wish { channel: Some(Channel(3)), beside: Some("Ada".to_owned()) };
        assert_eq!(pick("Luc 2 3 with Ada"), Some(("Luc 2", both)));
        assert_eq!(pick("Mary Ann 0"), None);
        assert_eq!(pick("Bob"), None);
    }
}

//! The steps with Central.

use std::time::Duration;

use client::{Client, ClientError};
use protocol::{Code, ConnectionInfo, MapName, world::CharacterSummary};
use serde_json::json;
use tokio::time::sleep;

use super::{Broken, Plan, Step};

/// Between two tries of a call that may succeed later.
const RETRY: Duration = Duration::from_millis(200);

/// Connects.
pub(crate) async fn connect(client: &Client) -> Step<()> {
    client.connect().await?;
    Ok(((), json!({})))
}

/// Makes the account. False if it exists, so that a login has to follow.
pub(crate) async fn register(client: &Client, plan: &Plan) -> Step<bool> {
    let created = match client.register(&plan.account, &plan.password).await {
        Ok(_) => true,
        Err(error) if error.code() == Some(Code::NameTaken) => false,
        Err(error) => return Err(error.into()),
    };
    Ok((created, json!({ "account": plan.account, "created": created })))
}

/// Logs in.
pub(crate) async fn login(client: &Client, plan: &Plan) -> Step<()> {
    client.login(&plan.account, &plan.password).await?;
    Ok(((), json!({ "account": plan.account })))
}

/// Picks a character, or creates it; then it must be in the list.
pub(crate) async fn character(client: &Client, plan: &Plan) -> Step<CharacterSummary> {
    let wanted = |summary: &&CharacterSummary| {
        plan.character.as_ref().is_none_or(|name| summary.name.eq_ignore_ascii_case(name))
    };
    if let Some(found) = client.list_characters().await?.iter().find(wanted) {
        return Ok((found.clone(), json!({ "name": found.name, "created": false })));
    }
    let random = || format!("Hero{:08x}", rand::random::<u32>());
    let name = plan.character.clone().unwrap_or_else(random);
    let created = client.create_character(&name).await?;
    if !client.list_characters().await?.contains(&created) {
        return Err(Broken::unexpected(format!("{name} was created, but is not in the list")));
    }
    let details = json!({ "name": created.name, "created": true });
    Ok((created, details))
}

/// Lists the maps until the character's is up: servers that have just started take a moment.
pub(crate) async fn maps(client: &Client, wanted: &MapName) -> Step<()> {
    loop {
        let maps = client.list_maps().await?;
        if maps.iter().any(|summary| summary.map == *wanted) {
            let names: Vec<_> = maps.iter().map(|summary| summary.map.as_str()).collect();
            return Ok(((), json!({ "maps": names })));
        }
        sleep(RETRY).await;
    }
}

/// Selects the character, again while the answer is one that may change.
pub(crate) async fn select(
    client: &Client,
    character: &CharacterSummary,
    plan: &Plan,
) -> Step<ConnectionInfo> {
    let connection = loop {
        match client.select(character.character, plan.channel).await {
            Ok(connection) => break connection,
            Err(ClientError::Failed(failure)) if failure.retry => sleep(RETRY).await,
            Err(error) => return Err(error.into()),
        }
    };
    if connection.map != character.map {
        let ConnectionInfo { map, .. } = &connection;
        let what = format!("the character is on {}, but the seat is on {map}", character.map);
        return Err(Broken::unexpected(what));
    }
    let details = json!({
        "map": connection.map,
        "channel": connection.channel,
        "server": connection.server,
        "address": format!("{}:{}", connection.address, connection.port),
    });
    Ok((connection, details))
}

/// Goes back to Central with the session; the character must be saved where it was left.
pub(crate) async fn validate(
    client: &Client,
    character: &CharacterSummary,
    left_on: &MapName,
) -> Step<()> {
    let session = client.session().ok_or_else(|| Broken::unexpected("the session is gone"))?;
    client.connect().await?;
    client.validate(session.account, session.access_token).await?;
    let characters = client.list_characters().await?;
    let saved = characters.iter().find(|summary| summary.character == character.character);
    let saved = saved.ok_or_else(|| Broken::unexpected("the character is not in the list"))?;
    if saved.map != *left_on {
        let what = format!("the character left {left_on}, but was saved on {}", saved.map);
        return Err(Broken::unexpected(what));
    }
    Ok(((), json!({ "saved_map": saved.map })))
}

/// Logs out; then the token must be void.
pub(crate) async fn logout(client: &Client) -> Step<()> {
    let session = client.session().ok_or_else(|| Broken::unexpected("the session is gone"))?;
    client.logout().await?;
    match client.validate(session.account, session.access_token).await {
        Ok(()) => Err(Broken::unexpected("the access token still holds after the logout")),
        Err(error) if matches!(error.code(), Some(Code::TokenInvalid | Code::LoggedOut)) => {
            Ok(((), json!({})))
        }
        Err(error) => Err(error.into()),
    }
}
